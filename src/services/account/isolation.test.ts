import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as sdk from "@aws-sdk/client-ec2";
import type { EC2 } from "@aws-sdk/client-ec2";
import { ec2Operations } from "#services/ec2/operations.ts";
import { testRegion, type TestRegion } from "#testing/region.ts";
import { shapeRow, structRow, type WireTable } from "#wire/table.ts";

const limit = { timeout: 180_000 };
const second = "222233334444";

test(
  "whatever an operation is asked of another account's, it answers as of what nobody has",
  limit,
  async (t) => {
    const region = await testRegion(t, { launchSlots: 8 });
    const other = await region.newAccount(second);
    await furnish(region.client, region);
    await furnish(other.client, region);
    const [theirs, own] = [idsOf(region, region.accountId), idsOf(region, second)];
    assert.ok(theirs.size > 25, `kinds: ${[...theirs.keys()].join()}`);
    const before = await recordsOf(region);

    let [told, apart] = [0, 0];
    for (const operation of Object.keys(ec2Operations))
      for (const { name, at } of placesFor(operation))
        for (const prefix of prefixesFor(name, operation)) {
          const [foreign, mine] = [theirs.get(prefix), own.get(prefix)];
          if (foreign === undefined || mine === undefined) continue;
          const nobodys = foreign.replace(/[0-9a-f]+$/, (digits) => "f".repeat(digits.length));
          const ask = (id: string) => answer(other.client, operation, at, id, own);
          const [ofForeign, ofNobodys, ofMine] = [await ask(foreign), await ask(nobodys), await ask(mine)];
          const what = `${operation} ${at.join(".")} ${foreign}`;
          assert.equal(ofForeign.replaceAll(foreign, "ID"), ofNobodys.replaceAll(nobodys, "ID"), what);
          for (const id of theirs.values()) assert.ok(id === foreign || !ofForeign.includes(id), what);
          told++;
          if (ofMine.replaceAll(mine, "ID") !== ofNobodys.replaceAll(nobodys, "ID")) apart++;
        }
    t.diagnostic(`${told} questions, of which ${apart} are answered otherwise of one's own`);
    assert.ok(apart > 150, `only ${apart} of ${told} questions tell one's own apart`);
    assert.deepEqual(await recordsOf(region), before);
  },
);

test("what is described without naming anything is the account's own", limit, async (t) => {
  const region = await testRegion(t, { launchSlots: 8 });
  const other = await region.newAccount(second);
  await furnish(region.client, region);
  const theirs = [...idsOf(region, region.accountId).values()];
  for (const operation of Object.keys(ec2Operations).filter((it) => it.startsWith("Describe"))) {
    const said = await answer(other.client, operation, [], "", new Map());
    for (const id of theirs) assert.ok(!said.includes(id), `${operation} tells of ${id}`);
  }
});

