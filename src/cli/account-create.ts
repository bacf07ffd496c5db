import { onlyArgument, readOptions, type Command } from "./command.ts";
import { dataDirOption, dataDirUsage, readDataDir } from "./data-dir.ts";
import { jsonOption, jsonUsage } from "./json.ts";
import { callCroft } from "./region-api.ts";
import { printRootKey, type RootKey } from "./root-key.ts";

const options = { ...dataDirOption, ...jsonOption, "account-id": { type: "string" } } as const;

export const command: Command = {
  usage: `account create [options] NAME

Makes an account of the region beside its first, with nothing in common, and prints the export lines that point a shell at it by the
access key of its root: eval "$(croft account create NAME)". The key is shown this once. The region is to be running.

  --account-id ID    twelve digits (chosen by chance)
${jsonUsage}
${dataDirUsage}`,
  options,
  async run(args) {
    const { values, positionals } = readOptions(args, options, { positionals: true });
    const name = onlyArgument(positionals, "what is it called? croft account create NAME");
    const dataDir = readDataDir(values["data-dir"]);
    const id = values["account-id"];
    const input = { Name: name, ...(id !== undefined && { AccountId: id }) };
    printRootKey((await callCroft(dataDir, "CreateAccount", input)) as RootKey, dataDir, values.json);
    return 0;
  },
};
