import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { RunInstancesCommandInput } from "@aws-sdk/client-ec2";
import { testImage, testRegion } from "#testing/region.ts";

const limit = { timeout: 60_000 };

test(
  "an instance is named by its address, and by its id where its subnet or its launch says so",
  limit,
  async (t) => {
    const { client, launch, shown, inGuests, SubnetId } = await withSubnet(t);
    const plain = await launch();
    assert.equal((await shown(plain))?.PrivateDnsName, "ip-172-31-0-10.eu-central-1.compute.internal");
    assert.deepEqual(await inGuests("172.31.0.10"), { hostName: "ip-172-31-0-10", foundBy: undefined });

    const chosen = await launch("172.31.0.11", {
      PrivateDnsNameOptions: { HostnameType: "resource-name", EnableResourceNameDnsARecord: true },
    });
    const name = `${chosen}.eu-central-1.compute.internal`;
    const told = await shown(chosen);
    assert.equal(told?.PrivateDnsName, name);
    assert.deepEqual(told.PrivateDnsNameOptions, {
      HostnameType: "resource-name",
      EnableResourceNameDnsARecord: true,
      EnableResourceNameDnsAAAARecord: false,
    });
    assert.deepEqual(await inGuests("172.31.0.11"), {
      hostName: chosen,
      foundBy: ["ip-172-31-0-11", chosen],
      metadata: [name, name],
    });
    const { Reservations } = await client.describeInstances({
      Filters: [
        { Name: "private-dns-name", Values: [name] },
        { Name: "private-dns-name-options.hostname-type", Values: ["resource-name"] },
      ],
    });
    assert.equal(Reservations?.length, 1);

    await client.modifySubnetAttribute({ SubnetId, PrivateDnsHostnameTypeOnLaunch: "resource-name" });
    const bySubnet = await launch("172.31.0.12");
    assert.deepEqual(await inGuests("172.31.0.12"), {
      hostName: bySubnet,
      foundBy: ["ip-172-31-0-12"],
      metadata: Array<string>(2).fill(`${bySubnet}.eu-central-1.compute.internal`),
    });
    assert.equal((await shown(plain))?.PrivateDnsNameOptions?.HostnameType, "ip-name");
    const against = await launch("172.31.0.13", { PrivateDnsNameOptions: { HostnameType: "ip-name" } });
    assert.match((await shown(against))?.PrivateDnsName ?? "", /^ip-172-31-0-13\./);
  },
);

test(
  "names change while the instance is stopped, and whether its id leads to it at any time",
  limit,
  async (t) => {
    const { client, launch, shown, inGuests, records, until } = await withSubnet(t);
    const InstanceId = await launch();
    const modify = (options: object) => client.modifyPrivateDnsNameOptions({ InstanceId, ...options });
    await assert.rejects(modify({ PrivateDnsHostnameType: "resource-name" }), {
      name: "IncorrectInstanceState",
      message: `The instance '${InstanceId}' is not in the 'stopped' state.`,
    });
    await assert.rejects(modify({ EnableResourceNameDnsAAAARecord: true }), { name: "UnsupportedOperation" });
    await modify({ EnableResourceNameDnsARecord: true });
    while ((await inGuests("172.31.0.10"))?.foundBy?.[1] !== InstanceId) await sleep(5);
    assert.equal((await inGuests("172.31.0.10"))?.hostName, "ip-172-31-0-10");
    await client.stopInstances({ InstanceIds: [InstanceId], Force: true });
    await until(() => records.get("instance", InstanceId)?.so.state === "stopped");
    await modify({ PrivateDnsHostnameType: "resource-name" });
    assert.equal((await shown(InstanceId))?.PrivateDnsName, `${InstanceId}.eu-central-1.compute.internal`);
    await modify({ PrivateDnsHostnameType: "ip-name", EnableResourceNameDnsARecord: false });
    assert.deepEqual((await shown(InstanceId))?.PrivateDnsNameOptions, {
      HostnameType: "ip-name",
      EnableResourceNameDnsARecord: false,
      EnableResourceNameDnsAAAARecord: false,
    });
    await assert.rejects(modify({ InstanceId: "i-01230123012301230" }), {
      name: "InvalidInstanceID.NotFound",
    });
  },
);

async function withSubnet(t: TestContext) {
  const region = await testRegion(t, { boots: "at once" });
  const { client, records, until, guests } = region;
  const subnet = records.all("subnet").find(({ cidr }) => cidr === "172.31.0.0/20");
  const SubnetId = subnet?.id ?? "";
  const launch = async (
    PrivateIpAddress = "172.31.0.10",
    more: Partial<RunInstancesCommandInput> = {},
  ): Promise<string> => {
    const { Instances: [instance] = [] } = await client.runInstances({
      ImageId: testImage.id,
      InstanceType: "t3.micro",
      MinCount: 1,
      MaxCount: 1,
      SubnetId,
      PrivateIpAddress,
      ...more,
    });
    const id = instance?.InstanceId ?? "";
    await until(() => records.get("instance", id)?.so.state === "running");
    return id;
  };
  const shown = async (id: string) => {
    const { Reservations = [] } = await client.describeInstances({ InstanceIds: [id] });
    return Reservations[0]?.Instances?.[0];
  };
  const inGuests = async (address: string) => {
    for (;;) {
      const it = guests.get(subnet?.vpcId ?? "")?.interfaces.find((one) => one.address === address);
      if (!it) {
        await sleep(5);
        continue;
      }
      const { hostName, foundBy, metadata } = it;
      const { hostname, [`network/interfaces/macs/${it.mac}/local-hostname`]: ofInterface } = metadata.tree;
      return {
        hostName,
        foundBy,
        ...(hostName !== "ip-172-31-0-10" && { metadata: [hostname, ofInterface] }),
      };
    }
  };
  return { ...region, SubnetId, launch, shown, inGuests };
}
