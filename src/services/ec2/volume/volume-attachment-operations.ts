import type * as ec2 from "@aws-sdk/client-ec2";
import type { AttachVolumeRequest, DetachVolumeRequest } from "@aws-sdk/client-ec2";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import type { Ec2Context } from "../context.ts";
import {
  deviceNameTaken,
  instanceNotRunning,
  invalidDeviceName,
  missingParameter,
  multiAttachNeedsNitro,
  multiAttachNotBooted,
  rootVolumeStays,
  tooManyAttachments,
  tooManyVolumes,
  unsupportedParameter,
  volumeAttached,
  volumeElsewhere,
  volumeInState,
  volumeNotAttachedSo,
  volumeNotAvailable,
  wrongModificationState,
} from "../errors.ts";
import { instanceTypes, volumeLimit } from "../instance-type/instance-type.ts";
import { instancesOf, rewrite } from "../instance/instance-change.ts";
import { touchedInstance, instanceState, type InstanceRecord } from "../instance/instance.ts";
import { together } from "../together.ts";
import { findVolume } from "./find-volume.ts";
import { isChangedAlone } from "./volume-modification.ts";
import {
  attachedTo,
  attachmentTo,
  describeAttachment,
  volumeArn,
  volumeState,
  type VolumeAttachmentRecord,
  type VolumeRecord,
} from "./volume.ts";

interface AttachmentPlan extends OperationPlan {
  readonly volume: VolumeRecord;
  readonly attachment: VolumeAttachmentRecord;
}

export const volumeAttachmentOperations = {
  /** To an instance that runs or is stopped; the instance is written too, lest two volumes come to have one name. */
  AttachVolume: {
    resolve(input, context): AttachmentPlan {
      const [volume, instance] = attachable(input, context);
      const attachment: VolumeAttachmentRecord = {
        instanceId: instance.id,
        device: input.Device,
        attachedAt: context.now().toISOString(),
        deleteOnTermination: false,
        ...(instanceState(instance) === "running" && { plugging: true }),
      };
      return plan(volume, attachment, instance, context);
    },
    answer: ({ volume, attachment }: AttachmentPlan) => ({
      ...describeAttachment(volume, attachment),
      State: "attaching" as const,
    }),
  },

  /** Its guest is asked to let go of it, or is not, by force. */
  DetachVolume: {
    resolve(input, context): AttachmentPlan {
      const [volume, instance, before] = detachable(input, context);
      const force = (input.Force ?? false) || (before.detaching?.force ?? false);
      const attachment = { ...before, detaching: { ...before.detaching, force } };
      return plan(volume, attachment, instance, context);
    },
    answer: ({ volume, attachment }: AttachmentPlan) => describeAttachment(volume, attachment),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

const plan = (
  volume: VolumeRecord,
  attachment: VolumeAttachmentRecord,
  instance: InstanceRecord,
  context: Ec2Context,
): AttachmentPlan => ({
  touches: [{ arn: volumeArn(volume.id, context), tags: volume.tags }, touchedInstance(instance, context)],
  transaction: together(
    context.records.rewrite("volume", attachedTo(volume, attachment)),
    rewrite([instance], context),
  ),
  volume,
  attachment,
});

/** What is to come together. */
function attachable(input: AttachVolumeRequest, context: Ec2Context) {
  const { VolumeId: id = "", InstanceId: instanceId = "", Device: device = "" } = input;
  if (input.EbsCardIndex) throw unsupportedParameter("EbsCardIndex");
  const volume = findVolume(id, context);
  const [instance] = instancesOf([instanceId], context);
  if (!instance || !["running", "stopped"].includes(instanceState(instance)))
    throw instanceNotRunning(instanceId);
  const shared = volume.multiAttach && volume.attachments.length > 0 && !attachmentTo(instanceId, volume);
  if (volume.attachments.length > 0 && !shared) throw volumeAttached(id);
  if (volumeState(volume) !== (shared ? "in-use" : "available")) throw volumeNotAvailable(id);
  if (isChangedAlone(volume)) throw wrongModificationState(id, "MODIFYING");
  if (volume.zone !== instance.zone) throw volumeElsewhere(id, instanceId);
  if (!isDeviceName(device, instance)) throw invalidDeviceName(device);
  if (volume.multiAttach) checkShared(volume, device, instance);
  const others = context.records.volumesOf(instanceId);
  if (others.some((it) => bare(attachmentTo(instanceId, it)?.device ?? "") === bare(device)))
    throw deviceNameTaken(device);
  const limit = volumeLimit(instance.type);
  if (others.length >= limit) throw tooManyVolumes(limit);
  return [volume, instance] as const;
}

function checkShared({ id, attachments }: VolumeRecord, device: string, instance: InstanceRecord): void {
  if (attachments.length >= mostAttachments) throw tooManyAttachments(id, mostAttachments);
  if (bare(device) === bare(instance.rootDevice)) throw multiAttachNotBooted(id);
  if (instanceTypes.get(instance.type)?.hypervisor !== "nitro")
    throw multiAttachNeedsNitro(id, instance.type);
}

/** Of a volume with Multi-Attach. */
const mostAttachments = 16;

/** What is to part. */
function detachable(input: DetachVolumeRequest, context: Ec2Context) {
  const { VolumeId: id = "", InstanceId: instanceId, Device: device } = input;
  const volume = findVolume(id, context);
  if (volume.multiAttach && instanceId === undefined) throw missingParameter("instanceId");
  const attachment = attachmentTo(instanceId ?? "", volume) ?? volume.attachments[0];
  if (!attachment) throw volumeInState(id, volumeState(volume));
  if ((instanceId ?? attachment.instanceId) !== attachment.instanceId)
    throw volumeNotAttachedSo(id, String(instanceId), device ?? attachment.device);
  if (device !== undefined && bare(device) !== bare(attachment.device))
    throw volumeNotAttachedSo(id, attachment.instanceId, device);
  const [instance] = instancesOf([attachment.instanceId], context);
  const state = instance && instanceState(instance);
  if (!instance || state === "shutting-down" || state === "terminated")
    throw instanceNotRunning(attachment.instanceId);
  if (attachment.device === instance.rootDevice && state !== "stopped")
    throw rootVolumeStays(id, instance.id);
  return [volume, instance, attachment] as const;
}

/** Of "Device names on Linux instances": sda to sdz, xvda to xvddz, or that of the root. */
const isDeviceName = (device: string, { rootDevice }: InstanceRecord): boolean =>
  /^(sd[a-z]|xvd[a-z]|xvd[a-d][a-z])$/.test(bare(device)) || device === rootDevice;

/** "xvdf" is /dev/xvdf. */
const bare = (device: string) => device.replace(/^\/dev\//, "");
