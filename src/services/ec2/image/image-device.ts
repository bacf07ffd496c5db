import type { BlockDeviceMapping } from "@aws-sdk/client-ec2";
import { volumeTypes, type VolumeShape } from "../volume/volume-types.ts";
import type { Ec2Records } from "../records.ts";
import type { ImageRecord } from "./image.ts";

/** A volume that each instance of an image begins with. */
export interface ImageDevice extends VolumeShape {
  /** E.g. /dev/xvda. */
  readonly device: string;
  /** Absent: it begins blank. */
  readonly snapshotId?: string;
  readonly deleteOnTermination: boolean;
  /** What is asked for of volumes made of it, beside what its snapshot has. */
  readonly encrypted?: boolean;
  readonly kmsKeyId?: string;
}

/** Root first. */
export const devicesOf = ({
  devices,
  rootDevice: device,
  snapshotId,
  sizeGiB,
}: ImageRecord): readonly ImageDevice[] =>
  devices ?? [
    { device, snapshotId, sizeGiB, type: "gp3", iops: 3000, throughputMiBps: 125, deleteOnTermination: true },
  ];

/** As EC2 shows them: volumes, then instance stores. */
export const mappingsOf = (
  image: ImageRecord,
  records: Pick<Ec2Records, "whosever">,
): BlockDeviceMapping[] => [
  ...devicesOf(image).map((it) => ({
    DeviceName: it.device,
    Ebs: {
      SnapshotId: it.snapshotId,
      VolumeSize: it.sizeGiB,
      VolumeType: it.type,
      ...chosenRates(it),
      DeleteOnTermination: it.deleteOnTermination,
      Encrypted: isEncrypted(it, records),
      KmsKeyId: it.kmsKeyId,
    },
  })),
  ...Object.entries(image.storeDevices ?? {}).map(([VirtualName, DeviceName]) => ({
    DeviceName,
    VirtualName,
  })),
];

export const isEncrypted = (
  { snapshotId = "", encrypted = false }: ImageDevice,
  records: Pick<Ec2Records, "whosever">,
): boolean => records.whosever("snapshot", snapshotId)?.value.encryption !== undefined || encrypted;

/** What a request would have to say of a volume's rates to have one like it; nothing of those that follow from its type and size. */
export const chosenRates = ({
  type,
  iops,
  throughputMiBps,
}: VolumeShape): { readonly Iops?: number; readonly Throughput?: number } => ({
  ...(volumeTypes[type].iops && iops !== undefined && { Iops: iops }),
  ...(throughputMiBps !== undefined && { Throughput: throughputMiBps }),
});
