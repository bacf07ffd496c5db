import { isDeepStrictEqual } from "node:util";
import type * as ec2 from "@aws-sdk/client-ec2";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import { subnetArn } from "../subnet/subnet.ts";
import { vpcArn } from "../vpc/vpc.ts";
import { clientTokenClaim, once } from "../client-token.ts";
import type { Ec2Context } from "../context.ts";
import { describe } from "../describe.ts";
import {
  associationNotFound,
  cannotDeleteDefaultAcl,
  hasDependencies,
  invalidParameter,
  networkAclEntryExists,
  networkAclEntryNotFound,
  networkAclNotFound,
  tooManyNetworkAclEntries,
  tooManyNetworkAcls,
} from "../errors.ts";
import { quotas } from "../quotas.ts";
import { onlyTags, tagsFor } from "../tag/tag.ts";
import { vpcOf } from "../vpc/vpc-operations.ts";
import { checkedNumber, networkAclEntry } from "./network-acl-entry.ts";
import {
  describeNetworkAcl,
  networkAclArn,
  networkAclFilters,
  type NetworkAclEntry,
  type NetworkAclRecord,
} from "./network-acl.ts";

/** An ACL's entries and subnets are in its record: whoever changes them writes it whole, so of two at once one resolves anew. */
export const networkAclOperations = {
  /** Without entries: nothing passes until there are some. */
  CreateNetworkAcl: {
    resolve: (input, context) =>
      once("CreateNetworkAcl", input, context, () => {
        const { records } = context;
        const vpc = vpcOf(input.VpcId, context);
        onlyTags(["network-acl"], input.TagSpecifications);
        const most = quotas.networkAclsPerVpc.value;
        if (records.aclsIn(vpc.id).length >= most) throw tooManyNetworkAcls();
        const acl: NetworkAclRecord = {
          id: context.newId("acl"),
          vpcId: vpc.id,
          isDefault: false,
          entries: [],
          associations: [],
          ...(input.ClientToken && { clientToken: input.ClientToken }),
          tags: tagsFor("network-acl", input.TagSpecifications),
          createdAt: context.now().toISOString(),
        };
        return {
          touches: [
            { arn: networkAclArn("*", context), keys: { "ec2:Vpc": vpcArn(vpc.id, context) } },
            { arn: vpcArn(vpc.id, context), tags: vpc.tags },
          ],
          transaction: {
            // The default one is no member.
            expect: [{ exists: records.key("vpc", vpc.id) }, records.fewerOf(vpc.id, "acl-", most - 1)],
            put: [
              { key: records.key("network-acl", acl.id), value: acl },
              { key: records.key("member", `${vpc.id}/${acl.id}`), value: null },
            ],
          },
          made: acl.id,
        };
      }),
    answer({ made }: { made: string }, context) {
      const acl = aclOf(made, context);
      return { NetworkAcl: describeNetworkAcl(acl, context), ClientToken: acl.clientToken };
    },
  },

  DeleteNetworkAcl: {
    resolve({ NetworkAclId: id }, context): OperationPlan {
      const { records } = context;
      const acl = aclOf(id, context);
      if (acl.isDefault) throw cannotDeleteDefaultAcl(id);
      if (acl.associations.length > 0) throw hasDependencies("networkAcl", id);
      return {
        touches: [{ arn: networkAclArn(id, context), tags: acl.tags }],
        transaction: {
          expect: records.rewrite("network-acl", acl).expect,
          delete: [
            records.key("network-acl", id),
            records.key("member", `${acl.vpcId}/${id}`),
            ...(acl.clientToken === undefined
              ? []
              : [records.key("claim", clientTokenClaim("CreateNetworkAcl", acl.clientToken))]),
          ],
        },
      };
    },
    answer: () => ({}),
  },

  DescribeNetworkAcls: {
    resolve: (input, context) =>
      describe(context.records.all("network-acl"), input, {
        ids: input.NetworkAclIds,
        parameter: "networkAclIds",
        missing: networkAclNotFound,
        filters: networkAclFilters(context),
      }),
    answer: ({ items, nextToken }: { items: readonly NetworkAclRecord[]; nextToken?: string }, context) => ({
      NetworkAcls: items.map((acl) => describeNetworkAcl(acl, context)),
      NextToken: nextToken,
    }),
  },

  /** The same again changes nothing. */
  CreateNetworkAclEntry: {
    resolve(input, context): OperationPlan {
      const acl = aclOf(input.NetworkAclId, context);
      const entry = networkAclEntry(input);
      const present = acl.entries.find((it) => samePlace(it, entry));
      if (present && !isDeepStrictEqual(present, entry)) throw networkAclEntryExists(entry.number);
      return withEntries(acl, present ? acl.entries : [...acl.entries, entry], context);
    },
    answer: () => ({}),
  },

  ReplaceNetworkAclEntry: {
    resolve(input, context): OperationPlan {
      const acl = aclOf(input.NetworkAclId, context);
      const entry = networkAclEntry(input);
      return withEntries(acl, [...without(acl, entry), entry], context);
    },
    answer: () => ({}),
  },

  DeleteNetworkAclEntry: {
    resolve({ NetworkAclId: id, RuleNumber, Egress: egress }, context): OperationPlan {
      const acl = aclOf(id, context);
      return withEntries(acl, without(acl, { number: checkedNumber(RuleNumber), egress }), context);
    },
    answer: () => ({}),
  },

  /** Takes a subnet from one ACL into another in one transaction: it is in exactly one at every moment. */
  ReplaceNetworkAclAssociation: {
    resolve({ AssociationId: id, NetworkAclId: aclId }, context) {
      const { records } = context;
      const to = aclOf(aclId, context);
      const from = records.all("network-acl").find((it) => it.associations.some((has) => has.id === id));
      const subnetId = from?.associations.find((it) => it.id === id)?.subnetId;
      if (!from || !subnetId) throw associationNotFound(id);
      if (from.vpcId !== to.vpcId)
        throw invalidParameter(`networkAcl ${to.id} and subnet ${subnetId} belong to different networks`);
      const association = { id: context.newId("aclassoc"), subnetId };
      const left = from.associations.filter((it) => it.id !== id);
      const changes =
        from.id === to.id
          ? [records.rewrite("network-acl", { ...to, associations: [...left, association] })]
          : [
              records.rewrite("network-acl", { ...from, associations: left }),
              records.rewrite("network-acl", { ...to, associations: [...to.associations, association] }),
            ];
      return {
        touches: [
          ...[from, to].map((it) => ({ arn: networkAclArn(it.id, context), tags: it.tags })),
          {
            arn: subnetArn({ id: subnetId }, context),
            tags: records.get("subnet", subnetId)?.tags ?? {},
          },
        ],
        transaction: {
          expect: changes.flatMap(({ expect }) => expect),
          put: changes.flatMap(({ put }) => put),
        },
        association,
      };
    },
    answer: ({ association }: { association: { id: string } }) => ({ NewAssociationId: association.id }),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

function aclOf(id: string, { records }: Pick<Ec2Context, "records">): NetworkAclRecord {
  const acl = records.get("network-acl", id);
  if (!acl) throw networkAclNotFound([id]);
  return acl;
}

type Place = Pick<NetworkAclEntry, "number" | "egress">;
const samePlace = (a: Place, b: Place) => a.number === b.number && a.egress === b.egress;

function without(acl: NetworkAclRecord, place: Place): NetworkAclEntry[] {
  const left = acl.entries.filter((it) => !samePlace(it, place));
  if (left.length === acl.entries.length) throw networkAclEntryNotFound(place, acl.id);
  return left;
}

/** Sorted, and no more of them than there may be: in each direction, for IPv4 and for IPv6, with the `*` of each. */
function withEntries(
  acl: NetworkAclRecord,
  entries: readonly NetworkAclEntry[],
  context: Ec2Context,
): OperationPlan {
  const alike = Map.groupBy(entries, ({ egress, peer }) => `${egress} ${"cidr" in peer}`);
  const most = Math.max(0, ...[...alike.values()].map((list) => list.length));
  if (most + 1 > quotas.rulesPerNetworkAcl.value) throw tooManyNetworkAclEntries();
  return {
    touches: [{ arn: networkAclArn(acl.id, context), tags: acl.tags }],
    transaction: context.records.rewrite("network-acl", {
      ...acl,
      entries: entries.toSorted((a, b) => a.number - b.number),
    }),
  };
}
