import type { DiskLimits, DiskTraffic } from "#drivers/machine/machine-driver.ts";

/**
 * What a volume has spent of the credits that it may hold: requests of gp2's, bytes of st1's and sc1's. QEMU, which holds it to them, does
 * not tell: this counts as it does. It begins with all of them whenever its machine starts, and when its limits change.
 */
export interface BurstAccount {
  /** Milliseconds since 1970: everything before it is accounted for. */
  readonly atMs: number;
  /** What its machine had asked of it by then. */
  readonly asked: number;
  readonly spent: number;
  /** All that it may hold. */
  readonly most: number;
}

/** Undefined of a volume that needs no credits. One that is looked at for the first time has spent none by then. */
export function burstAccount(
  before: BurstAccount | undefined,
  limits: DiskLimits,
  atMs: number,
  traffic: DiskTraffic,
): BurstAccount | undefined {
  const terms = burstTerms(limits);
  if (!terms) return undefined;
  const { rate, most } = terms;
  const asked = terms.of(traffic);
  if (before?.most !== most) return { atMs, asked, spent: 0, most };
  // Less than before: another process.
  const { spent, asked: askedBefore } = asked < before.asked ? { spent: 0, asked: 0 } : before;
  const earned = (rate * Math.max(0, atMs - before.atMs)) / 1000;
  return { atMs, asked, spent: Math.min(most, Math.max(0, spent + asked - askedBefore - earned)), most };
}

/** Of a volume that has been asked nothing. */
export function fullAccount(limits: DiskLimits, atMs: number): BurstAccount | undefined {
  const terms = burstTerms(limits);
  return terms && { atMs, asked: 0, spent: 0, most: terms.most };
}

export const hasBurst = (limits: DiskLimits): boolean => burstTerms(limits) !== undefined;

/** CloudWatch's BurstBalance, in percent. */
export const burstBalance = (account: BurstAccount | undefined): number =>
  account === undefined ? 100 : 100 * (1 - account.spent / account.most);

function burstTerms({ requests, bytes }: DiskLimits) {
  const limit = requests?.burst ? requests : bytes;
  if (!limit?.burst) return undefined;
  const of = (traffic: DiskTraffic) =>
    limit === requests ? Math.max(traffic.requests, traffic.bytes / requests.bytes) : traffic.bytes;
  return { rate: limit.rate, most: limit.burst.rate * limit.burst.seconds, of };
}