/** One of nearly everything that EC2 keeps. */
async function furnish(client: EC2, region: TestRegion): Promise<void> {
  const { Vpcs: [vpc] = [] } = await client.describeVpcs({});
  const { Subnets: [subnet] = [] } = await client.describeSubnets({});
  const VpcId = vpc?.VpcId;
  const SubnetId = subnet?.SubnetId ?? "";
  const further = (await client.createVpc({ CidrBlock: "10.9.0.0/16" })).Vpc?.VpcId;
  await client.createVpcPeeringConnection({ VpcId, PeerVpcId: further });
  const { InternetGateway: gateway } = await client.createInternetGateway({});
  await client.attachInternetGateway({ VpcId: further, InternetGatewayId: gateway?.InternetGatewayId });
  const { RouteTable: table } = await client.createRouteTable({ VpcId });
  await client.associateRouteTable({ RouteTableId: table?.RouteTableId, SubnetId });
  await client.createNetworkAcl({ VpcId });
  await client.createDhcpOptions({
    DhcpConfigurations: [{ Key: "domain-name", Values: ["example.com"] }],
  });
  await client.createVpcEndpoint({ VpcId, ServiceName: "com.amazonaws.eu-central-1.s3" });
  await client.createManagedPrefixList({
    PrefixListName: "one",
    AddressFamily: "IPv4",
    MaxEntries: 2,
  });
  await client.createSubnetCidrReservation({
    SubnetId,
    Cidr: subnet?.CidrBlock?.replace("0/20", "64/28"),
    ReservationType: "explicit",
  });
  const { GroupId } = await client.createSecurityGroup({ VpcId, GroupName: "one", Description: "one" });
  await client.authorizeSecurityGroupIngress({
    GroupId,
    IpProtocol: "tcp",
    FromPort: 22,
    ToPort: 22,
    CidrIp: "0.0.0.0/0",
  });
  await client.createKeyPair({ KeyName: "one" });
  await client.createPlacementGroup({ GroupName: "one", Strategy: "spread" });
  await client.createLaunchTemplate({
    LaunchTemplateName: "one",
    LaunchTemplateData: { InstanceType: "t3.nano" },
  });
  const { NetworkInterface: nic } = await client.createNetworkInterface({ SubnetId });
  const { AllocationId } = await client.allocateAddress({});
  await client.associateAddress({ AllocationId, NetworkInterfaceId: nic?.NetworkInterfaceId });
  const { AllocationId: ofGateway } = await client.allocateAddress({});
  await client.createNatGateway({ SubnetId, AllocationId: ofGateway });
  const { Images: [image] = [] } = await client.describeImages({});
  const { Instances: [instance] = [] } = await client.runInstances({
    ImageId: image?.ImageId,
    InstanceType: "t3.nano",
    KeyName: "one",
    MinCount: 1,
    MaxCount: 1,
  });
  const zone = instance?.Placement?.AvailabilityZone;
  const { VolumeId } = await client.createVolume({ AvailabilityZone: zone, Size: 1 });
  await becomes(region, "volume", VolumeId, ({ so }) => so.ready);
  await becomes(region, "instance", instance?.InstanceId, ({ so }) => so.state === "running");
  const { SnapshotId } = await client.createSnapshot({ VolumeId });
  await becomes(region, "snapshot", SnapshotId, ({ so }) => so.completedAt !== undefined);
  await client.registerImage({
    Name: "one",
    Architecture: "x86_64",
    VirtualizationType: "hvm",
    RootDeviceName: "/dev/sda1",
    BlockDeviceMappings: [{ DeviceName: "/dev/sda1", Ebs: { SnapshotId } }],
  });
}

// oxlint-disable-next-line typescript/no-explicit-any -- of any kind
const becomes = (region: TestRegion, kind: string, id: string | undefined, holds: (value: any) => boolean) =>
  region.until(() =>
    region.feed.list(`${kind}/`).some(({ key, value }) => key.endsWith(`/${id}`) && holds(value)),
  );

/** One id by each prefix, of what the account has and the other has not. */
function idsOf({ feed }: TestRegion, accountId: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const kind of kinds)
    for (const { key, value } of feed.list(`${kind}/`)) {
      if (key.split("/")[1] !== accountId || isEveryones(key)) continue;
      for (const [id, prefix = ""] of `${key} ${JSON.stringify(value)}`.matchAll(anId))
        if (!isEveryones(id) && !found.has(prefix)) found.set(prefix, id);
    }
  return found;
}
const kinds =
  `vpc subnet instance network-interface volume snapshot image key-pair dhcp-options elastic-ip internet-gateway
  launch-template nat-gateway network-acl placement-group prefix-list route-table security-group subnet-cidr-reservation
  vpc-endpoint vpc-peering-connection`.split(/\s+/);
const anId = /\b([a-z]+(?:-[a-z]+)*)-(?=[0-9a-f]{8})[0-9a-f]{8,17}\b/g;
/** Provided images, and AWS's prefix lists, whose ids are of eight digits. */
const isEveryones = (id: string): boolean => /(ami|snap)-0a{16}|pl-[0-9a-f]{8}\b/.test(id);

const recordsOf = async ({ store, accountId }: TestRegion) =>
  (await store.list("")).entries
    .filter(({ key }) => key.split("/")[1] === accountId)
    .map(({ key, revision }) => `${key} ${revision}`);

const wire: WireTable = JSON.parse(
  readFileSync(new URL("../../wire/generated/ec2.generated.json", import.meta.url), "utf8"),
);
const inputOf = (operation: string) => structRow(wire, wire.operations[operation]?.[0]);

interface Place {
  readonly name: string;
  /** The members that lead to it. */
  readonly at: readonly string[];
}

/** Where an id may stand in an operation's input. */
function placesFor(operation: string): Place[] {
  const under = (struct: ReturnType<typeof inputOf>, path: readonly string[]): Place[] =>
    struct[2].flatMap(([name, shape]): Place[] => {
      const at = [...path, name];
      const row = element(shape);
      if (row[0] === "string" || row[0] === "enum")
        return /(Id|Ids|ID|Resources)$/.test(name) ? [{ name, at }] : [];
      return row[0] === "struct" && at.length < 4 ? under(row, at) : [];
    });
  return under(inputOf(operation), []);
}

function element(shape: number) {
  const row = shapeRow(wire, shape);
  return row[0] === "list" ? shapeRow(wire, row[1]) : row;
}

