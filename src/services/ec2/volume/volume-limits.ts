import type { DiskLimits } from "#drivers/machine/machine-driver.ts";
import type { EbsPerformance } from "../instance-type/instance-type.ts";
import type { VolumeShape } from "./volume-types.ts";

/**
 * What a volume is held to. Types that earn credits while they do less begin with all that they can hold, anew whenever their instance
 * starts. One request counts once for each 256 KiB of SSDs, 1 MiB of hard disks. Follows "Amazon EBS volume types".
 */
export function volumeLimits({ type, sizeGiB, iops = 0, throughputMiBps = 125 }: VolumeShape): DiskLimits {
  const tebibytes = sizeGiB / 1024;
  switch (type) {
    case "gp3":
      return { requests: { rate: iops, bytes: 256 * KiB }, bytes: { rate: throughputMiBps * MiB } };
    case "gp2":
      return {
        requests: { ...withCredits(iops, 3000, 5_400_000), bytes: 256 * KiB },
        bytes: { rate: (sizeGiB <= 170 ? 128 : 250) * MiB },
      };
    case "io1":
    case "io2": {
      const most = type === "io2" ? 4000 : iops > 32_000 ? 1000 : 500;
      const bytes = { rate: Math.min(iops * 256 * KiB, most * MiB) };
      return { requests: { rate: iops, bytes: 256 * KiB }, bytes };
    }
    case "st1":
      return { bytes: hardDisk(40, 250, 500, tebibytes) };
    case "sc1":
      return { bytes: hardDisk(12, 80, 250, tebibytes) };
    case "standard":
      return { requests: { rate: 200, bytes: 1024 * KiB }, bytes: { rate: 90 * MiB } };
  }
}

/**
 * What all volumes of an instance are held to together. Types that have more than their baseline have it for half an hour, when they did
 * nothing before. Follows "Amazon EBS–optimized instance types".
 */
export function typeLimits(ebs: EbsPerformance): DiskLimits {
  const halfAnHour = 1800;
  const perMbps = 1e6 / 8;
  const [rate, burst] = [ebs.baselineMbps * perMbps, ebs.maximumMbps * perMbps];
  return {
    requests: {
      ...withCredits(ebs.baselineIops, ebs.maximumIops, ebs.maximumIops * halfAnHour),
      bytes: 256 * KiB,
    },
    bytes: withCredits(rate, burst, burst * halfAnHour),
  };
}

/** A baseline and a burst in MiB/s for each TiB, neither above the type's most; credits for one TiB for each TiB. */
const hardDisk = (baseline: number, burst: number, most: number, tebibytes: number) =>
  withCredits(
    Math.min(baseline * tebibytes, most) * MiB,
    Math.min(burst * tebibytes, most) * MiB,
    tebibytes * 1024 ** 4,
  );

/** Those whose baseline is no less than their burst need no credits. */
const withCredits = (rate: number, burst: number, credits: number) =>
  rate >= burst ? { rate } : { rate, burst: { rate: burst, seconds: Math.round(credits / burst) } };

const KiB = 1024;
const MiB = 1024 * KiB;
