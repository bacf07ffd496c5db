import { CommandFailed, run } from "#drivers/linux/commands.ts";
import type { RealRegion } from "../real-region.ts";

/** Debian's own CLI, which knows no AWS_ENDPOINT_URL yet, in an environment of its own. Words are parted by spaces. */
export const awsCli = ({ endpoint, environment }: Pick<RealRegion, "endpoint" | "environment">) => {
  const variables = {
    ...environment,
    AWS_CONFIG_FILE: "/dev/null",
    AWS_EC2_METADATA_DISABLED: "true",
    AWS_PAGER: "",
    PATH: "/usr/bin:/bin",
  };
  const assignments = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
  const text = (command: string): Promise<string> =>
    run(
      "env",
      [
        "-i",
        ...assignments,
        "/usr/bin/aws",
        "--endpoint-url",
        endpoint,
        "--output",
        "text",
        ...command.split(" "),
      ],
      { timeoutMs: 300_000 },
    );
  return {
    /** What it printed, with `--output text`. Throws `CommandFailed`. */
    text,
    /** The code by which the region refused it. */
    async refusal(command: string): Promise<string> {
      try {
        await text(command);
      } catch (error) {
        const code =
          error instanceof CommandFailed && /An error occurred \((\w+(?:\.\w+)?)\)/.exec(error.stderr)?.[1];
        if (code) return code;
        throw error;
      }
      throw new Error(`was not refused: aws ${command}`);
    },
  };
};
