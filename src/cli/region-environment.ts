import { readCredentials } from "#setup/credentials.ts";
import { requireSettings } from "#setup/region-settings.ts";

/** The variables that point AWS's clients at the region at `dataDir`. Throws `Refusal` when there is none. */
export const regionEnvironment = (dataDir: string): Record<string, string> => {
  const { region, port } = requireSettings(dataDir);
  const { accessKeyId, secretAccessKey } = readCredentials(dataDir);
  return {
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_DEFAULT_REGION: region,
    AWS_REGION: region,
    AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`,
  };
};
