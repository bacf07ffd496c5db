import { layout } from "#config.ts";
import { isOffered, type ImageRecord } from "#services/ec2/image/image.ts";
import { recordKey } from "#services/ec2/records.ts";
import { requireSettings } from "#setup/region-settings.ts";
import { connectStore } from "#store/socket/connect-store.ts";

/** The images that the region at `dataDir` offers, whoever's they are. It has to be running, and the caller root. */
export const regionImages = async (dataDir: string): Promise<ImageRecord[]> => {
  const store = connectStore(layout(dataDir).storeSocket);
  try {
    const { entries } = await store.list(recordKey("image", requireSettings(dataDir), ""));
    return entries.map(({ value }) => value as ImageRecord).filter(isOffered);
  } finally {
    await store.close();
  }
};
