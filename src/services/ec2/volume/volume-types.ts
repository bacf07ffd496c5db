import type { VolumeType } from "@aws-sdk/client-ec2";
import {
  invalidIops,
  invalidParameter,
  invalidVolumeSize,
  iopsNeeded,
  iopsNotSupported,
  iopsPerGiB,
  multiAttachNotSupported,
  invalidThroughput,
  throughputNotSupported,
  throughputPerIops,
} from "../errors.ts";

/** The sizes a type may have, and what it gives when nobody says. Follows "Amazon EBS volume types" and CreateVolume. */
export interface VolumeTypeRules {
  readonly minGiB: number;
  readonly maxGiB: number;
  /** Of types whose requests may say how many; `defaultTo` absent: they must. */
  readonly iops?: {
    readonly min: number;
    readonly max: number;
    readonly perGiB: number;
    readonly defaultTo?: number;
  };
  /** Of types that have a number nobody chooses. */
  readonly iopsOfSize?: (sizeGiB: number) => number;
  readonly throughputMiBps?: {
    readonly min: number;
    readonly max: number;
    readonly perIops: number;
  };
}

export const volumeTypes: Readonly<Record<VolumeType, VolumeTypeRules>> = {
  gp3: {
    minGiB: 1,
    maxGiB: 65_536,
    iops: { min: 3000, max: 80_000, perGiB: 500, defaultTo: 3000 },
    throughputMiBps: { min: 125, max: 2000, perIops: 0.25 },
  },
  gp2: { minGiB: 1, maxGiB: 16_384, iopsOfSize: (gib) => Math.min(16_000, Math.max(100, gib * 3)) },
  io1: { minGiB: 4, maxGiB: 16_384, iops: { min: 100, max: 64_000, perGiB: 50 } },
  io2: { minGiB: 4, maxGiB: 65_536, iops: { min: 100, max: 256_000, perGiB: 1000 } },
  st1: { minGiB: 125, maxGiB: 16_384 },
  sc1: { minGiB: 125, maxGiB: 16_384 },
  standard: { minGiB: 1, maxGiB: 1024 },
};

/** Throws InvalidParameterValue. */
export function knownType(given: VolumeType): VolumeType {
  if (!Object.hasOwn(volumeTypes, given))
    throw invalidParameter(`Value (${given}) for parameter volumeType is invalid.`);
  return given;
}

export interface VolumeShape {
  readonly type: VolumeType;
  readonly sizeGiB: number;
  readonly iops?: number;
  readonly throughputMiBps?: number;
  /** Several instances of its zone may have it at once. */
  readonly multiAttach?: true;
}

/** A volume as a request asks for it, with its type's defaults. Throws InvalidParameterValue and InvalidParameterCombination. */
export function volumeShape(
  type: VolumeType,
  sizeGiB: number,
  given: {
    readonly Iops?: number | undefined;
    readonly Throughput?: number | undefined;
    readonly MultiAttachEnabled?: boolean | undefined;
  },
): VolumeShape {
  const { minGiB, maxGiB } = volumeTypes[type];
  if (!Number.isInteger(sizeGiB) || sizeGiB < minGiB || sizeGiB > maxGiB)
    throw invalidVolumeSize(type, sizeGiB, minGiB, maxGiB);
  const iops = iopsOf(type, sizeGiB, given.Iops);
  const throughputMiBps = throughputOf(type, iops, given.Throughput);
  if (given.MultiAttachEnabled && !isShareable(type)) throw multiAttachNotSupported(type);
  return {
    type,
    sizeGiB,
    ...(iops !== undefined && { iops }),
    ...(throughputMiBps !== undefined && { throughputMiBps }),
    ...(given.MultiAttachEnabled && { multiAttach: true }),
  };
}

const isShareable = (type: VolumeType) => type === "io1" || type === "io2";

function iopsOf(type: VolumeType, sizeGiB: number, given: number | undefined): number | undefined {
  const { iops: rule, iopsOfSize } = volumeTypes[type];
  if (!rule) {
    if (given !== undefined) throw iopsNotSupported(type);
    return iopsOfSize?.(sizeGiB);
  }
  const iops = given ?? rule.defaultTo;
  if (iops === undefined) throw iopsNeeded(type);
  if (!Number.isInteger(iops) || iops < rule.min || iops > rule.max)
    throw invalidIops(iops, rule.min, rule.max);
  // What a type gives without being asked, it gives at any size.
  if (iops !== rule.defaultTo && iops > sizeGiB * rule.perGiB) throw iopsPerGiB(iops / sizeGiB, rule.perGiB);
  return iops;
}

function throughputOf(type: VolumeType, iops = 0, given: number | undefined): number | undefined {
  const { throughputMiBps: rule } = volumeTypes[type];
  if (!rule) {
    if (given !== undefined) throw throughputNotSupported();
    return undefined;
  }
  const throughput = given ?? rule.min;
  if (!Number.isInteger(throughput) || throughput < rule.min || throughput > rule.max)
    throw invalidThroughput(throughput, rule.min, rule.max);
  if (throughput > iops * rule.perIops) throw throughputPerIops(throughput / iops, rule.perIops);
  return throughput;
}
