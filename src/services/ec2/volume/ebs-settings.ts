import type { Ec2Context } from "../context.ts";
import type { ResourceRecord } from "../records.ts";

/** What an account says of all new volumes and snapshots in a region; absent until it does. */
export interface EbsSettingsRecord extends ResourceRecord {
  readonly id: typeof settingsId;
  readonly encrypted?: true;
  /** Absent: AWS's own. */
  readonly kmsKeyId?: string;
}
const settingsId = "settings";

export const ebsSettings = ({ records, now }: Pick<Ec2Context, "records" | "now">): EbsSettingsRecord =>
  records.get("ebs-settings", settingsId) ?? { id: settingsId, tags: {}, createdAt: now().toISOString() };
