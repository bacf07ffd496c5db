import type * as ec2 from "@aws-sdk/client-ec2";
import type { CopySnapshotRequest, CreateSnapshotRequest, CreateSnapshotsRequest } from "@aws-sdk/client-ec2";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import type { Ec2Context } from "../context.ts";
import {
  invalidParameter,
  snapshotInState,
  snapshotInUse,
  snapshotIsLocked,
  unsupportedParameter,
  volumeNotAttachedSo,
} from "../errors.ts";
import { imagesMadeOf } from "../image/image.ts";
import { instancesOf } from "../instance/instance-change.ts";
import { instanceArn, isGone, type InstanceRecord } from "../instance/instance.ts";
import { sourceRegion } from "../source-region.ts";
import { copiedTags, describeTags, onlyTags, tagsFor, withTags } from "../tag/tag.ts";
import { findVolume } from "../volume/find-volume.ts";
import { attachmentTo, volumeArn, type VolumeRecord } from "../volume/volume.ts";
import { encryptionPlan, type EncryptionPlan } from "../volume/encryption.ts";
import { sourceOfSnapshot } from "../volume/volume-source.ts";
import { together } from "../together.ts";
import { attachedVolumes, newSnapshots } from "./new-snapshots.ts";
import { isLocked } from "./snapshot-lock.ts";
import {
  deleted,
  describeSnapshot,
  findSnapshot,
  keyNotAccessible,
  snapshotArn,
  snapshotState,
  snapshotStays,
  usableSnapshot,
  type SnapshotRecord,
} from "./snapshot.ts";

interface SnapshotsPlan extends OperationPlan {
  readonly snapshots: readonly SnapshotRecord[];
}

