import { readCredentials } from "#setup/credentials.ts";
import { requireSettings } from "#setup/region-settings.ts";
import { columns } from "./columns.ts";
import { readOptions, type Command } from "./command.ts";
import { dataDirOption, dataDirUsage, readDataDir } from "./data-dir.ts";
import { jsonOption, jsonUsage, printJson } from "./json.ts";
import { callCroft } from "./region-api.ts";

const options = { ...dataDirOption, ...jsonOption } as const;

export const command: Command = {
  usage: `account list [options]

Prints the accounts of the region, the first one first, one a line: id, id of its root's access key, name, when it was made. The
region is to be running.

${jsonUsage}
${dataDirUsage}`,
  options,
  async run(args) {
    const { values } = readOptions(args, options);
    const dataDir = readDataDir(values["data-dir"]);
    const { Accounts: others } = (await callCroft(dataDir, "ListAccounts", {})) as Answer;
    const first = {
      id: requireSettings(dataDir).accountId,
      rootKeyId: readCredentials(dataDir).accessKeyId,
      name: "(the first)",
      createdAt: null,
    };
    const accounts = [
      first,
      ...others.map((it) => ({
        id: it.AccountId,
        rootKeyId: it.AccessKeyId,
        name: it.Name,
        createdAt: it.CreatedAt,
      })),
    ];
    if (values.json) printJson({ accounts });
    else
      process.stdout.write(columns(accounts.map((it) => [it.id, it.rootKeyId, it.name, it.createdAt ?? ""])));
    return 0;
  },
};

interface Answer {
  readonly Accounts: readonly Record<"AccountId" | "Name" | "CreatedAt" | "AccessKeyId", string>[];
}
