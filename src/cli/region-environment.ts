import type { Credentials } from "#auth/sign-request.ts";
import type { RegionSettings } from "#config.ts";
import { readCredentials } from "#setup/credentials.ts";
import { requireSettings } from "#setup/region-settings.ts";

/** The variables that point AWS's clients at the region at `dataDir`. Throws `Refusal` when there is none. */
export const regionEnvironment = (dataDir: string): Record<string, string> =>
  clientVariables(requireSettings(dataDir), readCredentials(dataDir));

export const clientVariables = (
  { region, port }: Pick<RegionSettings, "region" | "port">,
  { accessKeyId, secretAccessKey }: Credentials,
): Record<string, string> => ({
  AWS_ACCESS_KEY_ID: accessKeyId,
  AWS_SECRET_ACCESS_KEY: secretAccessKey,
  AWS_DEFAULT_REGION: region,
  AWS_REGION: region,
  AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`,
});
