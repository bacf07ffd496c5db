import type * as ec2 from "@aws-sdk/client-ec2";
import type { ModifySubnetAttributeRequest } from "@aws-sdk/client-ec2";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import { zoneId, zonesOf } from "../availability-zone/availability-zone.ts";
import type { Ec2Context } from "../context.ts";
import { describe } from "../describe.ts";
import {
  defaultSubnetExists,
  defaultVpcMissing,
  hasDependencies,
  invalidCombination,
  invalidParameter,
  invalidSubnetRange,
  missingParameter,
  severalAttributes,
  subnetConflict,
  subnetNotFound,
  tooManySubnets,
  unsupportedParameter,
} from "../errors.ts";
import { canonicalCidr, covers, overlap, prefixLength } from "../ipv4.ts";
import { defaultAclClaim } from "../network-acl/network-acl.ts";
import { reachedAt } from "../network-interface/network-interface.ts";
import { quotas } from "../quotas.ts";
import { onlyTags, tagsFor } from "../tag/tag.ts";
import { vpcOf } from "../vpc/vpc-operations.ts";
import { rangesOf, vpcArn, type VpcRecord } from "../vpc/vpc.ts";
import { describeSubnet, newSubnet, subnetArn, subnetFilters, type SubnetRecord } from "./subnet.ts";

