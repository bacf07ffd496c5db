import type { Feed } from "#store/feed.ts";
import type { BurstAccount } from "../ec2/volume/burst-account.ts";
import type { ResourceRecord } from "../ec2/records.ts";

/** One machine that runs instances, as its `croft-host` reports it. */
export interface HostRecord extends ResourceRecord {
  /** The letters of the zones it serves, in every region: "a". */
  readonly zones: readonly string[];
  readonly cpus: number;
  /** What instances may be promised together: real memory less what the host keeps for itself. */
  readonly memoryMiB: number;
  readonly architecture: "x86_64" | "arm64";
  readonly acceleration: { readonly kind: "kvm" | "tcg" | "fake"; readonly reason: string };
  /** Instance ids whose guests are starting now, and those waiting for their turn. */
  readonly launches: { readonly starting: readonly string[]; readonly waiting: readonly string[] };
  /** The oldest of what its reconcilers cannot settle now; absent in records of before. */
  readonly troubles?: readonly StandingTrouble[];
  readonly room?: HostRoom;
  /** What its NAT gateways had no ports for, by their interfaces (`NetworkDriver.portErrors`); absent: nothing yet. */
  readonly portErrors?: Readonly<Record<string, number>>;
  /** What its volumes have spent of their burst credits, a minute ago at most, of those that have spent any; absent: none. */
  readonly bursts?: Readonly<Record<string, BurstAccount>>;
  /** What each disk and snapshot takes beside what it is a difference to, a minute ago at most; absent: not looked at yet. */
  readonly usedBytes?: Readonly<Record<string, number>>;
  /** What the operator should see to, in sentences. */
  readonly warnings?: readonly string[];
}

/** A record whose reconciler fails each time. */
export interface StandingTrouble {
  readonly key: string;
  readonly message: string;
  /** When it first failed. */
  readonly since: string;
}

/** What a host really has left at the moment, whatever was promised. */
export interface HostRoom {
  /** Available memory, as many times over as it may be promised. */
  readonly memoryMiB: number;
  readonly diskMiB: number;
  /** Nothing is launched when the disk has less. */
  readonly keptDiskMiB: number;
}

/** Of the machines that every host can run. Those not its own are emulated; what that takes comes with the first image of theirs. */
export const runnableArchitectures: readonly string[] = [
  "x86_64",
  "arm64",
] satisfies HostRecord["architecture"][];

/** A host renews its lease while it is there; without it nothing new is placed on it. */
export const hostLease = {
  name: (hostId: string) => `host/${hostId}`,
  ttlMs: 15_000,
  renewMs: 5_000,
  isHeld(feed: Feed, hostId: string, now: Date): boolean {
    const lease = feed.get<{ until: string }>(`lease/${hostLease.name(hostId)}`)?.value;
    return lease !== undefined && Date.parse(lease.until) > now.getTime();
  },
} as const;
