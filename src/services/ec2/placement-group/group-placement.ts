import type { Placement } from "@aws-sdk/client-ec2";
import type { Transaction } from "#store/store.ts";
import type { Ec2Context } from "../context.ts";
import {
  invalidCombination,
  invalidParameter,
  placementGroupFull,
  placementGroupInOtherZone,
  placementGroupNotFound,
} from "../errors.ts";
import { instanceState, type InstanceRecord } from "../instance/instance.ts";
import type { InstanceType } from "../instance-type/instance-type.ts";
import {
  placementGroupLimits,
  placementGroupNameClaim,
  type PlacementGroupRecord,
} from "./placement-group.ts";

/** Where a launch's instances go in their group, and what keeps two launches from both taking the last place. */
export interface GroupPlacement extends Required<Pick<Transaction, "expect" | "put">> {
  /** Of each instance, in launch order. */
  readonly places: readonly NonNullable<InstanceRecord["placementGroup"]>[];
}

/**
 * Places for `count` new instances by the rules of the group that the request names. Follows "Placement strategies for your
 * placement groups".
 */
export function placeInGroup(
  placement: Placement | undefined,
  type: InstanceType,
  zone: string,
  count: number,
  context: Ec2Context,
): GroupPlacement {
  const group = groupOf(placement, context);
  if (!group) {
    if (placement?.PartitionNumber !== undefined)
      throw invalidCombination("A partition number needs a placement group with the strategy 'partition'.");
    return { places: [], expect: [], put: [] };
  }
  const { strategy } = group;
  if (!type.placementStrategies.includes(strategy))
    throw invalidCombination(
      `${strategy.charAt(0).toUpperCase()}${strategy.slice(1)} placement groups are not supported by the '${type.id}' instance ` +
        "type. Specify a supported instance type or change the placement group strategy, and try again.",
    );
  const members = membersOf(group, context);
  if (strategy === "cluster") checkSameZone(group, zone, members);
  if (strategy === "spread")
    checkRoom(
      group,
      members,
      Array.from({ length: count }, () => zone),
    );
  const partitions = partitionsFor(group, placement?.PartitionNumber, members, count);
  return {
    places: partitions.map((partition) => ({ id: group.id, ...(partition !== undefined && { partition }) })),
    ...oneAfterAnother([group.id], context),
  };
}

/** Stopped instances that start again take their places in spread groups anew. */
export function returnToGroups(
  starting: readonly InstanceRecord[],
  context: Ec2Context,
): Omit<GroupPlacement, "places"> {
  const joining = Map.groupBy(starting, (it) => it.placementGroup?.id);
  const spread = [...joining].flatMap(([id, instances]) => {
    const group = id === undefined ? undefined : context.records.get("placement-group", id);
    return group?.strategy === "spread" ? [{ group, instances }] : [];
  });
  for (const { group, instances } of spread)
    checkRoom(
      group,
      membersOf(group, context),
      instances.map(({ zone }) => zone),
    );
  return oneAfterAnother(
    spread.map(({ group }) => group.id),
    context,
  );
}

function groupOf(placement: Placement | undefined, { records }: Ec2Context) {
  const { GroupName: name, GroupId: id } = placement ?? {};
  if (name && id) throw invalidCombination("Specify a placement group by its name or its ID, not by both.");
  if (!name && !id) return undefined;
  const group = records.get(
    "placement-group",
    id || (records.claimed(placementGroupNameClaim(name ?? "")) ?? ""),
  );
  if (!group) throw placementGroupNotFound(name || (id ?? ""));
  return group;
}

const membersOf = ({ id }: PlacementGroupRecord, { records }: Ec2Context) =>
  records.all("instance").filter((it) => it.placementGroup?.id === id && instanceState(it) !== "terminated");

function checkSameZone(group: PlacementGroupRecord, zone: string, members: readonly InstanceRecord[]): void {
  const elsewhere = members.find((it) => it.zone !== zone);
  if (elsewhere) throw placementGroupInOtherZone(group.name, elsewhere.zone);
}

/** Stopped instances do not count. */
function checkRoom(
  group: PlacementGroupRecord,
  members: readonly InstanceRecord[],
  joining: readonly string[],
): void {
  const most = placementGroupLimits.spreadPerZone;
  for (const zone of new Set(joining)) {
    const running = members.filter((it) => it.zone === zone && instanceState(it) !== "stopped");
    if (running.length + joining.filter((it) => it === zone).length > most)
      throw placementGroupFull(group.name, zone, most);
  }
}

/** The partition asked for, or for each instance the one with the fewest. */
function partitionsFor(
  group: PlacementGroupRecord,
  asked: number | undefined,
  members: readonly InstanceRecord[],
  count: number,
): (number | undefined)[] {
  if (group.strategy !== "partition") {
    if (asked !== undefined)
      throw invalidCombination("A partition number needs a placement group with the strategy 'partition'.");
    return Array.from({ length: count }, () => undefined);
  }
  const all = Array.from({ length: group.partitions ?? 1 }, (_, n) => n + 1);
  if (asked !== undefined && !all.includes(asked))
    throw invalidParameter(
      `Value (${asked}) for parameter partitionNumber is invalid. The placement group '${group.name}' has ${all.length} partitions.`,
    );
  const held = new Map(
    all.map((n) => [n, members.filter(({ placementGroup }) => placementGroup?.partition === n).length]),
  );
  return Array.from({ length: count }, () => {
    const partition = asked ?? all.reduce((a, b) => ((held.get(b) ?? 0) < (held.get(a) ?? 0) ? b : a));
    held.set(partition, (held.get(partition) ?? 0) + 1);
    return partition;
  });
}

/** Each launch writes the group's record unchanged: of two at once the second is resolved anew and sees the first. */
function oneAfterAnother(ids: readonly string[], { records }: Ec2Context): Omit<GroupPlacement, "places"> {
  const entries = ids.flatMap((id) => records.entry("placement-group", id) ?? []);
  return {
    expect: entries.map(({ key, revision }) => ({ at: [key, revision] })),
    put: entries.map(({ key, value }) => ({ key, value })),
  };
}
