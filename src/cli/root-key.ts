import { apiEndpoint } from "#setup/api-endpoint.ts";
import { requireSettings } from "#setup/region-settings.ts";
import { exportLines } from "./export-lines.ts";
import { printJson } from "./json.ts";
import { clientVariables } from "./region-environment.ts";
import { say } from "./terminal.ts";

/** What the API answers of an account whose root has a new key. */
export interface RootKey {
  readonly AccountId: string;
  readonly Name: string;
  readonly AccessKeyId: string;
  readonly SecretAccessKey: string;
}

/** The one time that it is shown. */
export function printRootKey(
  { AccountId: id, Name: name, AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey }: RootKey,
  dataDir: string,
  json: boolean | undefined,
): void {
  const settings = requireSettings(dataDir);
  const credentials = { accessKeyId, secretAccessKey };
  const variables = clientVariables(settings, credentials, apiEndpoint(dataDir, settings));
  if (json) return printJson({ id, name, variables });
  process.stdout.write(exportLines(variables));
  say(`account ${id} (${name}): its root's access key is shown this once`);
}
