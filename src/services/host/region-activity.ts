import type { Feed } from "#store/feed.ts";
import type { Clock } from "#clock.ts";
import { holdsMemory } from "../ec2/instance/promised-memory.ts";
import { instanceStores } from "../ec2/instance/instance-store.ts";
import { instanceState, type InstanceRecord } from "../ec2/instance/instance.ts";
import type { NetworkInterfaceRecord } from "../ec2/network-interface/network-interface.ts";
import type { PublicAddressRecord } from "../ec2/network-interface/public-address.ts";
import { parseKey } from "../ec2/records.ts";
import type { SnapshotRecord } from "../ec2/snapshot/snapshot.ts";
import type { VolumeRecord } from "../ec2/volume/volume.ts";
import { hostLease, type HostRecord, type StandingTrouble } from "./host.ts";

/** What `GET /_croft/status` answers: what there is in all regions, what it takes of the hosts that are there, what cannot settle. */
export interface RegionActivity {
  /** Oldest first; those terminated are left out. */
  readonly machines: readonly MachineActivity[];
  /** Ids, in the order of their turns. */
  readonly launches: { readonly starting: readonly string[]; readonly waiting: readonly string[] };
  /** Of instances that have theirs, against all that may be promised. */
  readonly memoryMiB: { readonly promised: number; readonly promisable: number };
  readonly cpus: { readonly promised: number; readonly real: number };
  readonly volumes: { readonly count: number; readonly promisedGiB: number };
  /** Of instances that are not off. */
  readonly instanceStores: { readonly count: number; readonly promisedGiB: number };
  /** Volumes, instance stores and then snapshots, each from the oldest on. */
  readonly disks: readonly DiskActivity[];
  /** What the operator should see to, in sentences. */
  readonly warnings: readonly string[];
  /** Oldest first. */
  readonly troubles: readonly StandingTrouble[];
}

export interface MachineActivity {
  readonly id: string;
  readonly region: string;
  readonly type: string;
  readonly state: string;
  readonly privateAddress: string | null;
  readonly publicAddress: string | null;
  /** When the state was reached or, on the way to another, the instance launched. */
  readonly since: string;
  /** Why its processors stand still; null when they do not. */
  readonly paused: string | null;
}

export interface DiskActivity {
  readonly id: string;
  readonly region: string;
  readonly promisedGiB: number;
  /** Beside what it is a difference to; null when its host has not looked yet. */
  readonly usedBytes: number | null;
}

/** Of the hosts that are there. */
export function disksOf(feed: Feed, hosts: readonly HostRecord[], kind: DiskKind): DiskActivity[] {
  const used = new Map(hosts.flatMap(({ usedBytes = {} }) => Object.entries(usedBytes)));
  return feed
    .list<DiskOwner>(`${kind === "instance-store" ? "instance" : kind}/`)
    .toSorted((a, b) => (a.value.createdAt < b.value.createdAt ? -1 : 1))
    .flatMap(({ key, value }) =>
      disksIn(value).map(({ id, sizeGiB }) => ({
        id,
        region: parseKey(key).scope.region,
        promisedGiB: sizeGiB,
        usedBytes: used.get(id) ?? null,
      })),
    );
}
export type DiskKind = "volume" | "instance-store" | "snapshot";

type DiskOwner = VolumeRecord | SnapshotRecord | InstanceRecord;
const disksIn = (owner: DiskOwner): readonly { readonly id: string; readonly sizeGiB: number }[] =>
  "sizeGiB" in owner ? [owner] : holdsMemory(owner) ? instanceStores(owner) : [];

export const regionActivity = (feed: Feed, clock: Clock): RegionActivity => {
  const values = <Value>(kind: string) => feed.list<Value>(`${kind}/`).map(({ value }) => value);
  const hosts = values<HostRecord>("host").filter(({ id }) => hostLease.isHeld(feed, id, clock.now()));
  const instances = feed.list<InstanceRecord>("instance/");
  const promised = instances.map(({ value }) => value).filter(holdsMemory);
  const volumes = values<VolumeRecord>("volume");
  const stores = disksOf(feed, hosts, "instance-store");
  const first = firstInterfaces(values<NetworkInterfaceRecord>("network-interface"));
  const publicOf = new Map(
    values<PublicAddressRecord>("public-address").flatMap((it) =>
      it.secondary === undefined ? [[it.interfaceId, it.id]] : [],
    ),
  );
  return {
    machines: instances
      .filter(({ value }) => instanceState(value) !== "terminated")
      .toSorted((a, b) => (a.value.launchedAt < b.value.launchedAt ? -1 : 1))
      .map(({ key, value }) => {
        const own = first.get(value.id);
        return {
          id: value.id,
          region: parseKey(key).scope.region,
          type: value.type,
          state: instanceState(value),
          privateAddress: own?.address ?? null,
          publicAddress: (own && publicOf.get(own.id)) ?? null,
          since: (value.so.generation === value.wanted.generation && value.so.since) || value.launchedAt,
          paused: value.so.paused?.why ?? null,
        };
      }),
    launches: {
      starting: hosts.flatMap(({ launches }) => launches.starting),
      waiting: hosts.flatMap(({ launches }) => launches.waiting),
    },
    memoryMiB: {
      promised: sum(promised.map(({ memoryMiB }) => memoryMiB)),
      promisable: sum(hosts.map(({ memoryMiB }) => memoryMiB)),
    },
    cpus: { promised: sum(promised.map(({ cpus }) => cpus)), real: sum(hosts.map(({ cpus }) => cpus)) },
    volumes: { count: volumes.length, promisedGiB: sum(volumes.map(({ sizeGiB }) => sizeGiB)) },
    instanceStores: { count: stores.length, promisedGiB: sum(stores.map((it) => it.promisedGiB)) },
    disks: [...disksOf(feed, hosts, "volume"), ...stores, ...disksOf(feed, hosts, "snapshot")],
    warnings: hosts.flatMap(({ warnings = [] }) => warnings),
    troubles: hosts.flatMap(({ troubles = [] }) => troubles).toSorted((a, b) => (a.since < b.since ? -1 : 1)),
  };
};

const firstInterfaces = (all: readonly NetworkInterfaceRecord[]) =>
  new Map(
    all.flatMap((it) => (it.attachment?.deviceIndex === 0 ? [[it.attachment.instanceId as string, it]] : [])),
  );

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
