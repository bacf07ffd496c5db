import type * as ec2 from "@aws-sdk/client-ec2";
import type { ModifySnapshotAttributeRequest, SnapshotAttributeName } from "@aws-sdk/client-ec2";
import type { OperationPlan, OperationsOf, TouchedResource } from "#api/operation.ts";
import type { Ec2Context } from "../context.ts";
import { describe } from "../describe.ts";
import {
  defaultKeyNotShared,
  encryptedNotPublic,
  invalidParameter,
  invalidUserId,
  missingParameter,
  snapshotNotFound,
} from "../errors.ts";
import { isAwsManaged } from "../volume/encryption.ts";
import {
  describeSnapshot,
  describeTierStatus,
  findSnapshot,
  snapshotArn,
  snapshotFilters,
  everybody,
  sharedSnapshots,
  snapshotsThere,
  tierFilters,
  type SeenSnapshot,
  type SnapshotRecord,
} from "./snapshot.ts";

interface Page {
  readonly items: readonly SeenSnapshot[];
  readonly nextToken?: string;
}

export const snapshotOperations = {
  /** One's own, and those that others share. */
  DescribeSnapshots: {
    resolve(input, context) {
      const { accountId, records } = context;
      const isOwned = ({ ownerId = "self" }: SeenSnapshot, owners: readonly string[] | undefined) =>
        !owners?.length || owners.map((it) => (it === accountId ? "self" : it)).includes(ownerId);
      const isMeant = ({ ownerId, sharedWith = [] }: SeenSnapshot) =>
        ownerId === undefined || sharedWith.includes(accountId);
      const isUsableBy = (snapshot: SeenSnapshot, users: readonly string[] | undefined) =>
        !users?.length ||
        users.some((it) =>
          it === "self" || it === accountId ? isMeant(snapshot) : snapshot.sharedWith?.includes(it),
        );
      const seen = [...snapshotsThere(records, input.SnapshotIds), ...sharedSnapshots(records)];
      return describe(seen, input, {
        ids: input.SnapshotIds,
        parameter: "snapshotIds",
        missing: snapshotNotFound,
        filters: snapshotFilters(context),
        shows: (it) => isOwned(it, input.OwnerIds) && isUsableBy(it, input.RestorableByUserIds),
        bounds: { min: 5, max: 1000 },
      });
    },
    answer: ({ items, nextToken }: Page, context) => ({
      Snapshots: items.map((it) => describeSnapshot(it, context)),
      NextToken: nextToken,
    }),
  },

  /** All are kept in the standard tier. */
  DescribeSnapshotTierStatus: {
    resolve: (input, context) =>
      describe(snapshotsThere(context.records), input, {
        ids: undefined,
        parameter: "snapshotIds",
        missing: snapshotNotFound,
        filters: tierFilters,
        bounds: { min: 5, max: 1000 },
      }),
    answer: ({ items, nextToken }: Page, context) => ({
      SnapshotTierStatuses: items.map((it) => describeTierStatus(it, context)),
      NextToken: nextToken,
    }),
  },

  DescribeSnapshotAttribute: {
    resolve({ SnapshotId: id, Attribute: attribute }, context) {
      const snapshot = findSnapshot(id, context);
      return { touches: [{ arn: snapshotArn(id, context), tags: snapshot.tags }], snapshot, attribute };
    },
    answer: (plan: { snapshot: SnapshotRecord; attribute: SnapshotAttributeName }) => ({
      SnapshotId: plan.snapshot.id,
      ...(plan.attribute === "productCodes"
        ? { ProductCodes: [] }
        : {
            CreateVolumePermissions: (plan.snapshot.sharedWith ?? []).map((who) =>
              who === everybody ? { Group: "all" as const } : { UserId: who },
            ),
          }),
    }),
  },

  ModifySnapshotAttribute: {
    resolve(input, context) {
      const snapshot = findSnapshot(input.SnapshotId, context);
      const before = snapshot.sharedWith ?? [];
      const { added, removed } = changesOf(input);
      const users = [...new Set([...before, ...added])].filter((it) => !removed.includes(it)).toSorted();
      refuseSharing(
        snapshot,
        users.filter((it) => !before.includes(it)),
        context,
      );
      return shared(snapshot, users, context, { ...keysOf("Add", added), ...keysOf("Remove", removed) });
    },
    answer: () => ({}),
  },

  ResetSnapshotAttribute: {
    resolve({ SnapshotId: id, Attribute: attribute }, context) {
      const snapshot = findSnapshot(id, context);
      onlyPermissions(attribute);
      return shared(snapshot, [], context);
    },
    answer: () => ({}),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

const shared = (
  snapshot: SnapshotRecord,
  users: readonly string[],
  context: Ec2Context,
  keys: TouchedResource["keys"] = {},
): OperationPlan => ({
  touches: [{ arn: snapshotArn(snapshot.id, context), tags: snapshot.tags, keys }],
  transaction: context.records.rewrite("snapshot", { ...snapshot, sharedWith: users }),
});

/** Nobody else may use the key that AWS manages, and nobody at all shares a key with everybody. */
function refuseSharing({ encryption }: SnapshotRecord, users: readonly string[], context: Ec2Context): void {
  if (!encryption || users.length === 0) return;
  if (users.includes(everybody)) throw encryptedNotPublic();
  if (isAwsManaged(encryption, context)) throw defaultKeyNotShared();
}

/** By which policies ask with whom a snapshot is to be shared, or no longer. */
function keysOf(change: "Add" | "Remove", who: readonly string[]): Record<string, readonly string[]> {
  const users = who.filter((it) => it !== everybody);
  return {
    ...(users.length > 0 && { [`ec2:${change}/userId`]: users }),
    ...(users.length < who.length && { [`ec2:${change}/group`]: [everybody] }),
  };
}

/** Who is to be let make volumes of it, and who no longer. */
function changesOf(input: ModifySnapshotAttributeRequest) {
  if (input.Attribute !== undefined) onlyPermissions(input.Attribute);
  const { Add = [], Remove = [] } = input.CreateVolumePermission ?? {};
  const named = [...(input.UserIds ?? []), ...(input.GroupNames ?? []).map(group)];
  // Packer names the accounts here as well.
  if (named.length > 0 && input.OperationType === undefined && !input.CreateVolumePermission)
    throw missingParameter("OperationType");
  const who = ({ UserId, Group }: ec2.CreateVolumePermission): string =>
    Group ? group(Group) : (UserId ?? "");
  const added = [...Add.map(who), ...(input.OperationType === "add" ? named : [])];
  const removed = [...Remove.map(who), ...(input.OperationType === "remove" ? named : [])];
  if (added.length + removed.length === 0) throw missingParameter("CreateVolumePermission");
  for (const it of [...added, ...removed])
    if (it !== everybody && !/^\d{12}$/.test(it)) throw invalidUserId(it);
  return { added, removed };
}

function group(name: string): string {
  if (name !== everybody) throw invalidParameter(`Value (${name}) for parameter group is invalid.`);
  return name;
}

function onlyPermissions(attribute: SnapshotAttributeName): void {
  if (attribute !== "createVolumePermission")
    throw invalidParameter(`Value (${attribute}) for parameter attribute is invalid.`);
}
