import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type {
  NetworkElement,
  RouteElement,
  SubnetElement,
  TrafficRule,
} from "#drivers/network/network-driver.ts";
import { startFeed } from "#store/feed.ts";
import { openMemoryStore } from "#store/sqlite/memory-store.ts";
import type { InternetGatewayRecord } from "../internet-gateway/internet-gateway.ts";
import type { NatGatewayRecord } from "../nat-gateway/nat-gateway.ts";
import type { NetworkAclRecord } from "../network-acl/network-acl.ts";
import type { InterfaceAttachment, NetworkInterfaceRecord } from "../network-interface/network-interface.ts";
import type { PublicAddressRecord } from "../network-interface/public-address.ts";
import { Ec2Records, ec2Indexes, type Kind, type Kinds } from "../records.ts";
import type { RouteTableRecord } from "../route-table/route-table.ts";
import type { GroupRule } from "../security-group/security-group-rule.ts";
import type { SecurityGroupRecord } from "../security-group/security-group.ts";
import type { VpcPeeringRecord } from "../vpc-peering/vpc-peering.ts";
import { vpcNetwork } from "./vpc-network.ts";

const common = { tags: {}, createdAt: "2026-01-01T00:00:00.000Z" };
const vpcId = "vpc-1";
const vpc: Kinds["vpc"] = {
  id: vpcId,
  cidr: "10.0.0.0/16",
  cidrAssociationId: "vpc-cidr-assoc-1",
  dhcpOptionsId: "dopt-1",
  isDefault: false,
  ...common,
};
const subnet: Kinds["subnet"] = {
  id: "subnet-1",
  vpcId,
  cidr: "10.0.1.0/24",
  zone: "a",
  defaultForZone: false,
  publicAddressOnLaunch: false,
  ...common,
};
const group = (id: SecurityGroupRecord["id"], ...rules: Omit<GroupRule, "id">[]): SecurityGroupRecord => ({
  id,
  name: id,
  description: "",
  vpcId,
  rules: rules.map((rule, n) => ({ id: `sgr-${n}`, ...rule })),
  ...common,
});
const otherGroup: SecurityGroupRecord = { ...group("sg-other"), vpcId: "vpc-2" };
const nic = (n: number, more: Partial<NetworkInterfaceRecord> = {}): NetworkInterfaceRecord => ({
  id: `eni-${n}`,
  hostId: "here",
  vpcId,
  subnetId: subnet.id,
  zone: "a",
  description: "",
  mac: `02:01:00:00:00:0${n}`,
  address: `10.0.1.${n}`,
  groupIds: ["sg-web"],
  sourceDestCheck: true,
  publicAddressOnStart: false,
  attachment: attachedTo("i-here"),
  so: { ready: false },
  ...common,
  ...more,
});
const attachedTo = (instanceId: `i-${string}`, deleteOnTermination = true): InterfaceAttachment => ({
  id: "eni-attach-1",
  instanceId,
  deviceIndex: 0,
  attachedAt: common.createdAt,
  deleteOnTermination,
});
const { attachment: _, ...loose } = nic(6);
const publicAddress: PublicAddressRecord = { id: "198.18.0.9", interfaceId: "eni-5", ...common };