export const subnetOperations = {
  CreateSubnet: {
    resolve(input, context) {
      for (const name of [
        "Ipv4IpamPoolId",
        "Ipv4NetmaskLength",
        "Ipv6CidrBlock",
        "Ipv6IpamPoolId",
        "Ipv6Native",
        "Ipv6NetmaskLength",
        "OutpostArn",
      ] as const)
        if (input[name]) throw unsupportedParameter(name);
      if (input.CidrBlock === undefined) throw missingParameter("cidrBlock");
      const vpc = vpcOf(input.VpcId, context);
      onlyTags(["subnet"], input.TagSpecifications);
      const subnet: SubnetRecord = {
        id: context.newId("subnet"),
        vpcId: vpc.id,
        cidr: checkedRange(input.CidrBlock, vpc, context),
        zone: zoneOf(input, context),
        defaultForZone: false,
        publicAddressOnLaunch: false,
        tags: tagsFor("subnet", input.TagSpecifications),
        createdAt: context.now().toISOString(),
      };
      return subnetPlan(subnet, vpc, context);
    },
    answer: answerNew,
  },

  /** The default one of a zone, after somebody deleted it: the first /20 that is free. */
  CreateDefaultSubnet: {
    resolve(input, context) {
      const { records, region } = context;
      const vpcId = records.claimed("default-vpc");
      const vpc = vpcId === undefined ? undefined : records.get("vpc", vpcId);
      if (!vpc) throw defaultVpcMissing();
      const zone = zoneOf(input, context);
      const present = records.subnetsIn(vpc.id);
      if (present.some((it) => it.defaultForZone && it.zone === zone)) throw defaultSubnetExists(zone);
      const cidr = Array.from({ length: 16 }, (_, n) => `172.31.${n * 16}.0/20`).find(
        (it) => !present.some((subnet) => overlap(subnet.cidr, it)),
      );
      if (cidr === undefined) throw subnetConflict(vpc.cidr);
      const subnet: SubnetRecord = {
        id: context.newId("subnet"),
        vpcId: vpc.id,
        cidr,
        zone: zone || (zonesOf(region)[0]?.name ?? ""),
        defaultForZone: true,
        publicAddressOnLaunch: true,
        tags: {},
        createdAt: context.now().toISOString(),
      };
      return subnetPlan(subnet, vpc, context);
    },
    answer: answerNew,
  },

  DeleteSubnet: {
    resolve({ SubnetId: id }, context): OperationPlan {
      const { records } = context;
      const subnet = subnetOf(id, context);
      if (records.interfacesIn(subnet.vpcId).some((it) => it.subnetId === id))
        throw hasDependencies("subnet", id);
      if (records.cidrReservationsOf(id).length > 0) throw hasDependencies("subnet", id);
      const changes = [
        records.rewrite("subnet", subnet),
        // What names the subnet forgets it in the same breath.
        ...[records.aclOf(id)].flatMap((acl) =>
          acl ? records.rewrite("network-acl", without(acl, id)) : [],
        ),
        ...[records.ownRouteTableOf(id)].flatMap((table) =>
          table ? records.rewrite("route-table", without(table, id)) : [],
        ),
      ];
      const key = records.key("subnet", id);
      return {
        touches: [{ arn: subnetArn(subnet, context), tags: subnet.tags }],
        transaction: {
          expect: [
            ...changes.flatMap(({ expect }) => expect),
            { empty: records.key("claim", `subnet-address/${id}/`) },
            { empty: records.key("claim", `subnet-prefix/${id}/`) },
          ],
          put: changes.slice(1).flatMap(({ put }) => put),
          delete: [key, records.key("member", `${subnet.vpcId}/${id}`)],
        },
      };
    },
    answer: () => ({}),
  },

  DescribeSubnets: {
    resolve: (input, context) =>
      describe(context.records.all("subnet"), input, {
        ids: input.SubnetIds,
        parameter: "subnetIds",
        missing: subnetNotFound,
        filters: subnetFilters(context, usedAddresses(context)),
      }),
    answer({ items, nextToken }: { items: readonly SubnetRecord[]; nextToken?: string }, context) {
      const used = usedAddresses(context);
      return { Subnets: items.map((it) => describeSubnet(it, used(it), context)), NextToken: nextToken };
    },
  },

  ModifySubnetAttribute: {
    resolve(input, context): OperationPlan {
      const subnet = subnetOf(input.SubnetId, context);
      return {
        touches: [{ arn: subnetArn(subnet, context), tags: subnet.tags }],
        transaction: context.records.rewrite("subnet", changedSubnet(subnet, input)),
      };
    },
    answer: () => ({}),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

export function subnetOf(id: string, { records }: Pick<Ec2Context, "records">): SubnetRecord {
  const subnet = records.get("subnet", id);
  if (!subnet) throw subnetNotFound([id]);
  return subnet;
}

/** Every subnet is in its VPC's default network ACL until it is put in another. Of two overlapping ones at once, one wins: both write the ACL. */
function subnetPlan(subnet: SubnetRecord, vpc: VpcRecord, context: Ec2Context) {
  const { records } = context;
  if (records.subnetsIn(vpc.id).length >= quotas.subnetsPerVpc.value) throw tooManySubnets();
  const acl = records.get("network-acl", records.claimed(defaultAclClaim(vpc.id)) ?? "");
  const association = { id: context.newId("aclassoc"), subnetId: subnet.id };
  const inAcl =
    acl && records.rewrite("network-acl", { ...acl, associations: [...acl.associations, association] });
  return {
    touches: [
      { arn: subnetArn({ id: "*" }, context), keys: { "ec2:Vpc": vpcArn(vpc.id, context) } },
      { arn: vpcArn(vpc.id, context), tags: vpc.tags },
    ],
    transaction: {
      // Its ranges are looked at: they must still be those.
      expect: [...records.rewrite("vpc", vpc).expect, ...(inAcl?.expect ?? [])],
      put: [...newSubnet(subnet, context), ...(inAcl?.put ?? [])],
    },
    subnet,
  };
}

function answerNew({ subnet }: { subnet: SubnetRecord }, context: Ec2Context) {
  return { Subnet: describeSubnet(subnet, 0, context) };
}

/** A record with associations, without a subnet's. */
const without = <It extends { readonly associations: readonly object[] }>(
  record: It,
  subnetId: string,
): It => ({
  ...record,
  associations: record.associations.filter((it) => !("subnetId" in it && it.subnetId === subnetId)),
});

function checkedRange(text: string, vpc: VpcRecord, { records }: Ec2Context): string {
  const cidr = canonicalCidr(text);
  if (cidr === undefined)
    throw invalidParameter(
      `Value (${text}) for parameter cidrBlock is invalid. This is not a valid CIDR block.`,
    );
  const fits = prefixLength(cidr) >= 16 && prefixLength(cidr) <= 28;
  if (!fits || !rangesOf(vpc).some((range) => covers(range.cidr, cidr))) throw invalidSubnetRange(text);
  if (records.subnetsIn(vpc.id).some((it) => overlap(it.cidr, cidr))) throw subnetConflict(text);
  return cidr;
}

/** The one asked for by name or id; without, the first. */
function zoneOf(
  {
    AvailabilityZone: name,
    AvailabilityZoneId: id,
  }: { AvailabilityZone?: string | undefined; AvailabilityZoneId?: string | undefined },
  { region }: Ec2Context,
): string {
  const zones = zonesOf(region);
  const zone = zones.find(
    (it) => (name === undefined || it.name === name) && (id === undefined || it.id === id),
  );
  if (zone) return zone.name;
  const [parameter, value] = name === undefined ? ["availabilityZoneId", id] : ["availabilityZone", name];
  const known = zones.map((it) => (name === undefined ? zoneId(region, it.name) : it.name)).join(", ");
  throw invalidParameter(
    `Value (${value}) for parameter ${parameter} is invalid. Subnets can currently only be created in the following availability zones: ${known}.`,
  );
}

/** One attribute at a time. */
function changedSubnet(subnet: SubnetRecord, input: ModifySubnetAttributeRequest): SubnetRecord {
  const { SubnetId: _, ...rest } = input;
  const given = Object.entries(rest).flatMap(([name, value]) => (value === undefined ? [] : [name]));
  const [name, ...more] = given;
  if (name === undefined) throw invalidCombination("No attributes specified.");
  if (more.length > 0) throw severalAttributes(given);
  const { hostNames: __, ...byAddress } = subnet;
  if (input.MapPublicIpOnLaunch)
    return { ...subnet, publicAddressOnLaunch: input.MapPublicIpOnLaunch.Value ?? false };
  if (input.PrivateDnsHostnameTypeOnLaunch)
    return input.PrivateDnsHostnameTypeOnLaunch === "resource-name"
      ? { ...subnet, hostNames: "resource-name" }
      : byAddress;
  if (input.EnableResourceNameDnsARecordOnLaunch)
    return { ...subnet, resourceNameRecords: input.EnableResourceNameDnsARecordOnLaunch.Value ?? false };
  // What is off already may be turned off.
  const off = [
    input.AssignIpv6AddressOnCreation,
    input.EnableDns64,
    input.EnableResourceNameDnsAAAARecordOnLaunch,
    input.DisableLniAtDeviceIndex,
    input.MapCustomerOwnedIpOnLaunch,
  ];
  if (off.some((it) => it?.Value === false)) return subnet;
  throw unsupportedParameter(name);
}

const usedAddresses =
  ({ records }: Ec2Context) =>
  (subnet: SubnetRecord) =>
    records
      .interfacesIn(subnet.vpcId)
      .filter((it) => it.subnetId === subnet.id)
      .reduce((sum, it) => sum + reachedAt(it).length, 0);
