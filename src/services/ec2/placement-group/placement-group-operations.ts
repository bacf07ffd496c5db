import type * as ec2 from "@aws-sdk/client-ec2";
import type { CreatePlacementGroupRequest } from "@aws-sdk/client-ec2";
import type { OperationsOf } from "#api/operation.ts";
import type { Ec2Context } from "../context.ts";
import {
  duplicatePlacementGroup,
  invalidCombination,
  invalidParameter,
  missingParameter,
  placementGroupInUse,
  placementGroupNotFound,
  unsupportedParameter,
} from "../errors.ts";
import { filtered } from "../filters.ts";
import { instanceState } from "../instance/instance.ts";
import { onlyTags, tagsFor } from "../tag/tag.ts";
import {
  describePlacementGroup,
  placementGroupArn,
  placementGroupFilters,
  placementGroupLimits,
  placementGroupNameClaim,
  type PlacementGroupRecord,
} from "./placement-group.ts";

export const placementGroupOperations = {
  CreatePlacementGroup: {
    resolve(input, context) {
      const { records, newId, now } = context;
      for (const name of ["LinkedGroupId", "ParentGroupId", "Operator"] as const)
        if (input[name] !== undefined) throw unsupportedParameter(name);
      const name = checkedName(input.GroupName);
      onlyTags(["placement-group"], input.TagSpecifications);
      if (records.claimed(placementGroupNameClaim(name)) !== undefined) throw duplicatePlacementGroup(name);
      const group: PlacementGroupRecord = {
        id: newId("pg"),
        name,
        ...strategyOf(input),
        tags: tagsFor("placement-group", input.TagSpecifications),
        createdAt: now().toISOString(),
      };
      const claim = records.key("claim", placementGroupNameClaim(name));
      return {
        touches: [{ arn: placementGroupArn(name, context), tags: group.tags }],
        transaction: {
          expect: [{ absent: claim }],
          put: [
            { key: claim, value: group.id },
            { key: records.key("placement-group", group.id), value: group },
          ],
        },
        group,
      };
    },
    answer: ({ group }: { group: PlacementGroupRecord }, context) => ({
      PlacementGroup: describePlacementGroup(group, context),
    }),
  },

  /** Until the last instance in it is terminated it stays. A launch into it writes its record, so none slips in. */
  DeletePlacementGroup: {
    resolve({ GroupName: name }, context) {
      const { records } = context;
      const entry = records.entry("placement-group", records.claimed(placementGroupNameClaim(name)) ?? "");
      if (!entry) throw placementGroupNotFound(name);
      const members = records.all("instance").filter((it) => it.placementGroup?.id === entry.value.id);
      if (members.some((it) => instanceState(it) !== "terminated")) throw placementGroupInUse(name);
      return {
        touches: [{ arn: placementGroupArn(name, context), tags: entry.value.tags }],
        transaction: {
          expect: [{ at: [entry.key, entry.revision] }],
          delete: [entry.key, records.key("claim", placementGroupNameClaim(name))],
        },
      };
    },
    answer: () => ({}),
  },

  DescribePlacementGroups: {
    resolve(input, context) {
      const all = context.records.all("placement-group");
      for (const name of input.GroupNames ?? [])
        if (!all.some((group) => group.name === name)) throw placementGroupNotFound(name);
      for (const id of input.GroupIds ?? [])
        if (!all.some((group) => group.id === id)) throw placementGroupNotFound(id);
      const named = all.filter(
        ({ id, name }) =>
          (!input.GroupNames?.length || input.GroupNames.includes(name)) &&
          (!input.GroupIds?.length || input.GroupIds.includes(id)),
      );
      return { touches: [], items: filtered(named, input.Filters, placementGroupFilters(context)) };
    },
    answer: ({ items }: { items: readonly PlacementGroupRecord[] }, context) => ({
      PlacementGroups: items.map((group) => describePlacementGroup(group, context)),
    }),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

function checkedName(name: string | undefined): string {
  if (name === undefined || name === "") throw missingParameter("groupName");
  if (!/^[\x20-\x7e]{1,255}$/.test(name) || name.trim() !== name)
    throw invalidParameter(`Value (${name}) for parameter groupName is invalid.`);
  return name;
}

function strategyOf({
  Strategy: strategy = "cluster",
  PartitionCount: partitions,
  SpreadLevel: level,
}: CreatePlacementGroupRequest): Pick<PlacementGroupRecord, "strategy" | "partitions" | "spreadLevel"> {
  if (partitions !== undefined && strategy !== "partition")
    throw invalidCombination("The parameter partitionCount is valid only with the strategy 'partition'.");
  if (level !== undefined && strategy !== "spread")
    throw invalidCombination("The parameter spreadLevel is valid only with the strategy 'spread'.");
  switch (strategy) {
    case "cluster":
      return { strategy };
    case "partition":
      return { strategy, partitions: checkedPartitions(partitions ?? 2) };
    case "spread":
      // Hosts to spread over are Outposts' own.
      if (level === "host") throw unsupportedParameter("SpreadLevel=host");
      return { strategy, spreadLevel: "rack" };
    case "precision-time":
      throw unsupportedParameter(`Strategy=${strategy}`);
  }
}

function checkedPartitions(count: number): number {
  if (count < 1 || count > placementGroupLimits.partitions)
    throw invalidParameter(
      `Value (${count}) for parameter partitionCount is invalid. Expecting 1 to ${placementGroupLimits.partitions}.`,
    );
  return count;
}