const otherVpc = (id: `vpc-${string}`, cidr: string): Kinds["vpc"] => ({ ...vpc, id, cidr });
const side = (of: string) => ({ vpcId: of, ownerId: "111122223333", region: "eu-central-1", cidrs: [] });
const peering = (
  id: VpcPeeringRecord["id"],
  other: string,
  state: VpcPeeringRecord["state"],
): VpcPeeringRecord => ({
  id,
  requester: side(other),
  accepter: side(vpcId),
  state,
  since: common.createdAt,
  ...common,
});
const gateway: InternetGatewayRecord = { id: "igw-1", vpcId, ...common };
const gatewayElsewhere: InternetGatewayRecord = { ...gateway, vpcId: "vpc-2" };
const natGateway: NatGatewayRecord = {
  id: "nat-1",
  vpcId,
  subnetId: subnet.id,
  zone: "a",
  connectivity: "public",
  interfaceId: "eni-6",
  ...common,
};
const natInterface: NetworkInterfaceRecord = {
  ...loose,
  natGatewayId: "nat-1",
  groupIds: [],
  sourceDestCheck: false,
};
const routeTable = (
  id: RouteTableRecord["id"],
  routes: RouteTableRecord["routes"],
  association: { main: true } | { subnetId: `subnet-${string}` },
): RouteTableRecord => ({
  id,
  vpcId,
  routes,
  associations: [{ id: `rtbassoc-${id}`, ...association }],
  ...common,
});
const natRoutes = [
  routeTable("rtb-main", [{ destination: "0.0.0.0/0", target: { natGatewayId: "nat-1" } }], { main: true }),
];
const acl: NetworkAclRecord = {
  id: "acl-1",
  vpcId,
  isDefault: true,
  entries: [
    { number: 90, egress: false, protocol: -1, allows: true, peer: { cidrIpv6: "::/0" } },
    {
      number: 100,
      egress: false,
      protocol: 6,
      ports: { from: 22, to: 22 },
      allows: false,
      peer: { cidr: "10.0.0.0/8" },
    },
    { number: 100, egress: true, protocol: -1, allows: true, peer: { cidr: "0.0.0.0/0" } },
  ],
  associations: [{ id: "aclassoc-1", subnetId: "subnet-1" }],
  ...common,
};
const inSubnet = (more: Partial<SubnetElement>): Record<string, NetworkElement> => ({
  "subnet/subnet-1": { kind: "subnet", id: "subnet-1", cidr: "10.0.1.0/24", ...more },
});
const route = (table: string, to: string, via: RouteElement["via"]): Record<string, NetworkElement> => ({
  [`route/${table}/${to}`]: { kind: "route", table, to, via },
});
const localTable = (id: string): Record<string, NetworkElement> => ({
  [`table/${id}`]: { kind: "table", id },
  ...route(id, "10.0.0.0/16", "network"),
});

const range = { "range/10.0.0.0/16": { kind: "range", cidr: "10.0.0.0/16" } } as const;
const theSubnet = { "subnet/subnet-1": { kind: "subnet", id: "subnet-1", cidr: "10.0.1.0/24" } } as const;
const emptyGroup = { "group/sg-web": { kind: "group", id: "sg-web", ingress: [], egress: [] } } as const;
const member = (n: number, of = "sg-web"): Record<string, NetworkElement> => ({
  [`member/${of}/10.0.1.${n}`]: { kind: "member", group: of, address: `10.0.1.${n}` },
});
const carried = (n: number, more: object = {}): Record<string, NetworkElement> => ({
  [`interface/eni-${n}`]: {
    kind: "interface",
    id: `eni-${n}`,
    subnet: "subnet-1",
    mac: `02:01:00:00:00:0${n}`,
    address: `10.0.1.${n}`,
    groups: ["sg-web"],
    sourceCheck: true,
    ...more,
  },
});

type Records = Partial<{ readonly [K in Kind]: readonly { readonly id: string }[] }>;
const base: Records = {
  vpc: [vpc],
  subnet: [subnet],
  "security-group": [group("sg-web")],
  instance: [instance("i-here", false)],
};
const elements = { ...range, ...theSubnet, ...emptyGroup };

