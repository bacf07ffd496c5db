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
  { records, region, now }: Ec2Context,
): string {
  const rooms = records.hosts(now()).map((host) => ({
    hostId: host.id,
    zones: host.zones.map((letter) => region + letter),
    architecture: host.architecture,
    freeMiB: host.memoryMiB - promisedMiB(records.instancesOn(host.id)),
  }));
  const found = place(rooms, { zone, architecture, memoryMiB: type.memoryMiB * count });
  if ("why" in found) throw insufficientCapacity(type.id, zone, found.why);
  return found.hostId;
}

/** Memory promised to these: to all but those stopped or terminated. */
const promisedMiB = (instances: readonly InstanceRecord[]) =>
  instances.filter(holdsMemory).reduce((sum, it) => sum + it.memoryMiB, 0);

/**
 * Whether an instance about to start still fits its host. Launches that raced for the last room were all accepted; those that
 * came first have it.
 */
export function fitsHost(instance: InstanceRecord, hostMiB: number, records: Ec2Records): boolean {
  if (promisedMiB(records.instancesOn(instance.hostId)) <= hostMiB) return true;
  const order = ({ launchedAt, id }: InstanceRecord) => `${launchedAt} ${id}`;
  const earlier = records.instancesOn(instance.hostId).filter((it) => order(it) < order(instance));
  return promisedMiB(earlier) + instance.memoryMiB <= hostMiB;
}

const holdsMemory = (instance: InstanceRecord) =>
  !["stopped", "terminated"].includes(instanceState(instance));
