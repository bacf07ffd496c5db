import { onlyArgument, readOptions, type Command } from "./command.ts";
import { dataDirOption, dataDirUsage, readDataDir } from "./data-dir.ts";
import { jsonOption, jsonUsage } from "./json.ts";
import { callCroft } from "./region-api.ts";
import { printRootKey, type RootKey } from "./root-key.ts";

const options = { ...dataDirOption, ...jsonOption } as const;

export const command: Command = {
  usage: `account key [options] ID

Makes a new access key of the root of the account with this id, and prints export lines as croft account create does. The former key
signs nothing any more. The region is to be running.

${jsonUsage}
${dataDirUsage}`,
  options,
  async run(args) {
    const { values, positionals } = readOptions(args, options, { positionals: true });
    const id = onlyArgument(positionals, "of which account? croft account key ID");
    const dataDir = readDataDir(values["data-dir"]);
    const answer = (await callCroft(dataDir, "ReplaceRootKey", { AccountId: id })) as RootKey;
    printRootKey(answer, dataDir, values.json);
    return 0;
  },
};
