import type { PlacementGroup, PlacementStrategy, SpreadLevel } from "@aws-sdk/client-ec2";
import type { FilterTable } from "../filters.ts";
import type { ResourceRecord, Scope } from "../records.ts";
import { describeTags } from "../tag/tag.ts";

/** Instances that are to be near each other or apart. All are on one host: the group's rules hold, its hardware does not. */
export interface PlacementGroupRecord extends ResourceRecord {
  readonly id: `pg-${string}`;
  readonly name: string;
  readonly strategy: Exclude<PlacementStrategy, "precision-time">;
  /** Of a partition group. */
  readonly partitions?: number;
  /** Of a spread group. */
  readonly spreadLevel?: SpreadLevel;
}

export const placementGroupLimits = { partitions: 7, spreadPerZone: 7 } as const;

export const placementGroupNameClaim = (name: string) => `placement-group-name/${name}`;

/** The resource's part of the ARN is the group's name. */
export const placementGroupArn = (name: string, { region, accountId }: Scope) =>
  `arn:aws:ec2:${region}:${accountId}:placement-group/${name}`;

export const describePlacementGroup = (group: PlacementGroupRecord, scope: Scope): PlacementGroup => ({
  GroupId: group.id,
  GroupName: group.name,
  GroupArn: placementGroupArn(group.name, scope),
  State: "available",
  Strategy: group.strategy,
  PartitionCount: group.partitions,
  SpreadLevel: group.spreadLevel,
  Tags: describeTags(group.tags),
});

export const placementGroupFilters = (scope: Scope): FilterTable<PlacementGroupRecord> => ({
  "group-arn": (it) => placementGroupArn(it.name, scope),
  "group-name": (it) => it.name,
  "spread-level": (it) => it.spreadLevel,
  state: () => "available",
  strategy: (it) => it.strategy,
});
