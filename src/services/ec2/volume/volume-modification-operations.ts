import type * as ec2 from "@aws-sdk/client-ec2";
import type { ModifyVolumeRequest } from "@aws-sdk/client-ec2";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import type { Ec2Context } from "../context.ts";
import { describe } from "../describe.ts";
import {
  invalidCombination,
  modificationNotFound,
  multiAttachStays,
  multiAttachWhileAttached,
  volumeInState,
  volumeNotFound,
  volumeShrinks,
  wrongModificationState,
} from "../errors.ts";
import { findVolume } from "./find-volume.ts";
import {
  describeModification,
  isModified,
  modificationFilters,
  modificationState,
  type ModifiedVolume,
} from "./volume-modification.ts";
import { knownType, volumeShape, volumeTypes, type VolumeShape } from "./volume-types.ts";
import { volumeArn, volumeState, volumesThere, type VolumeRecord } from "./volume.ts";

interface ModificationPlan extends OperationPlan {
  readonly volume: ModifiedVolume;
}

export const volumeModificationOperations = {
  /** While it is in use too: its guest is shown the new size. */
  ModifyVolume: {
    resolve(input, context): ModificationPlan {
      const volume = modifiable(input, context);
      const startedAt = context.now().toISOString();
      const modification = { from: shapeOf(volume), to: target(volume, input), startedAt };
      return {
        touches: [{ arn: volumeArn(volume.id, context), tags: volume.tags }],
        transaction: context.records.rewrite("volume", { ...volume, modification }),
        volume: { ...volume, modification },
      };
    },
    answer: ({ volume }: ModificationPlan) => ({ VolumeModification: describeModification(volume) }),
  },

  DescribeVolumesModifications: {
    resolve: (input, { records }) =>
      describe(volumesThere(records, input.VolumeIds).filter(isModified), input, {
        ids: input.VolumeIds,
        parameter: "volumeIds",
        missing: (ids) => {
          const [unmodified] = ids.filter((id) => records.get("volume", id));
          return unmodified === undefined ? volumeNotFound(ids) : modificationNotFound(unmodified);
        },
        filters: modificationFilters,
        bounds: { min: 5, max: 500 },
      }),
    answer: ({ items, nextToken }: { items: readonly ModifiedVolume[]; nextToken?: string }) => ({
      VolumesModifications: items.map(describeModification),
      NextToken: nextToken,
    }),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

function modifiable(input: ModifyVolumeRequest, context: Ec2Context): VolumeRecord {
  const volume = findVolume(input.VolumeId ?? "", context);
  const { Size, VolumeType, Iops, Throughput, MultiAttachEnabled } = input;
  const given = [Size, VolumeType, Iops, Throughput, MultiAttachEnabled];
  if (given.every((it) => it === undefined)) throw invalidCombination("No volume attributes specified.");
  const state = volumeState(volume);
  if (state !== "available" && state !== "in-use") throw volumeInState(volume.id, state);
  if (volume.modification && modificationState(volume.modification) === "modifying")
    throw wrongModificationState(volume.id, "MODIFYING");
  if (Size !== undefined && Size < volume.sizeGiB) throw volumeShrinks();
  checkMultiAttach(volume, input);
  return volume;
}

/** Follows the table of modifications in "Attach an EBS volume to multiple EC2 instances using Multi-Attach". */
function checkMultiAttach(
  { id, type, sizeGiB, iops, multiAttach, attachments }: VolumeRecord,
  { VolumeType = type, Size = sizeGiB, Iops = iops, MultiAttachEnabled }: ModifyVolumeRequest,
): void {
  if ((MultiAttachEnabled ?? multiAttach ?? false) !== (multiAttach ?? false)) {
    if (type === "io1") throw multiAttachStays(id, type, "Multi-Attach setting");
    if (attachments.length > 0) throw multiAttachWhileAttached(id);
  }
  if (!multiAttach) return;
  if (VolumeType !== type) throw multiAttachStays(id, type, "type");
  if (type === "io1" && Size !== sizeGiB) throw multiAttachStays(id, type, "size");
  if (type === "io1" && Iops !== iops) throw multiAttachStays(id, type, "IOPS");
}

/** What is not asked for stays, unless the type changes: then it is that type's. */
function target(volume: VolumeRecord, input: ModifyVolumeRequest): VolumeShape {
  const type = knownType(input.VolumeType ?? volume.type);
  const { iops, throughputMiBps } = volumeTypes[type];
  const same = type === volume.type;
  return volumeShape(type, input.Size ?? volume.sizeGiB, {
    Iops: input.Iops ?? (iops && (same ? volume.iops : iopsOfChangedType)),
    Throughput: input.Throughput ?? (throughputMiBps && same ? volume.throughputMiBps : undefined),
    MultiAttachEnabled: input.MultiAttachEnabled ?? volume.multiAttach,
  });
}

/** Of io1, io2 and gp3 alike. */
const iopsOfChangedType = 3000;

const shapeOf = ({ type, sizeGiB, iops, throughputMiBps, multiAttach }: VolumeShape): VolumeShape => ({
  type,
  sizeGiB,
  ...(iops !== undefined && { iops }),
  ...(throughputMiBps !== undefined && { throughputMiBps }),
  ...(multiAttach && { multiAttach }),
});
