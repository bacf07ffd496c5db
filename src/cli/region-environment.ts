import type { Credentials } from "#auth/sign-request.ts";
import type { RegionSettings } from "#config.ts";
import { apiEndpoint, type ApiEndpoint } from "#setup/api-endpoint.ts";
import { readCredentials } from "#setup/credentials.ts";
import { requireSettings } from "#setup/region-settings.ts";

/** The variables that point AWS's clients at the region at `dataDir`. Throws `Refusal` when there is none. */
export const regionEnvironment = (dataDir: string): Record<string, string> => {
  const settings = requireSettings(dataDir);
  return clientVariables(settings, readCredentials(dataDir), apiEndpoint(dataDir, settings));
};

export const clientVariables = (
  { region }: Pick<RegionSettings, "region">,
  { accessKeyId, secretAccessKey }: Credentials,
  { url, caFile }: Pick<ApiEndpoint, "url" | "caFile">,
): Record<string, string> => ({
  AWS_ACCESS_KEY_ID: accessKeyId,
  AWS_SECRET_ACCESS_KEY: secretAccessKey,
  AWS_DEFAULT_REGION: region,
  AWS_REGION: region,
  AWS_ENDPOINT_URL: url,
  ...(caFile !== undefined && { AWS_CA_BUNDLE: caFile }),
});
