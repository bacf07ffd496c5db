import type { LockedSnapshotsInfo, LockSnapshotRequest, LockState } from "@aws-sdk/client-ec2";
import { invalidCombination, invalidParameter, lockIsCompliance, missingParameter } from "../errors.ts";
import type { FilterTable } from "../filters.ts";
import type { SnapshotRecord } from "./snapshot.ts";

/** For how long a snapshot cannot be deleted. Follows "Amazon EBS snapshot lock". */
export interface SnapshotLock {
  readonly mode: "governance" | "compliance";
  /** Counted from when the snapshot is complete. */
  readonly days: number;
  /** ISO 8601; in place of the days, which it comes to. */
  readonly until?: string;
  readonly coolOffHours?: number;
  readonly lockedAt: string;
}

/** Undefined: it was never locked, or is not any more. */
export function lockState(snapshot: SnapshotRecord, now: Date): LockState | undefined {
  const { lock } = snapshot;
  if (!lock || snapshot.so.failed !== undefined) return undefined;
  const expiry = expiresAt(snapshot);
  if (expiry !== undefined && expiry <= now) return "expired";
  if (lock.mode === "governance") return "governance";
  const coolOff = coolOffEndsAt(lock);
  return coolOff !== undefined && now < coolOff ? "compliance-cooloff" : "compliance";
}

/** Expired ones hold nothing. */
export const isLocked = (snapshot: SnapshotRecord, now: Date): boolean =>
  !["expired", undefined].includes(lockState(snapshot, now));

/** What a request makes of it. Throws what it must not ask for, now that it is locked as it is. */
export function lockOf(input: LockSnapshotRequest, snapshot: SnapshotRecord, now: Date): SnapshotLock {
  const { LockMode: mode, LockDuration: days, ExpirationDate: until, CoolOffPeriod: coolOffHours } = input;
  if (mode !== "governance" && mode !== "compliance")
    throw invalidParameter(`Value (${mode}) for parameter lockMode is invalid.`);
  if (days !== undefined && until)
    throw invalidCombination("Specify LockDuration or ExpirationDate, not both.");
  if (days === undefined && !until) throw missingParameter("LockDuration or ExpirationDate");
  if (coolOffHours !== undefined && mode === "governance")
    throw invalidCombination("CoolOffPeriod cannot be specified for the governance mode.");
  within("LockDuration", days, 36_500);
  within("CoolOffPeriod", coolOffHours, 72);
  if (until && until <= now) throw invalidParameter("The ExpirationDate must be in the future.");
  const lock: SnapshotLock = {
    mode,
    days: days ?? Math.ceil((Number(until) - now.getTime()) / dayMs),
    ...(until && { until: until.toISOString() }),
    ...(coolOffHours !== undefined && { coolOffHours }),
    lockedAt: now.toISOString(),
  };
  if (lockState(snapshot, now) !== "compliance") return lock;
  const [before, after] = [endOf(snapshot, now), endOf({ ...snapshot, lock }, now)];
  if (mode === "governance" || coolOffHours !== undefined || after < before)
    throw lockIsCompliance(snapshot.id);
  return lock;
}

function within(name: string, value: number | undefined, most: number): void {
  if (value !== undefined && (!Number.isInteger(value) || value < 1 || value > most))
    throw invalidParameter(
      `Value (${value}) for parameter ${name} is invalid. It must be from 1 to ${most}.`,
    );
}

export const describeLock = (
  snapshot: SnapshotRecord,
  accountId: string,
  now: Date,
): Required<Pick<LockedSnapshotsInfo, "SnapshotId">> & LockedSnapshotsInfo => {
  const { lock } = snapshot;
  return {
    OwnerId: accountId,
    SnapshotId: snapshot.id,
    LockState: lockState(snapshot, now),
    LockDuration: lock?.days,
    CoolOffPeriod: lock?.coolOffHours,
    CoolOffPeriodExpiresOn: lock && coolOffEndsAt(lock),
    LockCreatedOn: lock && new Date(lock.lockedAt),
    LockDurationStartTime: startsAt(snapshot),
    LockExpiresOn: expiresAt(snapshot),
  };
};

export const lockFilters = (now: Date): FilterTable<SnapshotRecord> => ({
  "lock-state": (it) => lockState(it, now),
});

/** Undefined while it is pending. */
function startsAt({ lock, so, createdAt }: SnapshotRecord): Date | undefined {
  if (!lock || so.completedAt === undefined) return undefined;
  // Its time is counted from the moment it was locked, or was there to be.
  return new Date(Math.max(Date.parse(lock.lockedAt), Date.parse(so.completedAt), Date.parse(createdAt)));
}

function expiresAt(snapshot: SnapshotRecord): Date | undefined {
  const start = startsAt(snapshot);
  const { lock } = snapshot;
  if (!lock || !start) return undefined;
  return lock.until === undefined ? new Date(start.getTime() + lock.days * dayMs) : new Date(lock.until);
}

const endOf = (snapshot: SnapshotRecord, now: Date): number =>
  (expiresAt(snapshot) ?? new Date(now.getTime() + (snapshot.lock?.days ?? 0) * dayMs)).getTime();

const coolOffEndsAt = ({ coolOffHours, lockedAt }: SnapshotLock): Date | undefined =>
  coolOffHours === undefined ? undefined : new Date(Date.parse(lockedAt) + coolOffHours * 3_600_000);

const dayMs = 24 * 3_600_000;
