import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { EC2, RunInstancesCommandInput } from "@aws-sdk/client-ec2";
import { testImage, testRegion } from "#testing/region.ts";

const limit = { timeout: 60_000 };
const clients = 32;
const anyone = [{ CidrIp: "0.0.0.0/0" }];
const launch: RunInstancesCommandInput = {
  ImageId: testImage.id,
  InstanceType: "t3.nano",
  MinCount: 1,
  MaxCount: 1,
};
const publicKey = Buffer.from(
  "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIKGuy2Lq0tZ7XgVQRy1Dz2NhXl+bJH6ZzW8Nf4s7rJX me",
);

test("a key name is won once, whether the key is made or imported", limit, async (t) => {
  const { client, records } = await testRegion(t);
  const { won, lost } = await race(client, (n) =>
    n % 2 === 0
      ? client.createKeyPair({ KeyName: "me", KeyType: "ed25519" })
      : client.importKeyPair({ KeyName: "me", PublicKeyMaterial: publicKey }),
  );
  assert.equal(won.length, 1);
  assert.deepEqual(
    won.map((it) => it.KeyPairId),
    records.all("key-pair").map(({ id }) => id),
  );
  assert.deepEqual(new Set(lost), new Set(["InvalidKeyPair.Duplicate"]));
});

test("a key name that is freed is won once again", limit, async (t) => {
  const { client, records } = await testRegion(t);
  await client.createKeyPair({ KeyName: "me", KeyType: "ed25519" });
  await race(client, (n) =>
    n % 2 === 0
      ? client.createKeyPair({ KeyName: "me", KeyType: "ed25519" })
      : client.deleteKeyPair({ KeyName: "me" }),
  );
  const [left, ...more] = records.all("key-pair");
  assert.deepEqual(more, []);
  assert.equal(records.claimed("key-name/me"), left?.id);
});

test("a group name is won once, however it is written", limit, async (t) => {
  const { client, records } = await testRegion(t);
  const { won, lost } = await race(client, (n) =>
    client.createSecurityGroup({ GroupName: n % 2 === 0 ? "web" : "WEB", Description: "the web" }),
  );
  assert.equal(won.length, 1);
  assert.deepEqual(new Set(lost), new Set(["InvalidGroup.Duplicate"]));
  assert.equal(records.all("security-group").length, 2);
});

test("a rule is added once, however it is written, and revoked once by its id", limit, async (t) => {
  const { client, GroupId } = await withGroup(t);
  const added = await race(client, (n) =>
    client.authorizeSecurityGroupIngress({
      GroupId,
      IpPermissions: [
        {
          IpProtocol: n % 2 === 0 ? "tcp" : "6",
          FromPort: 22,
          ToPort: 22,
          IpRanges: [{ CidrIp: `10.0.0.${n}/8` }],
        },
      ],
    }),
  );
  assert.equal(added.won.length, 1);
  assert.deepEqual(new Set(added.lost), new Set(["InvalidPermission.Duplicate"]));
  const SecurityGroupRuleIds = [added.won[0]?.SecurityGroupRules?.[0]?.SecurityGroupRuleId ?? ""];
  const revoked = await race(client, () =>
    client.revokeSecurityGroupIngress({ GroupId, SecurityGroupRuleIds }),
  );
  assert.equal(revoked.won.length, 1);
  assert.deepEqual(new Set(revoked.lost), new Set(["InvalidSecurityGroupRuleId.NotFound"]));
});

test("a group has no more than 60 rules, whoever adds them", limit, async (t) => {
  const { client, GroupId, records } = await withGroup(t);
  const open = (...ports: number[]) =>
    client.authorizeSecurityGroupIngress({
      GroupId,
      IpPermissions: ports.map((port) => ({
        IpProtocol: "tcp",
        FromPort: port,
        ToPort: port,
        IpRanges: anyone,
      })),
    });
  await open(...Array.from({ length: 50 }, (_, n) => n));
  const { won, lost } = await race(client, (n) => open(100 + n));
  assert.equal(won.length, 10);
  assert.deepEqual(new Set(lost), new Set(["RulesPerSecurityGroupLimitExceeded"]));
  assert.equal(records.get("security-group", GroupId)?.rules.filter((rule) => !rule.egress).length, 60);
});

test("a region has no more of anything than its quota, whoever makes it", limit, async (t) => {
  const { client, records } = await testRegion(t);
  const [vpc] = records.all("vpc");
  const [subnet] = records.all("subnet");
  const gateways = await race(client, () => client.createInternetGateway({}));
  assert.equal(records.all("internet-gateway").length, 5);
  assert.deepEqual(new Set(gateways.lost), new Set(["InternetGatewayLimitExceeded"]));
  const nats = await race(client, () =>
    client.createNatGateway({ SubnetId: subnet?.id ?? "", ConnectivityType: "private" }),
  );
  assert.equal(nats.won.length, 5);
  assert.deepEqual(new Set(nats.lost), new Set(["NatGatewayLimitExceeded"]));
  const endpoints = await race(client, () =>
    client.createVpcEndpoint({ VpcId: vpc?.id ?? "", ServiceName: "com.amazonaws.eu-central-1.s3" }),
  );
  assert.equal(endpoints.won.length, 20);
  assert.deepEqual(new Set(endpoints.lost), new Set(["VpcEndpointLimitExceeded"]));
  const vpcs = await race(client, () => client.createVpc({ CidrBlock: "10.0.0.0/16" }));
  assert.equal(vpcs.won.length, 4);
  assert.deepEqual(new Set(vpcs.lost), new Set(["VpcLimitExceeded"]));
});