/** By what a member's name ends with; of what has no prefix of its own, each that comes in question. */
const prefixes: readonly (readonly [RegExp, readonly string[]])[] = [
  [/InstanceIds?$/, ["i"]],
  [/VolumeIds?$/, ["vol"]],
  [/SnapshotIds?$/, ["snap"]],
  [/ImageIds?$/, ["ami"]],
  [/VpcIds?$/, ["vpc"]],
  [/SubnetIds?$/, ["subnet"]],
  [/(Security)?GroupIds?$/, ["sg", "pg"]],
  [/NetworkInterfaceIds?$/, ["eni"]],
  [/RouteTableIds?$/, ["rtb"]],
  [/InternetGatewayIds?$|^GatewayId$/, ["igw", "nat"]],
  [/NatGatewayIds?$/, ["nat"]],
  [/AllocationIds?$/, ["eipalloc"]],
  [/AssociationIds?$/, ["rtbassoc", "eipassoc", "aclassoc", "iip-assoc"]],
  [/AttachmentId$/, ["eni-attach"]],
  [/NetworkAclIds?$/, ["acl"]],
  [/DhcpOptionsIds?$/, ["dopt"]],
  [/PrefixListIds?$/, ["pl"]],
  [/LaunchTemplateIds?$/, ["lt"]],
  [/KeyPairIds?$/, ["key"]],
  [/PeeringConnectionIds?$/, ["pcx"]],
  [/VpcEndpointIds?$/, ["vpce"]],
  [/RuleIds?$/, ["sgr"]],
  [/ReservationIds?$/, ["scr"]],
  [/Resources$|ResourceIds?$/, ["vpc", "i", "vol", "ami", "snap", "sg", "sgr", "lt", "eipalloc", "pl"]],
];
const prefixesFor = (name: string, operation: string): readonly string[] => {
  if (/(PrivateIpAddress|Zone|Account|Owner|User|Region|Policy|Key)Ids?$/.test(name)) return [];
  const [, found = []] = prefixes.find(([pattern]) => pattern.test(name)) ?? [];
  return found.includes("pg") ? [operation.includes("Placement") ? "pg" : "sg"] : found;
};

/** What is told of `id` at that place of the operation's input, the rest of which is one's own. Nothing is changed. */
async function answer(
  client: EC2,
  operation: string,
  at: readonly string[],
  id: string,
  own: ReadonlyMap<string, string>,
): Promise<string> {
  const struct = inputOf(operation);
  const changes = struct[2].some(([name]) => name === "DryRun");
  const input = {
    ...filled(operation, struct, at, id, own),
    ...(changes && isWrite(operation) && { DryRun: true }),
  };
  if (isWrite(operation) && !changes) return "";
  const command = Reflect.get(sdk, `${operation}Command`);
  try {
    const { $metadata: _, ...output } = await client.send(new command(input));
    return JSON.stringify(output);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return `${error.name}: ${error.message}`;
  }
}

const isWrite = (operation: string): boolean => !/^(Describe|Get|Search|List)/.test(operation);

function filled(
  operation: string,
  struct: ReturnType<typeof inputOf>,
  at: readonly string[],
  id: string,
  own: ReadonlyMap<string, string>,
): Record<string, unknown> {
  const [, required, members] = struct;
  return Object.fromEntries(
    members.flatMap(([name, shape], n) => {
      const isThere = at[0] === name;
      if (!isThere && n >= required) return [];
      const row = shapeRow(wire, shape);
      const value = valueOf(
        operation,
        name,
        element(shape),
        isThere ? at.slice(1) : [],
        isThere ? id : "",
        own,
      );
      return [[name, row[0] === "list" ? [value] : value]];
    }),
  );
}

function valueOf(
  operation: string,
  name: string,
  row: ReturnType<typeof element>,
  at: readonly string[],
  id: string,
  own: ReadonlyMap<string, string>,
): unknown {
  if (row[0] === "struct") return filled(operation, row, at, id, own);
  if (id !== "") return id;
  if (row[0] === "enum") return row[1][0];
  if (row[0] === "integer" || row[0] === "float") return 1;
  if (row[0] === "boolean") return false;
  if (row[0] === "string") {
    const [prefix = ""] = prefixesFor(name, operation);
    return own.get(prefix) ?? plain[name] ?? "one";
  }
  return row[0] === "blob" ? Buffer.from("one") : new Date("2030-01-01T00:00:00Z");
}
const plain: Readonly<Record<string, string>> = { CidrBlock: "10.9.1.0/24", Device: "/dev/sdh" };
