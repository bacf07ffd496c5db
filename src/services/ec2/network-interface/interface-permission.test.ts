import assert from "node:assert/strict";
import { test } from "node:test";
import type { DescribeNetworkInterfacePermissionsCommandInput } from "@aws-sdk/client-ec2";
import { testImage, testRegion } from "#testing/region.ts";

const limit = { timeout: 60_000 };
const other = "444455556666";

test("a permission is granted once, told, and goes with its interface", limit, async (t) => {
  const { client, records } = await testRegion(t);
  const SubnetId = records.all("subnet")[0]?.id;
  const { NetworkInterface } = await client.createNetworkInterface({ SubnetId });
  const NetworkInterfaceId = NetworkInterface?.NetworkInterfaceId;
  const attach = { NetworkInterfaceId, AwsAccountId: other, Permission: "INSTANCE-ATTACH" as const };
  const { InterfacePermission: made } = await client.createNetworkInterfacePermission(attach);
  const id = made?.NetworkInterfacePermissionId ?? "";
  assert.match(id, /^eni-perm-[0-9a-f]{17}$/);
  assert.deepEqual(made, {
    NetworkInterfacePermissionId: id,
    NetworkInterfaceId,
    AwsAccountId: other,
    Permission: "INSTANCE-ATTACH",
    PermissionState: { State: "granted" },
  });
  await assert.rejects(client.createNetworkInterfacePermission(attach), {
    name: "InvalidPermission.Duplicate",
  });
  await client.createNetworkInterfacePermission({ ...attach, Permission: "EIP-ASSOCIATE" });
  const told = async (input: DescribeNetworkInterfacePermissionsCommandInput) => {
    const { NetworkInterfacePermissions = [] } = await client.describeNetworkInterfacePermissions(input);
    return new Set(NetworkInterfacePermissions.map(({ Permission }) => Permission));
  };
  assert.deepEqual(await told({}), new Set(["EIP-ASSOCIATE", "INSTANCE-ATTACH"]));
  assert.deepEqual(await told({ NetworkInterfacePermissionIds: [id] }), new Set(["INSTANCE-ATTACH"]));
  const filter = { Name: "network-interface-permission.permission", Values: ["EIP-ASSOCIATE"] };
  assert.deepEqual(await told({ Filters: [filter] }), new Set(["EIP-ASSOCIATE"]));

  await client.deleteNetworkInterfacePermission({ NetworkInterfacePermissionId: id });
  assert.deepEqual(await told({}), new Set(["EIP-ASSOCIATE"]));
  const gone = { name: "InvalidPermissionID.NotFound" };
  await assert.rejects(client.deleteNetworkInterfacePermission({ NetworkInterfacePermissionId: id }), gone);
  await assert.rejects(told({ NetworkInterfacePermissionIds: [id] }), gone);
  await client.deleteNetworkInterface({ NetworkInterfaceId });
  assert.deepEqual(await told({}), new Set([]));
});

test("what is no account, and a service, are refused", limit, async (t) => {
  const { client, records } = await testRegion(t);
  const SubnetId = records.all("subnet")[0]?.id;
  const { NetworkInterface } = await client.createNetworkInterface({ SubnetId });
  const grant = (input: object) =>
    client.createNetworkInterfacePermission({
      NetworkInterfaceId: NetworkInterface?.NetworkInterfaceId,
      Permission: "INSTANCE-ATTACH",
      ...input,
    });
  await assert.rejects(grant({}), { name: "MissingParameter" });
  await assert.rejects(grant({ AwsAccountId: "me" }), { name: "InvalidParameterValue" });
  await assert.rejects(grant({ AwsService: "ecs" }), { name: "UnsupportedOperation" });
  await assert.rejects(grant({ AwsAccountId: other, NetworkInterfaceId: "eni-0123456789abcdef0" }), {
    name: "InvalidNetworkInterfaceID.NotFound",
  });
});

test("a permission by which an interface is attached goes by force only", limit, async (t) => {
  const { client, accountId } = await testRegion(t);
  const { Instances: [instance] = [] } = await client.runInstances({
    ImageId: testImage.id,
    InstanceType: "t3.micro",
    MinCount: 1,
    MaxCount: 1,
  });
  const NetworkInterfaceId = instance?.NetworkInterfaces?.[0]?.NetworkInterfaceId;
  const grant = async (AwsAccountId: string) => {
    const { InterfacePermission } = await client.createNetworkInterfacePermission({
      NetworkInterfaceId,
      AwsAccountId,
      Permission: "INSTANCE-ATTACH",
    });
    return { NetworkInterfacePermissionId: InterfacePermission?.NetworkInterfacePermissionId };
  };
  const [ours, theirs] = [await grant(accountId), await grant(other)];
  await client.deleteNetworkInterfacePermission(theirs);
  await assert.rejects(client.deleteNetworkInterfacePermission(ours), { name: "OperationNotPermitted" });
  await client.deleteNetworkInterfacePermission({ ...ours, Force: true });
});
