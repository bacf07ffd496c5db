import type { Schedule } from "@aws-sdk/client-dlm";
import type { Transaction } from "#store/store.ts";
import type { Ec2Context } from "../ec2/context.ts";
import { newImageOperations } from "../ec2/image/new-image-operations.ts";
import { parseKey } from "../ec2/records.ts";
import { newSnapshotOperations } from "../ec2/snapshot/new-snapshot-operations.ts";
import { volumeOf, type SnapshotRecord } from "../ec2/snapshot/snapshot.ts";
import { attachedVolumes } from "../ec2/snapshot/new-snapshots.ts";
import { copiedTags, hasAnyTag, type Tags } from "../ec2/tag/tag.ts";
import { isImagePolicy, nameOf, policyTags, type DlmPolicyRecord } from "./policy.ts";
import { attachmentTo } from "../ec2/volume/volume.ts";

/** The transaction by which a schedule makes its snapshots, or its image, of one target. Throws what EC2's operations throw. */
export function madeOf(
  target: string,
  schedule: Schedule,
  policy: DlmPolicyRecord,
  context: Ec2Context,
): Transaction {
  const { transaction = {} } = planOf(target, schedule, policy, context);
  const { records } = context;
  return {
    ...transaction,
    put: (transaction.put ?? []).map(({ key, value }) => {
      const { kind } = parseKey(key);
      const made = value as SnapshotRecord;
      // Of the other puts some are snapshots that are only kept: none is of a volume.
      if (kind !== "image" && kind !== "snapshot") return { key, value };
      const source =
        kind === "snapshot" && !isImagePolicy(policy)
          ? records.get("volume", volumeOf(made) ?? "")
          : records.get("instance", target);
      return {
        key,
        value: { ...made, tags: tagsOf(target, schedule, policy, source?.tags ?? {}, context.now()) },
      };
    }),
  };
}

function planOf(target: string, schedule: Schedule, policy: DlmPolicyRecord, context: Ec2Context) {
  const Description = `Created for policy: ${policy.id} schedule: ${nameOf(schedule)}`.slice(0, 255);
  const { ExcludeBootVolume, ExcludeDataVolumeTags = [], NoReboot = true } = policy.details.Parameters ?? {};
  if (isImagePolicy(policy)) {
    const at = context.now().toISOString().replaceAll(":", ".");
    const Name = `${policy.id}_${target}_${at}`;
    return newImageOperations.CreateImage.resolve(
      { InstanceId: target, Name, Description, NoReboot },
      context,
    );
  }
  if (!policy.details.ResourceTypes?.includes("INSTANCE"))
    return newSnapshotOperations.CreateSnapshot.resolve({ VolumeId: target, Description }, context);
  const rootDevice = context.records.get("instance", target)?.rootDevice;
  const ExcludeDataVolumeIds = attachedVolumes(target, context)
    .filter((it) => attachmentTo(target, it)?.device !== rootDevice)
    .filter(({ tags }) => hasAnyTag(tags, ExcludeDataVolumeTags))
    .map(({ id }) => id);
  const InstanceSpecification = {
    InstanceId: target,
    ExcludeDataVolumeIds,
    ...(ExcludeBootVolume && { ExcludeBootVolume }),
  };
  return newSnapshotOperations.CreateSnapshots.resolve({ InstanceSpecification, Description }, context);
}

function tagsOf(target: string, schedule: Schedule, policy: DlmPolicyRecord, source: Tags, now: Date): Tags {
  const pairs = (tags: Schedule["TagsToAdd"] = []) =>
    tags.map(({ Key = "", Value = "" }) => [Key, Value] as const);
  const variables: Readonly<Record<string, string>> = {
    "$(instance-id)": target,
    "$(timestamp)": now.toISOString(),
  };
  return {
    ...(schedule.CopyTags ? copiedTags(source) : {}),
    ...Object.fromEntries(pairs(schedule.TagsToAdd)),
    ...Object.fromEntries(
      pairs(schedule.VariableTags).map(([key, value]) => [key, variables[value] ?? value]),
    ),
    ...policyTags(policy, schedule),
  };
}
