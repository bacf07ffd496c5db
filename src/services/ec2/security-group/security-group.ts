import type { IpPermission, SecurityGroup } from "@aws-sdk/client-ec2";
import type { Transaction } from "#store/store.ts";
import type { Ec2Context } from "../context.ts";
import type { FilterTable } from "../filters.ts";
import type { ResourceRecord, Scope } from "../records.ts";
import { describeTags, type Tags } from "../tag/tag.ts";
import { describePeerGroup } from "./peer-group.ts";
import { hasPorts, type GroupRule, type RuleDraft } from "./security-group-rule.ts";

export interface SecurityGroupRecord extends ResourceRecord {
  readonly id: `sg-${string}`;
  readonly name: string;
  readonly description: string;
  readonly vpcId: `vpc-${string}`;
  readonly rules: readonly GroupRule[];
  /** Further VPCs whose interfaces may be in it; absent: none. */
  readonly associatedVpcs?: readonly `vpc-${string}`[];
}

export const securityGroupArn = (id: string, { region, accountId }: Scope) =>
  `arn:aws:ec2:${region}:${accountId}:security-group/${id}`;
/** Whether interfaces of a VPC may be in it. */
export const isUsableIn = ({ vpcId, associatedVpcs = [] }: SecurityGroupRecord, id: string): boolean =>
  vpcId === id || associatedVpcs.some((it) => it === id);
/** Names differ in more than case. */
export const groupNameClaim = (vpcId: string, name: string) =>
  `security-group-name/${vpcId}/${name.toLowerCase()}`;

/** A new group lets everything out and nothing in; the default group also lets its own members in. */
export function newSecurityGroup(
  group: { name: string; description: string; vpcId: `vpc-${string}`; tags: Tags },
  { records, newId, now }: Ec2Context,
): Required<Pick<Transaction, "expect" | "put">> & { record: SecurityGroupRecord } {
  const id = newId("sg");
  const all = { protocol: "-1", fromPort: -1, toPort: -1 } as const;
  const everyone: GroupRule = { id: newId("sgr"), egress: true, ...all, peer: { cidr: "0.0.0.0/0" } };
  const members: GroupRule = { id: newId("sgr"), egress: false, ...all, peer: { groupId: id } };
  const record: SecurityGroupRecord = {
    id,
    ...group,
    rules: group.name === "default" ? [members, everyone] : [everyone],
    createdAt: now().toISOString(),
  };
  const claim = records.key("claim", groupNameClaim(group.vpcId, group.name));
  return {
    record,
    expect: [{ absent: claim }],
    put: [
      { key: claim, value: id },
      { key: records.key("security-group", id), value: record },
      // The default group goes with its VPC; every other keeps it.
      ...(group.name === "default"
        ? []
        : [{ key: records.key("member", `${group.vpcId}/${id}`), value: null }]),
    ],
  };
}

export const describeSecurityGroup = (group: SecurityGroupRecord, context: GroupContext): SecurityGroup => ({
  GroupId: group.id,
  GroupName: group.name,
  Description: group.description,
  VpcId: group.vpcId,
  OwnerId: context.accountId,
  SecurityGroupArn: securityGroupArn(group.id, context),
  IpPermissions: describePermissions(
    group.rules.filter((rule) => !rule.egress),
    group,
    context,
  ),
  IpPermissionsEgress: describePermissions(
    group.rules.filter((rule) => rule.egress),
    group,
    context,
  ),
  Tags: describeTags(group.tags),
});

/** Rules with the same protocol and ports are one permission with several peers. */
export function describePermissions(
  rules: readonly RuleDraft[],
  { vpcId }: SecurityGroupRecord,
  context: Pick<Ec2Context, "accountId" | "records">,
): IpPermission[] {
  const alike = Map.groupBy(rules, ({ protocol, fromPort, toPort }) => `${protocol} ${fromPort} ${toPort}`);
  return [...alike.values()].map((same) => {
    const [first] = same;
    return {
      IpProtocol: first?.protocol,
      ...(first && hasPorts(first.protocol) && { FromPort: first.fromPort, ToPort: first.toPort }),
      IpRanges: same.flatMap(({ peer, description }) =>
        "cidr" in peer ? [{ CidrIp: peer.cidr, Description: description }] : [],
      ),
      Ipv6Ranges: same.flatMap(({ peer, description }) =>
        "cidrIpv6" in peer ? [{ CidrIpv6: peer.cidrIpv6, Description: description }] : [],
      ),
      UserIdGroupPairs: same.flatMap(({ peer, description }) =>
        "groupId" in peer ? [{ ...describePeerGroup(peer, vpcId, context), Description: description }] : [],
      ),
      PrefixListIds: same.flatMap(({ peer, description }) =>
        "prefixListId" in peer ? [{ PrefixListId: peer.prefixListId, Description: description }] : [],
      ),
    };
  });
}

export const securityGroupFilters = (context: SecurityGroupScope): FilterTable<SecurityGroupRecord> => ({
  description: (it) => it.description,
  "group-id": (it) => it.id,
  "group-name": (it) => it.name,
  "owner-id": () => context.accountId,
  "vpc-id": (it) => it.vpcId,
  ...permissionFilters("ip-permission", false, context),
  ...permissionFilters("egress.ip-permission", true, context),
});

type GroupContext = Pick<Ec2Context, "accountId" | "region" | "records">;
type SecurityGroupScope = Pick<Ec2Context, "accountId" | "records">;

function permissionFilters(
  prefix: string,
  egress: boolean,
  { accountId, records }: SecurityGroupScope,
): FilterTable<SecurityGroupRecord> {
  const each = (value: (rule: GroupRule) => string | undefined) => (it: SecurityGroupRecord) =>
    it.rules.filter((rule) => rule.egress === egress).map(value);
  return {
    [`${prefix}.cidr`]: each(({ peer }) => ("cidr" in peer ? peer.cidr : undefined)),
    [`${prefix}.from-port`]: each(({ fromPort }) => String(fromPort)),
    [`${prefix}.group-id`]: each(({ peer }) => ("groupId" in peer ? peer.groupId : undefined)),
    [`${prefix}.group-name`]: each(({ peer }) =>
      "groupId" in peer ? records.get("security-group", peer.groupId)?.name : undefined,
    ),
    [`${prefix}.ipv6-cidr`]: each(({ peer }) => ("cidrIpv6" in peer ? peer.cidrIpv6 : undefined)),
    [`${prefix}.prefix-list-id`]: each(({ peer }) =>
      "prefixListId" in peer ? peer.prefixListId : undefined,
    ),
    [`${prefix}.protocol`]: each(({ protocol }) => protocol),
    [`${prefix}.to-port`]: each(({ toPort }) => String(toPort)),
    [`${prefix}.user-id`]: each(({ peer }) => ("groupId" in peer ? accountId : undefined)),
  };
}