export const newSnapshotOperations = {
  /** Of a volume that is in use as well: it holds what was written to it by then. */
  CreateSnapshot: {
    resolve(input, context): SnapshotsPlan {
      for (const name of ["OutpostArn", "Location"] as const)
        if (input[name]) throw unsupportedParameter(name);
      return snapshotsOf([findVolume(input.VolumeId, context)], input, context);
    },
    answer({ snapshots: [snapshot] }: SnapshotsPlan, context) {
      return snapshot ? describeSnapshot(snapshot, context) : {};
    },
  },

  /** Of an instance's volumes, all at one moment. */
  CreateSnapshots: {
    resolve(input, context): SnapshotsPlan {
      for (const name of ["OutpostArn", "Location"] as const)
        if (input[name]) throw unsupportedParameter(name);
      const [instance, volumes] = chosenVolumes(input, context);
      const plan = snapshotsOf(volumes, input, context, input.CopyTagsFromSource === "volume");
      const touched = { arn: instanceArn(instance.id, context), tags: instance.tags };
      return { ...plan, touches: [touched, ...plan.touches] };
    },
    answer: ({ snapshots }: SnapshotsPlan, context) => ({
      Snapshots: snapshots.map((it) => {
        const { StateMessage, CompletionTime, StorageTier, TransferType, KmsKeyId, ...info } =
          describeSnapshot(it, context);
        return info;
      }),
    }),
  },

  CopySnapshot: {
    resolve(input, context): SnapshotsPlan {
      const encryptions = encryptionPlan(context);
      const from = sourceRegion(input.SourceRegion, context);
      const snapshot = copyOf(input, from, encryptions, context);
      const { key, ...made } = newRecord(snapshot, context);
      const { touches, transaction } = encryptions.parts();
      return {
        touches: [{ arn: snapshotArn("*", context), tags: snapshot.tags }, ...touches],
        transaction: together(transaction, {
          expect: [{ absent: key }, ...snapshotStays(input.SourceSnapshotId, from.records)],
          ...made,
        }),
        snapshots: [snapshot],
      };
    },
    answer: ({ snapshots: [snapshot] }: SnapshotsPlan) => ({
      SnapshotId: snapshot?.id,
      Tags: describeTags(snapshot?.tags ?? {}),
    }),
  },

  /** One that is not complete is gone at once too, and completes unseen. */
  DeleteSnapshot: {
    resolve({ SnapshotId: id }, context): OperationPlan {
      const { records } = context;
      const [image] = imagesMadeOf(id, records);
      if (image) throw snapshotInUse(id, image.id);
      const snapshot = findSnapshot(id, context);
      if (isLocked(snapshot, context.now())) throw snapshotIsLocked(id);
      return {
        touches: [{ arn: snapshotArn(id, context), tags: snapshot.tags }],
        transaction: records.rewrite("snapshot", deleted(snapshot, context)),
      };
    },
    answer: () => ({}),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

function snapshotsOf(
  volumes: readonly VolumeRecord[],
  input: Pick<CreateSnapshotRequest, "Description" | "TagSpecifications">,
  context: Ec2Context,
  withVolumesTags = false,
): SnapshotsPlan {
  onlyTags(["snapshot"], input.TagSpecifications);
  const asked = tagsFor("snapshot", input.TagSpecifications);
  const plan = newSnapshots(
    volumes,
    (volume) => ({
      description: description(input),
      tags: withVolumesTags ? withTags(copiedTags(volume.tags), describeTags(asked)) : asked,
    }),
    context,
  );
  return {
    ...plan,
    touches: [
      ...volumes.map(({ id, tags }) => ({ arn: volumeArn(id, context), tags })),
      ...plan.snapshots.map(({ tags }) => ({ arn: snapshotArn("*", context), tags })),
    ],
  };
}

/** Those that are attached, in the order of their devices. */
function chosenVolumes(
  { InstanceSpecification: { InstanceId: id, ...chosen } = { InstanceId: "" } }: CreateSnapshotsRequest,
  context: Ec2Context,
): readonly [InstanceRecord, VolumeRecord[]] {
  const [instance] = instancesOf([id ?? ""], context);
  if (!instance || isGone(instance)) throw invalidParameter(`The instance '${id ?? ""}' has no volumes.`);
  const attached = attachedVolumes(instance.id, context);
  const isRoot = (it: VolumeRecord) => attachmentTo(instance.id, it)?.device === instance.rootDevice;
  for (const excluded of chosen.ExcludeDataVolumeIds ?? []) {
    const volume = attached.find((it) => it.id === excluded);
    if (!volume) throw volumeNotAttachedSo(excluded, instance.id, "");
    if (isRoot(volume))
      throw invalidParameter(
        `The volume '${excluded}' is the root volume: it is left out by ExcludeBootVolume.`,
      );
  }
  const kept = attached.filter(
    (it) => !chosen.ExcludeDataVolumeIds?.includes(it.id) && !(chosen.ExcludeBootVolume && isRoot(it)),
  );
  if (kept.length === 0) throw invalidParameter("There are no volumes to make snapshots of.");
  return [instance, kept];
}

function copyOf(
  input: CopySnapshotRequest & { SourceSnapshotId: string },
  from: Ec2Context,
  encryptions: EncryptionPlan,
  context: Ec2Context,
): SnapshotRecord {
  for (const name of unservedCopies) if (input[name]) throw unsupportedParameter(name);
  if (input.DestinationRegion !== undefined && input.DestinationRegion !== context.region)
    throw invalidParameter(`Value (${input.DestinationRegion}) for parameter destinationRegion is invalid.`);
  const source = usableSnapshot(input.SourceSnapshotId, from);
  const state = snapshotState(source);
  if (state !== "completed") throw snapshotInState(state);
  onlyTags(["snapshot"], input.TagSpecifications);
  const id = context.newId("snap");
  const { encrypted } = sourceOfSnapshot(source, context.records);
  const { encryption, failed } = encryptions.of(id, input, encrypted);
  return {
    id,
    hostId: source.hostId,
    of: { copy: source.id },
    sizeGiB: source.sizeGiB,
    description: description(input),
    ...(source.image && { image: source.image }),
    ...(encryption && { encryption }),
    together: id,
    tags: tagsFor("snapshot", input.TagSpecifications),
    createdAt: context.now().toISOString(),
    so: failed === undefined ? {} : { failed: keyNotAccessible },
  };
}

const unservedCopies = [
  "CompletionDurationMinutes",
  "DestinationAvailabilityZone",
  "DestinationOutpostArn",
] as const satisfies (keyof CopySnapshotRequest)[];

/** Of up to 255 characters. */
function description({ Description: text = "" }: { readonly Description?: string | undefined }): string {
  if (text.length > 255) throw invalidParameter("Snapshot descriptions have at most 255 characters.");
  return text;
}

function newRecord(snapshot: SnapshotRecord, { records }: Ec2Context) {
  const key = records.key("snapshot", snapshot.id);
  return { key, put: [{ key, value: snapshot }] };
}
