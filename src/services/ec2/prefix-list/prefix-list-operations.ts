import type * as ec2 from "@aws-sdk/client-ec2";
import type { ModifyManagedPrefixListRequest, PrefixListState } from "@aws-sdk/client-ec2";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import { clientTokenClaim, once } from "../client-token.ts";
import type { Ec2Context } from "../context.ts";
import { describe } from "../describe.ts";
import {
  endpointListNotFound,
  entriesAndSizeOfPrefixList,
  hasDependencies,
  invalidParameter,
  notPermitted,
  prefixListNotFound,
  prefixListVersionNotFound,
  tooManyPrefixLists,
  unsupportedParameter,
} from "../errors.ts";
import { page } from "../pagination.ts";
import { onlyTags, tagsFor } from "../tag/tag.ts";
import { together } from "../together.ts";
import {
  changedEntries,
  checkedListName,
  checkedMaxEntries,
  checkVersion,
  nextVersion,
  sameUsers,
  tooSmallFor,
} from "./prefix-list-change.ts";
import {
  describePrefixList,
  entriesOf,
  keptVersions,
  prefixListArn,
  prefixListFilters,
  versionId,
  type PrefixListEntry,
  type PrefixListRecord,
} from "./prefix-list.ts";

const listsPerRegion = 100;
const pageBounds = { min: 1, max: 100 };

