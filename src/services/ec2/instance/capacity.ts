import { place } from "#placement/placement.ts";
import type { Ec2Context } from "../context.ts";
import { insufficientCapacity } from "../errors.ts";
import type { InstanceType } from "../instance-type/instance-type.ts";
import type { Ec2Records } from "../records.ts";
import type { InstanceRecord } from "./instance.ts";
import { holdsMemory } from "./promised-memory.ts";

/** The host for `count` instances of a type; they start on one host. Throws InsufficientInstanceCapacity. */
export function placeInstances(
  type: Pick<InstanceType, "id" | "memoryMiB">,
  architecture: string,
  zone: string,
  count: number,
  { records, region, now }: Ec2Context,
): string {
  const rooms = records.hosts(now()).map((host) => ({
    hostId: host.id,
    zones: host.zones.map((letter) => region + letter),
    architecture: host.architecture,
    freeMiB: host.memoryMiB - records.promisedOn(host.id),
  }));
  const found = place(rooms, { zone, architecture, memoryMiB: type.memoryMiB * count });
  if ("why" in found) throw insufficientCapacity(type.id, zone, found.why);
  return found.hostId;
}

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