const table: readonly [what: string, records: Records, network: Record<string, NetworkElement>][] = [
  ["no interface is no network", base, {}],
  [
    "an interface brings its VPC's ranges, subnets and groups",
    { ...base, "network-interface": [nic(5)] },
    { ...elements, ...member(5), ...carried(5) },
  ],
  [
    "interfaces of other hosts are members of their groups, and nothing more",
    { ...base, "network-interface": [nic(5), nic(6, { hostId: "there" })] },
    { ...elements, ...member(5), ...member(6), ...carried(5) },
  ],
  [
    "a VPC with interfaces on other hosts alone is no network here",
    { ...base, "network-interface": [nic(6, { hostId: "there" })] },
    {},
  ],
  [
    "interfaces and groups of other VPCs do not belong",
    {
      ...base,
      "security-group": [group("sg-web"), otherGroup],
      "network-interface": [nic(5), nic(6, { vpcId: "vpc-2" })],
    },
    { ...elements, ...member(5), ...carried(5) },
  ],
  [
    "a public address is its interface's way out",
    {
      ...base,
      "internet-gateway": [gateway],
      "network-interface": [nic(5), nic(6)],
      "public-address": [publicAddress],
    },
    {
      ...elements,
      ...member(5),
      ...member(6),
      ...carried(5, { publicAddress: "198.18.0.9" }),
      ...carried(6),
    },
  ],
  [
    "without an internet gateway a public address is none",
    { ...base, "network-interface": [nic(5)], "public-address": [publicAddress] },
    { ...elements, ...member(5), ...carried(5) },
  ],
  [
    "a subnet is routed by its VPC's main table, where every range of the VPC is local",
    { ...base, "network-interface": [nic(5)], "route-table": [routeTable("rtb-main", [], { main: true })] },
    {
      ...elements,
      ...inSubnet({ table: "rtb-main" }),
      ...localTable("rtb-main"),
      ...member(5),
      ...carried(5),
    },
  ],
  [
    "a subnet in a table of its own is routed by that",
    {
      ...base,
      "network-interface": [nic(5)],
      "internet-gateway": [gateway],
      "route-table": [
        routeTable("rtb-main", [], { main: true }),
        routeTable(
          "rtb-own",
          [
            { destination: "0.0.0.0/0", target: { internetGatewayId: "igw-1" } },
            { destination: "192.0.2.0/24", target: { networkInterfaceId: "eni-5" } },
          ],
          { subnetId: "subnet-1" },
        ),
      ],
    },
    {
      ...elements,
      ...inSubnet({ table: "rtb-own" }),
      ...localTable("rtb-main"),
      ...localTable("rtb-own"),
      ...route("rtb-own", "0.0.0.0/0", "outside"),
      ...route("rtb-own", "192.0.2.0/24", { interface: "eni-5", address: "10.0.1.5" }),
      ...member(5),
      ...carried(5),
    },
  ],
  [
    "a NAT gateway is behind its interface, and the target of routes",
    {
      ...base,
      "network-interface": [nic(5), natInterface],
      "nat-gateway": [natGateway],
      "route-table": natRoutes,
    },
    {
      ...elements,
      ...inSubnet({ table: "rtb-main" }),
      ...localTable("rtb-main"),
      ...route("rtb-main", "0.0.0.0/0", { interface: "eni-6", address: "10.0.1.6" }),
      ...member(5),
      ...carried(5),
      ...carried(6, { groups: [], sourceCheck: false, nat: true }),
    },
  ],
  [
    "a NAT gateway that is deleted is carried no more, and routes to it lead nowhere",
    {
      ...base,
      "network-interface": [nic(5), natInterface],
      "nat-gateway": [{ ...natGateway, deletedAt: common.createdAt }],
      "route-table": natRoutes,
    },
    {
      ...elements,
      ...inSubnet({ table: "rtb-main" }),
      ...localTable("rtb-main"),
      ...route("rtb-main", "0.0.0.0/0", "nowhere"),
      ...member(5),
      ...carried(5),
    },
  ],
  [
    "a route to a gateway that is not attached, or to an interface that nothing is behind, leads nowhere",
    {
      ...base,
      "network-interface": [nic(5), loose],
      "internet-gateway": [gatewayElsewhere],
      "route-table": [
        routeTable(
          "rtb-main",
          [
            { destination: "0.0.0.0/0", target: { internetGatewayId: "igw-1" } },
            { destination: "192.0.2.0/24", target: { networkInterfaceId: "eni-6" } },
          ],
          { main: true },
        ),
      ],
    },
    {
      ...elements,
      ...inSubnet({ table: "rtb-main" }),
      ...localTable("rtb-main"),
      ...route("rtb-main", "0.0.0.0/0", "nowhere"),
      ...route("rtb-main", "192.0.2.0/24", "nowhere"),
      ...member(5),
      ...carried(5),
    },
  ],
  [
    "an active peering is a link to the peer, and one that is not leads nowhere",
    {
      ...base,
      vpc: [vpc, otherVpc("vpc-2", "10.2.0.0/16"), otherVpc("vpc-3", "10.3.0.0/16")],
      "network-interface": [nic(5)],
      "vpc-peering-connection": [peering("pcx-2", "vpc-2", "active"), peering("pcx-3", "vpc-3", "deleted")],
      "route-table": [
        routeTable(
          "rtb-main",
          [
            { destination: "10.2.0.0/16", target: { vpcPeeringConnectionId: "pcx-2" } },
            { destination: "10.3.0.0/16", target: { vpcPeeringConnectionId: "pcx-3" } },
          ],
          { main: true },
        ),
      ],
    },
    {
      ...elements,
      ...inSubnet({ table: "rtb-main" }),
      "peering/pcx-2": { kind: "peering", id: "pcx-2", network: "vpc-2", ranges: ["10.2.0.0/16"] },
      ...localTable("rtb-main"),
      ...route("rtb-main", "10.2.0.0/16", { peering: "pcx-2" }),
      ...route("rtb-main", "10.3.0.0/16", "nowhere"),
      ...member(5),
      ...carried(5),
    },
  ],
  [
    "a network ACL filters the subnets it is associated with, IPv6 aside",
    { ...base, "network-interface": [nic(5)], "network-acl": [acl] },
    {
      ...elements,
      ...inSubnet({ filter: "acl-1" }),
      "filter/acl-1": {
        kind: "filter",
        id: "acl-1",
        ingress: [{ protocol: 6, ports: { from: 22, to: 22 }, peer: { cidr: "10.0.0.0/8" }, passes: false }],
        egress: [{ protocol: "any", peer: { cidr: "0.0.0.0/0" }, passes: true }],
      },
      ...member(5),
      ...carried(5),
    },
  ],
  [
    "an interface is a member of each of its groups",
    { ...base, "network-interface": [nic(5, { groupIds: ["sg-web", "sg-db"] })] },
    { ...elements, ...member(5), ...member(5, "sg-db"), ...carried(5, { groups: ["sg-web", "sg-db"] }) },
  ],
  [
    "source checks can be off",
    { ...base, "network-interface": [nic(5, { sourceDestCheck: false })] },
    { ...elements, ...member(5), ...carried(5, { sourceCheck: false }) },
  ],
  [
    "an interface's idle timeouts are its own",
    { ...base, "network-interface": [nic(5, { idleTimeouts: { udp: 45 } })] },
    { ...elements, ...member(5), ...carried(5, { idle: { udp: 45 } }) },
  ],
  [
    "an interface goes with its instance's record",
    { ...base, "network-interface": [nic(5), nic(6, { attachment: attachedTo("i-gone") })] },
    { ...elements, ...member(5), ...carried(5) },
  ],
  [
    "an interface goes once its instance's machine is gone for good",
    {
      ...base,
      instance: [instance("i-here", false), instance("i-1", true)],
      "network-interface": [nic(5), nic(6, { attachment: attachedTo("i-1") })],
    },
    { ...elements, ...member(5), ...carried(5) },
  ],
  [
    "an interface that outlives its instance is not carried",
    { ...base, "network-interface": [nic(5), nic(6, { attachment: attachedTo("i-gone", false) })] },
    { ...elements, ...member(5), ...carried(5) },
  ],
  [
    "an interface that is attached to nothing is not carried",
    { ...base, "network-interface": [nic(5), loose] },
    { ...elements, ...member(5), ...carried(5) },
  ],
  ["without its VPC's record there is no network", { subnet: [subnet], "network-interface": [nic(5)] }, {}],
];
for (const [what, records, network] of table)
  test(what, async (t) =>
    assert.deepEqual(Object.fromEntries(vpcNetwork(vpcId, "here", await recordsOf(t, records))), network),
  );

