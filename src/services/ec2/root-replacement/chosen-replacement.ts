import type { CreateReplaceRootVolumeTaskRequest } from "@aws-sdk/client-ec2";
import type { TouchedResource } from "#api/operation.ts";
import type { Expectation, Transaction } from "#store/store.ts";
import type { Ec2Context } from "../context.ts";
import {
  imageOfOtherKind,
  noLaunchState,
  snapshotOfOtherRoot,
  multiAttachNotBooted,
  volumeAttached,
  volumeElsewhere,
  volumeNotAvailable,
} from "../errors.ts";
import { chosenRates, devicesOf } from "../image/image-device.ts";
import { imageArn, imageKeys, type ImageRecord } from "../image/image.ts";
import { launchableImage } from "../image/launchable-image.ts";
import type { InstanceRecord } from "../instance/instance.ts";
import { launchableType } from "../instance/launchable-type.ts";
import { findSnapshot, snapshotArn, volumeOf } from "../snapshot/snapshot.ts";
import { encryptionPlan } from "../volume/encryption.ts";
import { findVolume } from "../volume/find-volume.ts";
import { sizeToBe } from "../volume/volume-modification.ts";
import { sourceAgain, sourceOfImage, sourceOfSnapshot, type VolumeSource } from "../volume/volume-source.ts";
import { volumeShape } from "../volume/volume-types.ts";
import { volumeState, type VolumeRecord } from "../volume/volume.ts";
import type { Root } from "./root-replacement.ts";
import { isChangedAlone } from "../volume/volume-modification.ts";

interface Replacement {
  readonly volume: VolumeRecord;
  /** The request makes it; else it was there. */
  readonly made: boolean;
  /** What the task shows that it was made of. */
  readonly snapshotId?: string | undefined;
  /** What is other with it than with the original. */
  readonly root: Partial<Root>;
  readonly stays: readonly Expectation[];
  readonly touches: readonly TouchedResource[];
  /** Of its encryption. */
  readonly transaction: Transaction;
}

/**
 * The volume that is to be the root: of a snapshot of a root volume of the instance, of an image, one that is there, or else of what the
 * instance was launched from. Follows "Replace the root volume for an Amazon EC2 instance without stopping it" of the EC2 user guide.
 */
export function chosenReplacement(
  { SnapshotId, ImageId, VolumeId }: CreateReplaceRootVolumeTaskRequest,
  instance: InstanceRecord,
  root: VolumeRecord,
  context: Ec2Context,
): Replacement {
  if (SnapshotId) return ofSnapshot(SnapshotId, instance, root, context);
  if (ImageId) return ofImage(ImageId, instance, root, context);
  if (VolumeId) return ofVolume(VolumeId, instance, context);
  const source = sourceAgain(instance.launchedFrom ?? root, context);
  if (!source) throw noLaunchState(root.id);
  return { ...madeOf(source, source.sizeGiB, root, context), root: {} };
}

function ofSnapshot(
  id: string,
  instance: InstanceRecord,
  root: VolumeRecord,
  context: Ec2Context,
): Replacement {
  const snapshot = findSnapshot(id, context);
  const roots: readonly (string | undefined)[] = [root.id, ...(instance.formerRoots ?? [])];
  if (!roots.includes(volumeOf(snapshot))) throw snapshotOfOtherRoot(id, instance.id);
  const source = sourceOfSnapshot(snapshot, context.records);
  const made = madeOf(source, source.sizeGiB, root, context);
  const touched = { arn: snapshotArn(id, context), tags: snapshot.tags };
  return { ...made, root: {}, touches: [touched, ...made.touches] };
}

/** The instance is from then on one of this image, but for its further volumes. */
function ofImage(id: string, instance: InstanceRecord, root: VolumeRecord, context: Ec2Context): Replacement {
  const image = launchableImage(id, context);
  checkImage(id, image, instance);
  const source = sourceOfImage(image, image.snapshotId, context.records);
  const { bootMode } = image;
  const { snapshotId: _, ...made } = madeOf(source, devicesOf(image)[0]?.sizeGiB ?? 0, root, context);
  return {
    ...made,
    root: { imageId: id, bootMode, launchedFrom: source.of },
    touches: [
      {
        arn: imageArn(image.id, context),
        tags: image.tags,
        keys: imageKeys(image),
      },
      ...made.touches,
    ],
  };
}

function checkImage(
  id: string,
  image: ImageRecord,
  { id: instanceId, architecture, type }: InstanceRecord,
): void {
  if (image.architecture !== architecture)
    throw imageOfOtherKind(
      id,
      instanceId,
      `its architecture is ${image.architecture}, the instance's ${architecture}`,
    );
  if (image.enaSupport === false)
    throw imageOfOtherKind(id, instanceId, "it does not support ENA, which the instance is enabled for");
  launchableType(type, image); // its boot mode
}

/** As it is: neither its size nor anything else becomes that of the original. */
function ofVolume(id: string, instance: InstanceRecord, context: Ec2Context): Replacement {
  const volume = findVolume(id, context);
  if (volume.multiAttach || isChangedAlone(volume)) throw multiAttachNotBooted(id);
  if (volume.attachments.length > 0) throw volumeAttached(id);
  if (volumeState(volume) !== "available") throw volumeNotAvailable(id);
  if (volume.zone !== instance.zone) throw volumeElsewhere(id, instance.id);
  return {
    volume,
    made: false,
    root: { deleteOnTermination: false },
    stays: [],
    touches: [],
    transaction: {},
  };
}

/** Of the original's type and, unless it has to be larger, its size. */
function madeOf(
  { of, stays, encrypted }: VolumeSource,
  leastGiB: number,
  root: VolumeRecord,
  context: Ec2Context,
) {
  const { newId, now } = context;
  const sizeGiB = Math.max(sizeToBe(root), leastGiB);
  const id = newId("vol");
  const encryptions = encryptionPlan(context);
  const asOriginal = encrypted.encryption
    ? {}
    : root.encryption && { Encrypted: true, KmsKeyId: root.encryption.keyArn };
  const { encryption, failed } = encryptions.of(id, asOriginal ?? {}, encrypted);
  const { touches, transaction } = encryptions.parts();
  const volume: VolumeRecord = {
    id,
    hostId: root.hostId,
    zone: root.zone,
    ...volumeShape(root.type, sizeGiB, chosenRates(root)),
    ...of,
    ...(encryption && { encryption }),
    attachments: [],
    tags: {},
    createdAt: now().toISOString(),
    so: { ready: false, ...(failed !== undefined && { failed }) },
  };
  const snapshotId = of.snapshotId ?? of.image?.snapshotId;
  return { volume, made: true, snapshotId, stays, transaction, touches };
}
