import { place } from "#placement/placement.ts";
import type { Ec2Context } from "../context.ts";
import { insufficientCapacity } from "../errors.ts";
import type { InstanceType } from "../instance-type/instance-type.ts";
import type { Ec2Records } from "../records.ts";
import { instanceState } from "./instance.ts";

/** The host for `count` instances of a type; they start on one host. Throws InsufficientInstanceCapacity. */
export function placeInstances(
  type: Pick<InstanceType, "id" | "memoryMiB">,
  architecture: string,
  zone: string,
  count: number,
  { records }: Ec2Context,
): string {
  const promised = promisedMiB(records);
  const rooms = records.all("host").map((host) => ({
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
  for (const instance of records.all("instance")) {
    const state = instanceState(instance);
    if (state === "stopped" || state === "terminated") continue;
    promised.set(instance.hostId, (promised.get(instance.hostId) ?? 0) + instance.memoryMiB);
  }
  return promised;
}
