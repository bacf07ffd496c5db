import { globSync, readFileSync } from "node:fs";
import { CommandFailed, run } from "#drivers/linux/commands.ts";
import type { RealRegion } from "../real-region.ts";
import { isServed, type ClientConveniences } from "./coverage.ts";

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
  const succeeded: string[] = [];

  const text = async (command: string): Promise<string> => {
    const words = command.split(" ");
    const printed = await run(
      "env",
      ["-i", ...assignments, "/usr/bin/aws", "--endpoint-url", endpoint, "--output", "text", ...words],
      { timeoutMs: 300_000 },
    );
    succeeded.push(command);
    return printed;
  };

  return {
    /** What it printed, with `--output text`. Throws `CommandFailed`. */
    text,
    /** The lines it printed, each parted at its tabs. A list of a paginator's `--query` is one line for each page. */
    async rows(command: string): Promise<string[][]> {
      const lines = (await text(command)).split("\n").filter((line) => line !== "");
      return lines.map((line) => line.split("\t"));
    },
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
    /** A paginator is used by `--page-size`, a waiter by `aws ec2 wait …`. */
    conveniences: (): ClientConveniences => ({
      offered: offered.map(({ name }) => name),
      used: offered
        .filter(({ command }) => succeeded.some((it) => command.test(it.replaceAll("-", ""))))
        .map(({ name }) => name),
      operations: known,
    }),
  };
};

/** By the names requests are signed for, and those of the CLI. */
const services = {
  dlm: "dlm",
  ebs: "ebs",
  ec2: "ec2",
  iam: "iam",
  kms: "kms",
  rbin: "rbin",
  servicequotas: "service-quotas",
  ssm: "ssm",
  sts: "sts",
} as const;

const known = new Set(
  Object.entries(services).flatMap(([service, folder]) => {
    const { operations = {} } = clientData<{ operations: object }>(folder, "service-2.json");
    return Object.keys(operations).map((name) => `${service}:${name}`);
  }),
);

/** The paginators and waiters of the CLI's own data, each with what its commands look like without their hyphens. */
const offered = Object.entries(services).flatMap(([service, folder]) => {
  const { pagination = {} } = clientData<{ pagination: object }>(folder, "paginators-1.json");
  const { waiters = {} } = clientData<{ waiters: Record<string, { operation: string }> }>(
    folder,
    "waiters-2.json",
  );
  const cliService = folder.replaceAll("-", "");
  return [
    ...Object.keys(pagination)
      .filter((operation) => isServed(service, operation))
      .map((operation) => ({
        name: `${service}:paginate ${operation}`,
        command: new RegExp(`^${cliService} ${operation} .*pagesize \\d`, "i"),
      })),
    ...Object.entries(waiters)
      .filter(([, { operation }]) => isServed(service, operation))
      .map(([waiter]) => ({
        name: `${service}:wait ${waiter}`,
        command: new RegExp(`^${cliService} wait ${waiter} `, "i"),
      })),
  ];
});

function clientData<Data extends object>(folder: string, file: string): Partial<Data> {
  const [path] = globSync(`/usr/lib/python3/dist-packages/awscli/botocore/data/${folder}/*/${file}`);
  return path === undefined ? {} : JSON.parse(readFileSync(path, "utf8"));
}