test("a VPC has no more route tables and ACLs than its quota, whoever makes them", limit, async (t) => {
  const { client, records } = await testRegion(t);
  const VpcId = records.all("vpc")[0]?.id ?? "";
  for (let n = 0; n < 190; n++) {
    await client.createRouteTable({ VpcId });
    await client.createNetworkAcl({ VpcId });
  }
  const tables = await race(client, () => client.createRouteTable({ VpcId }));
  assert.equal(records.routeTablesIn(VpcId).length, 200);
  assert.deepEqual(new Set(tables.lost), new Set(["RouteTableLimitExceeded"]));
  const acls = await race(client, () => client.createNetworkAcl({ VpcId }));
  assert.equal(records.aclsIn(VpcId).length, 200);
  assert.deepEqual(new Set(acls.lost), new Set(["NetworkAclLimitExceeded"]));
});

test(
  "a group has no more than 60 rules, also while a list that it names is made larger",
  limit,
  async (t) => {
    const { client, GroupId, records } = await withGroup(t);
    const { PrefixList } = await client.createManagedPrefixList({
      PrefixListName: "offices",
      MaxEntries: 1,
      AddressFamily: "IPv4",
    });
    const PrefixListId = PrefixList?.PrefixListId ?? "";
    await race(client, (n): Promise<unknown> =>
      n % 2 === 0
        ? client.modifyManagedPrefixList({ PrefixListId, MaxEntries: 30 + n })
        : client.authorizeSecurityGroupIngress({
            GroupId,
            IpPermissions: [{ IpProtocol: "tcp", FromPort: n, ToPort: n, PrefixListIds: [{ PrefixListId }] }],
          }),
    );
    const rules = records.get("security-group", GroupId)?.rules.filter((rule) => !rule.egress) ?? [];
    assert.ok(rules.length * (records.get("prefix-list", PrefixListId)?.maxEntries ?? 0) <= 60);
  },
);

test("a resource has no more than 50 tags, whoever writes them", limit, async (t) => {
  const { client, GroupId, records } = await withGroup(t);
  const tag = (...keys: string[]) =>
    client.createTags({ Resources: [GroupId], Tags: keys.map((Key) => ({ Key, Value: "" })) });
  await tag(...Array.from({ length: 40 }, (_, n) => `before-${n}`));
  const { won, lost } = await race(client, (n) => tag(`after-${n}`));
  assert.equal(won.length, 10);
  assert.deepEqual(new Set(lost), new Set(["TagLimitExceeded"]));
  assert.equal(Object.keys(records.get("security-group", GroupId)?.tags ?? {}).length, 50);
});

test(
  "a client token launches once, and everyone who sent it is told of the same instance",
  limit,
  async (t) => {
    const { client, records } = await testRegion(t);
    const { won } = await race(client, () => client.runInstances({ ...launch, ClientToken: "once" }));
    assert.equal(won.length, clients);
    assert.deepEqual(
      [...new Set(won.map((it) => it.Instances?.[0]?.InstanceId))],
      records.all("instance").map(({ id }) => id),
    );
  },
);

test(
  "a client token with two requests launches the one that was first, and refuses the other",
  limit,
  async (t) => {
    const { client, records } = await testRegion(t);
    const { won, lost } = await race(client, (n) =>
      client.runInstances({
        ...launch,
        InstanceType: n % 2 === 0 ? "t3.nano" : "t3.micro",
        ClientToken: "once",
      }),
    );
    const [instance, ...more] = records.all("instance");
    assert.deepEqual(more, []);
    assert.deepEqual(new Set(won.map((it) => it.Instances?.[0]?.InstanceType)), new Set([instance?.type]));
    assert.equal(won.length, clients / 2);
    assert.deepEqual(new Set(lost), new Set(["IdempotentParameterMismatch"]));
  },
);

test("a private address is won once", limit, async (t) => {
  const { client, records } = await testRegion(t);
  const { won, lost } = await race(client, () =>
    client.runInstances({ ...launch, PrivateIpAddress: "172.31.0.77" }),
  );
  assert.equal(won.length, 1);
  assert.deepEqual(new Set(lost), new Set(["InvalidIPAddress.InUse"]));
  assert.equal(records.all("network-interface").length, 1);
});

test("no two instances get the same address, private, public or of the card", limit, async (t) => {
  const { client, records, until } = await testRegion(t, { launchSlots: clients });
  const { won } = await race(client, () => client.runInstances(launch));
  assert.equal(won.length, clients);
  await until(() => records.all("public-address").length === clients);
  const interfaces = records.all("network-interface");
  for (const value of ["address", "mac", "id"] as const)
    assert.equal(new Set(interfaces.map((it) => it[value])).size, clients, value);
  assert.equal(new Set(records.all("public-address").map(({ interfaceId }) => interfaceId)).size, clients);
});

/** What became of the same wish of many clients at once, connected already: answers, and the names of errors. */
async function race<Answer>(client: EC2, attempt: (n: number) => Promise<Answer>) {
  await Promise.all(Array.from({ length: clients }, () => client.describeRegions({})));
  const ends = await Promise.allSettled(Array.from({ length: clients }, (_, n) => attempt(n)));
  return {
    won: ends.flatMap((end) => (end.status === "fulfilled" ? [end.value] : [])),
    lost: ends.flatMap((end) => (end.status === "rejected" ? [nameOf(end.reason)] : [])),
  };
}

const nameOf = (error: unknown) => (error instanceof Error ? error.name : String(error));

async function withGroup(t: TestContext) {
  const region = await testRegion(t);
  const { GroupId = "" } = await newGroup(region.client);
  return { ...region, GroupId };
}

const newGroup = (client: EC2) => client.createSecurityGroup({ GroupName: "web", Description: "the web" });
