import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { Instance, RunInstancesCommandInput } from "@aws-sdk/client-ec2";
import { answerImds } from "#guest/imds.ts";
import { sessionTokens } from "#guest/session-token.ts";
import type { SignIdentity } from "./identity-signature.ts";
import { testImage, testRegion } from "#testing/region.ts";

const limit = { timeout: 10_000 };

test("an instance's metadata is all of AWS's paths for what it has", limit, async (t) => {
  const { region, instance, metadata } = await launched(t, {
    InstanceType: "t3.micro",
    Placement: { GroupName: "racks" },
    KeyName: "me",
    Monitoring: { Enabled: true },
    MetadataOptions: { InstanceMetadataTags: "enabled" },
    TagSpecifications: [{ ResourceType: "instance", Tags: [{ Key: "Name", Value: "web" }] }],
    BlockDeviceMappings: [
      { DeviceName: "/dev/sdg", Ebs: { VolumeSize: 1 } },
      { DeviceName: "/dev/sdf", Ebs: { VolumeSize: 1 } },
    ],
    UserData: Buffer.from("#!/bin/sh\n").toString("base64"),
  });
  const [nic] = instance.NetworkInterfaces ?? [];
  const [group] = instance.SecurityGroups ?? [];
  const key = region.records.all("key-pair")[0]?.publicKey;
  const mac = (leaves: Record<string, unknown>) =>
    Object.fromEntries(
      Object.entries(leaves).map(([name, value]) => [
        `network/interfaces/macs/${nic?.MacAddress}/${name}`,
        value,
      ]),
    );
  const { tree } = metadata();
  const identity = {
    "identity-credentials/ec2/info": tree["identity-credentials/ec2/info"],
    "identity-credentials/ec2/security-credentials/ec2-instance":
      tree["identity-credentials/ec2/security-credentials/ec2-instance"],
  };
  const { LastUpdated, ...info } = JSON.parse(identity["identity-credentials/ec2/info"] ?? "");
  assert.match(LastUpdated, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  assert.deepEqual(info, { Code: "Success", AccountId: "111122223333" });
  assert.deepEqual(tree, {
    "ami-id": testImage.id,
    "ami-launch-index": "0",
    "ami-manifest-path": "(unknown)",
    "block-device-mapping/ami": "xvda",
    "block-device-mapping/ebs1": "sdf",
    "block-device-mapping/ebs2": "sdg",
    "block-device-mapping/root": "/dev/xvda",
    "events/maintenance/history": "[]",
    "events/maintenance/scheduled": "[]",
    "hibernation/configured": "false",
    hostname: instance.PrivateDnsName,
    ...identity,
    "instance-action": "none",
    "instance-id": instance.InstanceId,
    "instance-life-cycle": "on-demand",
    "instance-type": "t3.micro",
    "local-hostname": instance.PrivateDnsName,
    "local-ipv4": instance.PrivateIpAddress,
    mac: nic?.MacAddress,
    ...mac({
      "device-number": "0",
      "interface-id": nic?.NetworkInterfaceId,
      [`ipv4-associations/${instance.PublicIpAddress}`]: instance.PrivateIpAddress,
      "local-hostname": instance.PrivateDnsName,
      "local-ipv4s": instance.PrivateIpAddress,
      mac: nic?.MacAddress,
      "owner-id": "111122223333",
      "public-hostname": instance.PublicDnsName,
      "public-ipv4s": instance.PublicIpAddress,
      "security-group-ids": group?.GroupId,
      "security-groups": "default",
      "subnet-id": instance.SubnetId,
      "subnet-ipv4-cidr-block": region.records.get("subnet", instance.SubnetId ?? "")?.cidr,
      "vpc-id": instance.VpcId,
      "vpc-ipv4-cidr-block": "172.31.0.0/16",
      "vpc-ipv4-cidr-blocks": "172.31.0.0/16",
    }),
    "placement/availability-zone": instance.Placement?.AvailabilityZone,
    "placement/availability-zone-id": instance.Placement?.AvailabilityZoneId,
    "placement/group-name": "racks",
    "placement/partition-number": "1",
    "placement/region": "eu-central-1",
    profile: "default-hvm",
    "public-hostname": instance.PublicDnsName,
    "public-ipv4": instance.PublicIpAddress,
    "public-keys/0=me/openssh-key": key,
    "reservation-id": region.records.get("instance", instance.InstanceId ?? "")?.reservationId,
    "security-groups": "default",
    "services/domain": "amazonaws.com",
    "services/partition": "aws",
    system: "nitro",
    "tags/instance/Name": "web",
  });
  assert.deepEqual(Object.keys(metadata().dynamic).toSorted(), [
    "fws/instance-monitoring",
    "instance-identity/document",
    "instance-identity/pkcs7",
    "instance-identity/rsa2048",
    "instance-identity/signature",
  ]);
  assert.equal(metadata().dynamic["fws/instance-monitoring"], "enabled");
  assert.equal(metadata().userData, Buffer.from("#!/bin/sh\n").toString("base64"));
  assert.match(key ?? "", /^ssh-ed25519 \S+ me$/);
});

test("what an instance has none of is not there", limit, async (t) => {
  const { ask } = await launched(t);
  const absent = `iam iam/info iam/security-credentials/ spot/instance-action spot/termination-time
    events/recommendations/rebalance autoscaling/target-lifecycle-state placement/group-name placement/partition-number
    placement/host-id public-keys/ tags/ kernel-id ramdisk-id product-codes ancestor-ami-ids ipv6
    block-device-mapping/ebs1 managed-ssh-keys/signer-cert`;
  for (const path of absent.split(/\s+/)) assert.equal(ask(`meta-data/${path}`).status, 404, path);
  for (const path of ["user-data", "vendor-data"]) assert.equal(ask(path).status, 404, path);
  assert.equal(ask("meta-data/instance-id").status, 200);
});

test("the identity document says who the instance is, and comes signed", limit, async (t) => {
  const signed: string[] = [];
  const { region, instance, metadata } = await launched(t, {}, (document) => {
    signed.push(document);
    return { signature: `signature ${signed.length}`, pkcs7: `envelope ${signed.length}` };
  });
  const document = metadata().dynamic["instance-identity/document"] ?? "";
  assert.deepEqual(JSON.parse(document), {
    accountId: "111122223333",
    architecture: "x86_64",
    availabilityZone: instance.Placement?.AvailabilityZone,
    billingProducts: null,
    devpayProductCodes: null,
    imageId: testImage.id,
    instanceId: instance.InstanceId,
    instanceType: "m1.small",
    kernelId: null,
    marketplaceProductCodes: null,
    pendingTime: instance.LaunchTime?.toISOString().replace(/\.\d+Z$/, "Z"),
    privateIp: instance.PrivateIpAddress,
    ramdiskId: null,
    region: "eu-central-1",
    version: "2017-09-30",
  });
  const { length } = signed;
  assert.equal(signed.at(-1), document);
  assert.equal(metadata().dynamic["instance-identity/signature"], `signature ${length}`);
  assert.equal(metadata().dynamic["instance-identity/pkcs7"], `envelope ${length}`);
  assert.equal(metadata().dynamic["instance-identity/rsa2048"], `envelope ${length}`);

  // Another's launch tells the network anew, and signs nothing of the first instance's again.
  await region.client.runInstances({ ImageId: testImage.id, MinCount: 1, MaxCount: 1 });
  await region.until(() => [...region.guests.values()][0]?.interfaces.length === 2);
  assert.equal(signed.slice(length).includes(document), false);
});

test(
  "an instance keeps the key it was launched with, also when its name becomes another's",
  limit,
  async (t) => {
    const { region, metadata } = await launched(t, { KeyName: "me" });
    const mine = metadata().tree["public-keys/0=me/openssh-key"];
    await region.client.deleteKeyPair({ KeyName: "me" });
    await region.client.createKeyPair({ KeyName: "me" });
    await region.client.runInstances({ ImageId: testImage.id, MinCount: 1, MaxCount: 1 });
    await region.until(() => [...region.guests.values()][0]?.interfaces.length === 2);
    assert.match(mine ?? "", /^ssh-ed25519 /);
    assert.equal(metadata().tree["public-keys/0=me/openssh-key"], mine);
  },
);

/** One that runs, in a region that has a key pair "me" and a placement group "racks". */
async function launched(
  t: TestContext,
  input: Partial<RunInstancesCommandInput> = {},
  signIdentity?: SignIdentity,
) {
  const region = await testRegion(t, signIdentity ? { signIdentity } : {});
  await region.client.createKeyPair({ KeyName: "me", KeyType: "ed25519" });
  await region.client.createPlacementGroup({ GroupName: "racks", Strategy: "partition", PartitionCount: 2 });
  const { Instances: [made] = [] } = await region.client.runInstances({
    ImageId: testImage.id,
    MinCount: 1,
    MaxCount: 1,
    ...input,
  });
  const id = made?.InstanceId ?? "";
  await region.until(() => region.records.get("instance", id)?.so.state === "running");
  const { Reservations } = await region.client.describeInstances({ InstanceIds: [id] });
  const instance: Instance = Reservations?.[0]?.Instances?.[0] ?? {};
  const nic = () =>
    region.guests
      .get(instance.VpcId ?? "")
      ?.interfaces.find((it) => it.id === instance.NetworkInterfaces?.[0]?.NetworkInterfaceId);
  const guest = () => {
    const found = nic();
    assert.ok(found, "the guest program knows its interface");
    return found;
  };
  const tokens = sessionTokens(Date.now, () => "a key");
  return {
    region,
    instance,
    metadata: () => guest().metadata,
    ask: (path: string) =>
      answerImds({ method: "GET", url: `/latest/${path}`, headers: {} }, guest(), tokens),
  };
}
