import type { ImageCriterion } from "@aws-sdk/client-ec2";
import type { Ec2Context } from "../context.ts";
import { pattern } from "../filters.ts";
import type { ResourceRecord } from "../records.ts";
import { ownerOf, type ImageRecord } from "./image.ts";

/** What an account says of all images in a region; absent until it does. */
export interface ImageSettingsRecord extends ResourceRecord {
  readonly id: typeof settingsId;
  /** Own images may be shared with everyone. */
  readonly publicAccess?: "unblocked";
  /** Which images of others may be seen and launched; in audit mode they are only told apart. Absent: all. */
  readonly allowed?: "enabled" | "audit-mode";
  readonly criteria: readonly ImageCriterion[];
}
const settingsId = "settings";

type Asked = Pick<Ec2Context, "records" | "accountId" | "now">;

export const imageSettings = ({ records, now }: Pick<Asked, "records" | "now">): ImageSettingsRecord =>
  records.get("image-settings", settingsId) ?? {
    id: settingsId,
    tags: {},
    createdAt: now().toISOString(),
    criteria: [],
  };

/** As in an account of AWS that nobody has told otherwise. */
export const blocksPublicAccess = (context: Pick<Asked, "records" | "now">): boolean =>
  imageSettings(context).publicAccess === undefined;

/** Absent: the account does not ask. Its own images always are. */
export function isAllowed(image: ImageRecord, context: Asked): boolean | undefined {
  const { allowed, criteria } = imageSettings(context);
  if (allowed === undefined) return undefined;
  return image.ownerId === context.accountId || criteria.some((it) => meets(image, it, context.now()));
}

/** Whether the account may see and launch it. */
export const isUsable = (image: ImageRecord, context: Asked): boolean =>
  isAllowed(image, context) !== false || imageSettings(context).allowed === "audit-mode";

/** All that a criterion says. What is told of products of the marketplace no image here has. */
function meets(image: ImageRecord, criterion: ImageCriterion, now: Date): boolean {
  const { ImageProviders: providers, ImageNames: names, MarketplaceProductCodes: products } = criterion;
  const { id, alias } = ownerOf(image);
  const ageDays = (time: string) => (now.getTime() - Date.parse(time)) / 86_400_000;
  const created = criterion.CreationDateCondition?.MaximumDaysSinceCreated;
  const deprecated = criterion.DeprecationTimeCondition?.MaximumDaysSinceDeprecated;
  return (
    (!providers?.length || providers.some((it) => it === id || it === alias)) &&
    (!names?.length || names.some((it) => pattern(it)(image.name))) &&
    !products?.length &&
    (created === undefined || ageDays(image.createdAt) <= created) &&
    (deprecated === undefined ||
      image.deprecationTime === undefined ||
      ageDays(image.deprecationTime) <= deprecated)
  );
}
