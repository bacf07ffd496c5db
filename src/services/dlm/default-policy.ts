import type { CreateLifecyclePolicyRequest, PolicyDetails, Schedule } from "@aws-sdk/client-dlm";
import type { Ec2Context } from "../ec2/context.ts";
import { isGone } from "../ec2/instance/instance.ts";
import { isOffered } from "../ec2/image/image.ts";
import { isRegion } from "../ec2/region/region.ts";
import { snapshotState, snapshotsThere, volumeOf } from "../ec2/snapshot/snapshot.ts";
import { hasAnyTag, type Tags } from "../ec2/tag/tag.ts";
import { volumeTypes } from "../ec2/volume/volume-types.ts";
import { volumeState, volumesThere } from "../ec2/volume/volume.ts";
import { invalidRequest, notAnotherRegion } from "./errors.ts";

/** Of a whole region, without tags: what has no backup of the last days, by whomever, gets one each day. */
export const isDefault = ({ PolicyLanguage }: PolicyDetails): boolean => PolicyLanguage === "SIMPLIFIED";

/** Of which a request has some beside `PolicyDetails`, or in it. */
export const simplified = [
  "CreateInterval",
  "RetainInterval",
  "CopyTags",
  "ExtendDeletion",
  "CrossRegionCopyTargets",
  "Exclusions",
] as const satisfies (keyof PolicyDetails & keyof CreateLifecyclePolicyRequest)[];

type Simplified = Pick<PolicyDetails, (typeof simplified)[number]>;

/** What is asked for beside `PolicyDetails`. */
export const besideDetails = (input: Simplified): Simplified =>
  Object.fromEntries(simplified.flatMap((name) => (input[name] === undefined ? [] : [[name, input[name]]])));

/** What a default policy may say, with what it does not. Throws InvalidRequestException. */
export function checkedDefault(
  details: PolicyDetails,
  { region, homeRegion }: Pick<Ec2Context, "region" | "homeRegion">,
): PolicyDetails {
  const {
    ResourceType: type,
    CreateInterval: create = 1,
    RetainInterval: retain = 7,
    CopyTags = false,
  } = details;
  const {
    ExtendDeletion = false,
    CrossRegionCopyTargets: targets = [],
    Exclusions: exclusions = {},
  } = details;
  if (type !== "VOLUME" && type !== "INSTANCE") throw invalidRequest("ResourceType is VOLUME or INSTANCE.");
  for (const name of [
    "Schedules",
    "TargetTags",
    "ResourceTypes",
    "Parameters",
    "EventSource",
    "Actions",
  ] as const)
    if (details[name] !== undefined) throw invalidRequest(`${name} is not for default policies.`);
  if (create < 1 || create > 7) throw invalidRequest("CreateInterval is from 1 to 7 days.");
  if (retain < 2 || retain > 14 || retain <= create)
    throw invalidRequest("RetainInterval is from 2 to 14 days, and greater than CreateInterval.");
  if (ExtendDeletion) throw invalidRequest("Croft does not serve ExtendDeletion yet.");
  const regions = targets.map(({ TargetRegion = "" }) => TargetRegion);
  if (regions.length > 3) throw invalidRequest("CrossRegionCopyTargets has at most 3 Regions.");
  if (new Set(regions).size < regions.length)
    throw invalidRequest("CrossRegionCopyTargets names a Region twice.");
  const none = regions.find((it) => it === region || !isRegion(it, homeRegion));
  if (none !== undefined) throw notAnotherRegion(none);
  const { ExcludeBootVolumes, ExcludeVolumeTypes: types = [], ExcludeTags: tags = [] } = exclusions;
  if (type === "INSTANCE" && (ExcludeBootVolumes !== undefined || types.length > 0))
    throw invalidRequest("Volumes are not excluded from images.");
  if (types.length > 6 || types.some((it) => !Object.hasOwn(volumeTypes, it)))
    throw invalidRequest("ExcludeVolumeTypes has at most 6 types of volumes.");
  if (tags.length > 50) throw invalidRequest("ExcludeTags has at most 50 tags.");
  return {
    PolicyLanguage: "SIMPLIFIED",
    PolicyType: type === "VOLUME" ? "EBS_SNAPSHOT_MANAGEMENT" : "IMAGE_MANAGEMENT",
    ResourceType: type,
    CreateInterval: create,
    RetainInterval: retain,
    CopyTags,
    ExtendDeletion,
    ...(targets.length > 0 && { CrossRegionCopyTargets: targets }),
    ...(Object.keys(exclusions).length > 0 && { Exclusions: exclusions }),
  };
}

/** What a default policy does, as a schedule says it. AWS does not tell its time of day. */
export function defaultSchedule({
  RetainInterval,
  CopyTags,
  CrossRegionCopyTargets,
}: PolicyDetails): Schedule {
  const RetainRule = { Interval: RetainInterval, IntervalUnit: "DAYS" } as const;
  return {
    Name: "Default policy",
    CreateRule: { Interval: 24, IntervalUnit: "HOURS" },
    RetainRule,
    CopyTags,
    CrossRegionCopyRules: CrossRegionCopyTargets?.map(({ TargetRegion }) => ({
      TargetRegion,
      Encrypted: false,
      CopyTags,
      RetainRule,
    })),
  };
}

/** The volumes, or instances, that are not excluded and have no snapshot, or image, of so many days. */
export function defaultTargets(
  details: PolicyDetails,
  { records, now }: Pick<Ec2Context, "records" | "now">,
): string[] {
  const { ResourceType, CreateInterval = 1, Exclusions: exclusions = {} } = details;
  // What the last run made is as old as it may be, less the moments that took.
  const recent = new Date(now().getTime() - (CreateInterval * 24 - 1) * 3_600_000).toISOString();
  const isExcluded = ({ tags }: { readonly tags: Tags }) => hasAnyTag(tags, exclusions.ExcludeTags);
  if (ResourceType === "INSTANCE") {
    const images = records.all("image").filter((it) => isOffered(it) && it.createdAt > recent);
    const backedUp = new Set(images.map(({ source }) => source?.instanceId));
    return records
      .all("instance")
      .filter((it) => !isGone(it) && !isExcluded(it) && !backedUp.has(it.id))
      .map(({ id }) => id);
  }
  const snapshots = snapshotsThere(records).filter(
    (it) => snapshotState(it) !== "error" && it.createdAt > recent,
  );
  const backedUp = new Set(snapshots.map(volumeOf));
  return volumesThere(records)
    .filter(
      (it) => ["available", "in-use"].includes(volumeState(it)) && !isExcluded(it) && !backedUp.has(it.id),
    )
    .filter(({ type }) => !exclusions.ExcludeVolumeTypes?.includes(type))
    .filter(
      ({ attachments }) =>
        !exclusions.ExcludeBootVolumes ||
        attachments.every(
          ({ instanceId, device }) => records.get("instance", instanceId)?.rootDevice !== device,
        ),
    )
    .map(({ id }) => id);
}
