import { place } from "#placement/placement.ts";
import type { Ec2Context } from "../context.ts";
import { insufficientCapacity } from "../errors.ts";
import { runnableArchitectures, type HostRecord } from "../../host/host.ts";
import type { Ec2Records } from "../records.ts";
import type { InstanceRecord } from "./instance.ts";
import { holdsMemory } from "./promised-memory.ts";

/** What a machine has of its host. */
export type Shape = Pick<InstanceRecord, "cpus" | "memoryMiB"> & { readonly threadsPerCore: number };

/** Where instances go, and what each of them gets there; `cappedFrom` when that is less than was asked for. */
export type Place = Shape & Pick<InstanceRecord, "hostId" | "cappedFrom">;

/**
 * The host for `count` instances of `type`; they start on one host. One that is larger than its host is given what the host has.
 * Throws InsufficientInstanceCapacity.
 */
export function placeInstances(
  type: string,
  asked: Shape,
  architecture: string,
  zone: string,
  count: number,
  { records, region, now }: Ec2Context,
): Place {
  const hosts = records.hosts(now());
  const short = hosts.map((host) => shortage(host, asked.memoryMiB, count));
  const rooms = hosts
    .filter((_, n) => short[n] === undefined)
    .map((host) => ({
      hostId: host.id,
      zones: host.zones.map((letter) => region + letter),
      architectures: runnableArchitectures,
      memoryMiB: host.memoryMiB,
      freeMiB: host.memoryMiB - records.promisedOn(host.id),
    }));
  const found = place(rooms, { zone, architecture, memoryMiB: asked.memoryMiB, count });
  if ("why" in found)
    throw insufficientCapacity(type, zone, short.find((why) => why !== undefined) ?? found.why);
  const host = hosts.find(({ id }) => id === found.hostId);
  return { hostId: found.hostId, ...(host ? capped(asked, host) : asked) };
}

/** Why a host cannot hold them, whatever it has promised: others use its memory and its disk too. */
function shortage(host: HostRecord, memoryMiB: number, count: number): string | undefined {
  const { room } = host;
  if (!room) return undefined;
  const noDisk = diskShortage(host);
  if (noDisk !== undefined) return noDisk;
  const asked = givenMemory(memoryMiB, host) * count;
  return asked <= room.memoryMiB
    ? undefined
    : `${asked} MiB of memory are asked for, and the host really has ${room.memoryMiB} MiB left.`;
}

/** Why a host takes no further bytes; undefined: it does. */
export const diskShortage = ({ room }: HostRecord): string | undefined =>
  room && room.diskMiB < room.keptDiskMiB
    ? `The host's disk has ${room.diskMiB} MiB left, and ${room.keptDiskMiB} MiB of it are kept free.`
    : undefined;

/** All it really has, to one that asks for more than it could ever have. */
const givenMemory = (askedMiB: number, { memoryMiB, room }: HostRecord): number =>
  askedMiB <= memoryMiB ? askedMiB : Math.min(memoryMiB, room?.memoryMiB ?? memoryMiB);

/** What a host gives to a machine that it has for itself. */
function capped({ threadsPerCore, ...asked }: Shape, host: HostRecord) {
  const most = host.cpus * mostCpusPerProcessor;
  const cpus = asked.cpus <= most ? asked.cpus : Math.max(threadsPerCore, most - (most % threadsPerCore));
  const memoryMiB = givenMemory(asked.memoryMiB, host);
  const less = cpus < asked.cpus || memoryMiB < asked.memoryMiB;
  return { cpus, threadsPerCore, memoryMiB, ...(less && { cappedFrom: asked }) };
}

/** Of one machine, for each of the host's: with more, a guest waits for its own processors and takes them for hung. */
const mostCpusPerProcessor = 8;

/**
 * Whether an instance about to start still fits its host. Launches that raced for the last room were all accepted; those that
 * came first have it.
 */
export function fitsHost(instance: InstanceRecord, hostMiB: number, records: Ec2Records): boolean {
  if (records.promisedOn(instance.hostId) <= hostMiB) return true;
  const order = ({ launchedAt, id }: InstanceRecord) => `${launchedAt} ${id}`;
  const earlier = records
    .instancesOn(instance.hostId)
    .filter((it) => holdsMemory(it) && order(it) < order(instance));
  return earlier.reduce((sum, it) => sum + it.memoryMiB, instance.memoryMiB) <= hostMiB;
}
