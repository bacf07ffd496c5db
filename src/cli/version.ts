import { croftVersion } from "#checkout.ts";
import { readOptions, type Command } from "./command.ts";
import { jsonOption, jsonUsage, printJson } from "./json.ts";

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
