import { spawnSync } from "node:child_process";
import { ignoresEndpointVariable } from "./aws-version.ts";
import { readOptions } from "./command.ts";
import type { Command } from "./command.ts";
import { dataDirOption, dataDirUsage, readDataDir } from "./data-dir.ts";
import { exportLines } from "./export-lines.ts";
import { jsonOption, jsonUsage, printJson } from "./json.ts";
import { regionEnvironment } from "./region-environment.ts";
import { say } from "./terminal.ts";

const options = { ...dataDirOption, ...jsonOption } as const;

export const command: Command = {
  usage: `env [options]\n\nPrints export lines for a shell: eval "$(croft env)"\n\n${jsonUsage}\n${dataDirUsage}`,
  options,
  async run(args) {
    const { values } = readOptions(args, options);
    const variables = regionEnvironment(readDataDir(values["data-dir"]));
    if (values.json) printJson({ variables });
    else process.stdout.write(exportLines(variables));
    warn();
    return 0;
  },
};

const warn = (): void => {
  const { stdout } = spawnSync("aws", ["--version"], { encoding: "utf8", timeout: 10_000 });
  if (ignoresEndpointVariable(stdout ?? "")) {
    say(
      `${stdout.trim().split(" ")[0]} ignores AWS_ENDPOINT_URL and would call the real AWS: use croft aws instead of aws`,
    );
  }
  if (process.env["AWS_SESSION_TOKEN"]) say("AWS_SESSION_TOKEN is set, from elsewhere: unset it");
};
