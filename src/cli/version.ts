import { readFileSync } from "node:fs";
import { join } from "node:path";
import { checkout } from "./checkout.ts";
import { readOptions, type Command } from "./command.ts";
import { jsonOption, jsonUsage, printJson } from "./json.ts";

export const croftVersion = (): string => {
  const { version }: { version: string } = JSON.parse(readFileSync(join(checkout, "package.json"), "utf8"));
  return version;
};

export const command: Command = {
  usage: `version [options]\n\n${jsonUsage}`,
  options: jsonOption,
  async run(args) {
    const { values } = readOptions(args, jsonOption);
    const { node } = process.versions;
    if (values.json) printJson({ version: croftVersion(), node });
    else process.stdout.write(`croft ${croftVersion()} (Node ${node})\n`);
    return 0;
  },
};
