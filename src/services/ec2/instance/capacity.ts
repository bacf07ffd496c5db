import { place } from "#placement/placement.ts";
import type { Ec2Context } from "../context.ts";
import { insufficientCapacity } from "../errors.ts";
import type { InstanceType } from "../instance-type/instance-type.ts";
import type { Ec2Records } from "../records.ts";
import { instanceState, type InstanceRecord } from "./instance.ts";

/** The host for `count` instances of a type; they start on one host. Throws InsufficientInstanceCapacity. */
export function placeInstances(
  type: Pick<InstanceType, "id" | "memoryMiB">,
  architecture: string,
  zone: string,
  count: number,
  { records, now }: Ec2Context,
): string {
  const promised = promisedMiB(records);
  const rooms = records.hosts(now()).map((host) => ({
    hostId: host.id,
    zones: host.zones,
    architecture: host.architecture,
    freeMiB: host.memoryMiB - (promised.get(host.id) ?? 0),
  }));
  const found = place(rooms, { zone, architecture, memoryMiB: type.memoryMiB * count });
  if ("why" in found) throw insufficientCapacity(type.id, zone, found.why);
  return found.hostId;
}

/** Memory promised on each host: to every instance but those stopped or terminated. */
function promisedMiB(records: Ec2Records): Map<string, number> {
  const promised = new Map<string, number>();
  for (const { hostId, memoryMiB } of records.all("instance").filter(holdsMemory))
    promised.set(hostId, (promised.get(hostId) ?? 0) + memoryMiB);
  return promised;
}

/**
 * Whether an instance about to start still fits its host. Launches that raced for the last room were all accepted; those that
 * came first have it.
 */
export function fitsHost(instance: InstanceRecord, hostMiB: number, records: Ec2Records): boolean {
  const order = ({ launchedAt, id }: InstanceRecord) => `${launchedAt} ${id}`;
  const earlier = records
    .all("instance")
    .filter((it) => it.hostId === instance.hostId && holdsMemory(it) && order(it) < order(instance));
  return earlier.reduce((sum, it) => sum + it.memoryMiB, instance.memoryMiB) <= hostMiB;
}

const holdsMemory = (instance: InstanceRecord) =>
  !["stopped", "terminated"].includes(instanceState(instance));