export const prefixListOperations = {
  CreateManagedPrefixList: {
    resolve: (input, context) =>
      once("CreateManagedPrefixList", input, context, () => {
        const { records, newId, now } = context;
        onlyTags(["prefix-list"], input.TagSpecifications);
        const list: PrefixListRecord = {
          id: newId("pl"),
          name: checkedListName(input.PrefixListName),
          family: checkedFamily(input.AddressFamily),
          maxEntries: checkedMaxEntries(input.MaxEntries),
          version: 1,
          state: "create-complete",
          ...(input.ClientToken && { clientToken: input.ClientToken }),
          tags: tagsFor("prefix-list", input.TagSpecifications),
          createdAt: now().toISOString(),
        };
        const entries = changedEntries([], list, input.Entries ?? [], []);
        const ofOwners = records.all("prefix-list").filter(({ owner }) => owner);
        const room = records.roomFor("prefix-list", listsPerRegion + ofOwners.length, tooManyPrefixLists);
        const { put } = nextVersion(list, entries, context);
        return {
          touches: [{ arn: prefixListArn("*", context), tags: list.tags }],
          transaction: { expect: [room], put },
          made: list.id,
        };
      }),
    answer: ({ made }: { made: string }, context) => ({
      PrefixList: describeAs("create-in-progress", listOf(made, context), context),
    }),
  },

  DeleteManagedPrefixList: {
    resolve({ PrefixListId: id }, context) {
      const { records } = context;
      const list = ownListOf(id, context);
      if (records.dependentsOf(id).length > 0) throw hasDependencies("prefixList", id);
      const oldest = Math.max(1, list.version - keptVersions + 1);
      const versions = Array.from({ length: list.version - oldest + 1 }, (_, n) => versionId(id, oldest + n));
      return {
        touches: touches([list], context),
        transaction: {
          expect: [
            ...records.rewrite("prefix-list", list).expect,
            { empty: records.key("member", `${id}/`) },
          ],
          delete: [
            records.key("prefix-list", id),
            ...versions.map((version) => records.key("prefix-list-version", version)),
            ...(list.clientToken === undefined
              ? []
              : [records.key("claim", clientTokenClaim("CreateManagedPrefixList", list.clientToken))]),
          ],
        },
        list,
      };
    },
    answer: ({ list }: { list: PrefixListRecord }, context) => ({
      PrefixList: describeAs("delete-in-progress", list, context),
    }),
  },

  ModifyManagedPrefixList: {
    resolve(input, context) {
      const list = ownListOf(input.PrefixListId, context);
      if (input.IpamPrefixListResolverSyncEnabled)
        throw unsupportedParameter("IpamPrefixListResolverSyncEnabled");
      return {
        touches: touches([list], context),
        transaction: modification(list, input, context),
        id: list.id,
      };
    },
    answer: ({ id }: { id: string }, context) => ({
      PrefixList: describeAs("modify-in-progress", listOf(id, context), context),
    }),
  },

  RestoreManagedPrefixListVersion: {
    resolve({ PrefixListId: id, PreviousVersion: previous, CurrentVersion: current }, context) {
      const list = ownListOf(id, context);
      checkVersion(list, current);
      const entries = entriesOf(list, context.records, previous);
      if (!entries) throw prefixListVersionNotFound(id, previous);
      if (entries.length > list.maxEntries || previous === list.version)
        throw invalidParameter(`Version ${previous} of the prefix list '${id}' cannot be restored.`);
      const restored: PrefixListRecord = { ...list, version: list.version + 1, state: "restore-complete" };
      return {
        touches: touches([list], context),
        transaction: nextVersion(restored, entries, context),
        id,
      };
    },
    answer: ({ id }: { id: string }, context) => ({
      PrefixList: describeAs("restore-in-progress", listOf(id, context), context),
    }),
  },

  DescribeManagedPrefixLists: {
    resolve: (input, context) =>
      describe(context.records.all("prefix-list"), input, {
        ids: input.PrefixListIds,
        parameter: "prefixListIds",
        missing: prefixListNotFound,
        filters: prefixListFilters(context),
        bounds: pageBounds,
      }),
    answer: ({ items, nextToken }: { items: readonly PrefixListRecord[]; nextToken?: string }, context) => ({
      PrefixLists: items.map((list) => describePrefixList(list, context)),
      NextToken: nextToken,
    }),
  },

  GetManagedPrefixListEntries: {
    resolve(input, context) {
      const list = listOf(input.PrefixListId, context);
      const entries = entriesOf(list, context.records, input.TargetVersion);
      if (!entries) throw prefixListVersionNotFound(list.id, input.TargetVersion ?? list.version);
      return { touches: touches([list], context), ...page(entries, ({ cidr }) => cidr, input, pageBounds) };
    },
    answer: ({ items, nextToken }: { items: readonly PrefixListEntry[]; nextToken?: string }) => ({
      Entries: items.map(({ cidr, description }) => ({ Cidr: cidr, Description: description })),
      NextToken: nextToken,
    }),
  },

  GetManagedPrefixListAssociations: {
    resolve(input, context) {
      const list = listOf(input.PrefixListId, context);
      const ids = context.records.dependentsOf(list.id);
      return { touches: touches([list], context), ...page(ids, (id) => id, input, { min: 5, max: 255 }) };
    },
    answer: ({ items, nextToken }: { items: readonly string[]; nextToken?: string }, { accountId }) => ({
      PrefixListAssociations: items.map((id) => ({ ResourceId: id, ResourceOwner: accountId })),
      NextToken: nextToken,
    }),
  },

  /** Those of AWS's services with gateway endpoints. */
  DescribePrefixLists: {
    resolve: (input, context) =>
      describe(
        context.records.all("prefix-list").filter(({ owner }) => owner),
        input,
        {
          ids: input.PrefixListIds,
          parameter: "prefixListIds",
          missing: endpointListNotFound,
          filters: prefixListFilters(context),
          bounds: { min: 1, max: 1000 },
        },
      ),
    answer: (
      { items, nextToken }: { items: readonly PrefixListRecord[]; nextToken?: string },
      { records },
    ) => ({
      PrefixLists: items.map((list) => ({
        PrefixListId: list.id,
        PrefixListName: list.name,
        Cidrs: entriesOf(list, records)?.map(({ cidr }) => cidr),
      })),
      NextToken: nextToken,
    }),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

function listOf(id: string, { records }: Pick<Ec2Context, "records">): PrefixListRecord {
  const list = records.get("prefix-list", id);
  if (!list) throw prefixListNotFound([id]);
  return list;
}

/** AWS's own are nobody else's to change. */
function ownListOf(id: string, context: Ec2Context): PrefixListRecord {
  const list = listOf(id, context);
  if (list.owner) throw notPermitted();
  return list;
}

const touches = (lists: readonly PrefixListRecord[], context: Ec2Context) =>
  lists.map(({ id, tags }) => ({ arn: prefixListArn(id, context), tags }));

/** What a request is answered with, though what it asked for is done by then. */
const describeAs = (State: PrefixListState, list: PrefixListRecord, context: Ec2Context) => ({
  ...describePrefixList(list, context),
  State,
});

function checkedFamily(family: string): PrefixListRecord["family"] {
  if (family !== "IPv4" && family !== "IPv6")
    throw invalidParameter(
      `Value (${family}) for parameter addressFamily is invalid. Expecting IPv4 or IPv6.`,
    );
  return family;
}

/** Entries make a new version; a name and a size do not. A size that does not fit where the list is named leaves it failed. */
function modification(
  list: PrefixListRecord,
  input: ModifyManagedPrefixListRequest,
  context: Ec2Context,
): OperationPlan["transaction"] {
  const { records } = context;
  const [added, removed] = [input.AddEntries ?? [], input.RemoveEntries ?? []];
  const changes = added.length + removed.length > 0;
  if (changes && input.MaxEntries !== undefined) throw entriesAndSizeOfPrefixList();
  if (changes || input.CurrentVersion !== undefined) checkVersion(list, input.CurrentVersion);
  const { stateMessage: _, ...before } = list;
  const now: PrefixListRecord = {
    ...before,
    state: "modify-complete",
    ...(input.PrefixListName !== undefined && { name: checkedListName(input.PrefixListName) }),
  };
  const entries = entriesOf(list, records) ?? [];
  if (changes) {
    const changed = changedEntries(entries, list, added, removed);
    return nextVersion({ ...now, version: list.version + 1 }, changed, context);
  }
  if (input.MaxEntries === undefined) return records.rewrite("prefix-list", now);
  const maxEntries = checkedMaxEntries(input.MaxEntries);
  if (maxEntries < entries.length)
    throw invalidParameter(
      `The prefix list '${list.id}' has ${entries.length} entries, more than ${maxEntries}.`,
    );
  const unfit = tooSmallFor(list, maxEntries, context).slice(0, 10);
  if (unfit.length === 0)
    return together(records.rewrite("prefix-list", { ...now, maxEntries }), {
      expect: sameUsers(list, context),
    });
  return records.rewrite("prefix-list", {
    ...list,
    state: "modify-failed",
    stateMessage: `These resources do not support the new maximum size: ${unfit.join(", ")}`,
  });
}
