import type { ResourceType } from "@aws-sdk/client-ec2";
import type { Entry } from "#store/store.ts";
import {
  allocationNotFound,
  dhcpOptionsNotFound,
  exportTaskNotFound,
  imageNotFound,
  importTaskNotFound,
  instanceNotFound,
  internetGatewayNotFound,
  keyPairIdNotFound,
  launchTemplateIdNotFound,
  natGatewayNotFound,
  networkAclNotFound,
  networkInterfaceNotFound,
  peeringNotFound,
  placementGroupNotFound,
  cidrReservationNotFound,
  prefixListNotFound,
  replaceRootVolumeTaskNotFound,
  resourceNotFound,
  routeTableNotFound,
  securityGroupNotFound,
  securityGroupRuleIdNotFound,
  snapshotNotFound,
  subnetNotFound,
  volumeNotFound,
  notPermitted,
  vpcEndpointNotFound,
  vpcNotFound,
} from "../errors.ts";
import type { Ec2Records, Kind, ResourceRecord } from "../records.ts";
import type { SecurityGroupRecord } from "../security-group/security-group.ts";
import type { Tags } from "./tag.ts";

/** Something that has an id and tags: a record of its own, or a part of one. */
export interface TaggedResource {
  readonly id: string;
  readonly type: ResourceType;
  readonly tags: Tags;
}

/** Where a resource's tags are kept. */
export interface TagPlace extends TaggedResource {
  readonly entry: Entry<ResourceRecord>;
  /** `record`, which may have changed since, with this resource's tags in it. */
  readonly withTags: (record: ResourceRecord, tags: Tags) => ResourceRecord;
}

interface Taggable {
  readonly kind: Kind;
  readonly type: ResourceType;
  readonly missing: (ids: readonly string[]) => Error;
}

const first = (missing: (id: string) => Error) => (ids: readonly string[]) => missing(ids[0] ?? "");

/** By an id's prefix. */
const taggable: Readonly<Record<string, Taggable>> = {
  acl: { kind: "network-acl", type: "network-acl", missing: networkAclNotFound },
  ami: { kind: "image", type: "image", missing: imageNotFound },
  dopt: { kind: "dhcp-options", type: "dhcp-options", missing: dhcpOptionsNotFound },
  eipalloc: { kind: "elastic-ip", type: "elastic-ip", missing: allocationNotFound },
  eni: { kind: "network-interface", type: "network-interface", missing: networkInterfaceNotFound },
  "export-ami": { kind: "export-task", type: "export-image-task", missing: exportTaskNotFound },
  i: { kind: "instance", type: "instance", missing: instanceNotFound },
  "import-ami": { kind: "import-task", type: "import-image-task", missing: importTaskNotFound },
  "import-snap": { kind: "import-task", type: "import-snapshot-task", missing: importTaskNotFound },
  igw: { kind: "internet-gateway", type: "internet-gateway", missing: internetGatewayNotFound },
  key: { kind: "key-pair", type: "key-pair", missing: first(keyPairIdNotFound) },
  lt: { kind: "launch-template", type: "launch-template", missing: launchTemplateIdNotFound },
  nat: { kind: "nat-gateway", type: "natgateway", missing: natGatewayNotFound },
  pcx: { kind: "vpc-peering-connection", type: "vpc-peering-connection", missing: peeringNotFound },
  pg: { kind: "placement-group", type: "placement-group", missing: first(placementGroupNotFound) },
  pl: { kind: "prefix-list", type: "prefix-list", missing: prefixListNotFound },
  replacevol: {
    kind: "replace-root-volume-task",
    type: "replace-root-volume-task",
    missing: replaceRootVolumeTaskNotFound,
  },
  rtb: { kind: "route-table", type: "route-table", missing: routeTableNotFound },
  scr: {
    kind: "subnet-cidr-reservation",
    type: "subnet-cidr-reservation",
    missing: first(cidrReservationNotFound),
  },
  sg: { kind: "security-group", type: "security-group", missing: securityGroupNotFound },
  snap: { kind: "snapshot", type: "snapshot", missing: snapshotNotFound },
  subnet: { kind: "subnet", type: "subnet", missing: subnetNotFound },
  vol: { kind: "volume", type: "volume", missing: volumeNotFound },
  vpc: { kind: "vpc", type: "vpc", missing: vpcNotFound },
  vpce: { kind: "vpc-endpoint", type: "vpc-endpoint", missing: vpcEndpointNotFound },
};

/** Throws the not-found error of the kind that the id's prefix names. */
export function tagPlace(id: string, records: Ec2Records): TagPlace {
  const prefix = id.slice(0, id.lastIndexOf("-"));
  if (prefix === "sgr") return rulePlace(id, records);
  const known = Object.hasOwn(taggable, prefix) ? taggable[prefix] : undefined;
  if (!known) throw resourceNotFound(id);
  const entry = records.entry(known.kind, id);
  if (!entry || !("tags" in entry.value)) throw known.missing([id]);
  if ("owner" in entry.value) throw notPermitted();
  const { tags } = entry.value;
  return { id, type: known.type, tags, entry, withTags: (record, to) => ({ ...record, tags: to }) };
}

function rulePlace(id: string, records: Ec2Records): TagPlace {
  const entry = records.groupOfRule(id);
  const rule = entry?.value.rules.find((it) => it.id === id);
  if (!entry || !rule) throw securityGroupRuleIdNotFound(id);
  return {
    id,
    type: "security-group-rule",
    tags: rule.tags ?? {},
    entry,
    withTags: (record, tags) => withRuleTags(record as SecurityGroupRecord, id, tags),
  };
}

const withRuleTags = (group: SecurityGroupRecord, id: string, tags: Tags): SecurityGroupRecord => ({
  ...group,
  rules: group.rules.map((rule) => (rule.id === id ? { ...rule, tags } : rule)),
});

/** Everything of the account that has or may have tags. */
export function taggedResources(records: Ec2Records): TaggedResource[] {
  const whole = Object.entries(taggable).flatMap(([prefix, { kind, type }]) =>
    records
      .all(kind)
      .flatMap((it) =>
        "tags" in it && it.id.startsWith(`${prefix}-`) ? [{ id: it.id, type, tags: it.tags }] : [],
      ),
  );
  const rules = records
    .all("security-group")
    .flatMap((group) => group.rules)
    .map(({ id, tags = {} }) => ({ id, type: "security-group-rule" as const, tags }));
  return [...whole, ...rules];
}