const rules: readonly [
  what: string,
  rule: Omit<GroupRule, "id" | "egress">,
  traffic: TrafficRule | undefined,
][] = [
  [
    "all traffic",
    { protocol: "-1", fromPort: -1, toPort: -1, peer: { cidr: "0.0.0.0/0" } },
    { protocol: "any", peer: { cidr: "0.0.0.0/0" } },
  ],
  [
    "a TCP port",
    { protocol: "tcp", fromPort: 22, toPort: 22, peer: { cidr: "10.0.0.0/8" } },
    { protocol: 6, ports: { from: 22, to: 22 }, peer: { cidr: "10.0.0.0/8" } },
  ],
  [
    "all UDP ports",
    { protocol: "udp", fromPort: 0, toPort: 65_535, peer: { cidr: "10.0.0.0/8" } },
    { protocol: 17, ports: { from: 0, to: 65_535 }, peer: { cidr: "10.0.0.0/8" } },
  ],
  [
    "an ICMP type, any code",
    { protocol: "icmp", fromPort: 8, toPort: -1, peer: { cidr: "10.0.0.0/8" } },
    { protocol: 1, ports: { from: 8, to: -1 }, peer: { cidr: "10.0.0.0/8" } },
  ],
  [
    "all of ICMP",
    { protocol: "icmp", fromPort: -1, toPort: -1, peer: { cidr: "10.0.0.0/8" } },
    { protocol: 1, peer: { cidr: "10.0.0.0/8" } },
  ],
  [
    "a numbered protocol",
    { protocol: "47", fromPort: -1, toPort: -1, peer: { cidr: "10.0.0.0/8" } },
    { protocol: 47, peer: { cidr: "10.0.0.0/8" } },
  ],
  [
    "the members of a group",
    { protocol: "tcp", fromPort: 80, toPort: 81, peer: { groupId: "sg-db" } },
    { protocol: 6, ports: { from: 80, to: 81 }, peer: { group: "sg-db" } },
  ],
  [
    "IPv6, which does not pass yet,",
    { protocol: "tcp", fromPort: 22, toPort: 22, peer: { cidrIpv6: "::/0" } },
    undefined,
  ],
];
for (const [what, rule, traffic] of rules)
  test(`a rule for ${what} ${traffic ? "reaches the kernel" : "says nothing to the kernel"} in its own direction`, async (t) => {
    for (const egress of [false, true]) {
      const records = await recordsOf(t, {
        ...base,
        "security-group": [group("sg-web", { egress, ...rule })],
        "network-interface": [nic(5)],
      });
      const element = vpcNetwork(vpcId, "here", records).get("group/sg-web");
      assert.ok(element?.kind === "group");
      const written = traffic ? [traffic] : [];
      assert.deepEqual([element.ingress, element.egress], egress ? [[], written] : [written, []]);
    }
  });

function instance(id: string, released: boolean) {
  return {
    id,
    hostId: "here",
    memoryMiB: 1024,
    wanted: { state: "terminated", generation: 2 },
    so: { generation: 1, state: "running", reboots: 0, released },
  };
}

async function recordsOf(t: TestContext, records: Records): Promise<Ec2Records> {
  const scope = { accountId: "111122223333", region: "eu-central-1" };
  const ending = new AbortController();
  const store = openMemoryStore();
  t.after(() => store.close());
  t.after(() => ending.abort());
  await store.commit({
    put: Object.entries(records).flatMap(([kind, values]) =>
      values.map((value) => ({ key: `${kind}/${scope.accountId}/${scope.region}/${value.id}`, value })),
    ),
  });
  const feed = await startFeed(store, ending.signal);
  return new Ec2Records(feed, scope, ec2Indexes(feed));
}
