import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import {
  DescribeInstancesCommand,
  DescribeInstanceStatusCommand,
  DescribeSubnetsCommand,
  RebootInstancesCommand,
  RunInstancesCommand,
  type RunInstancesCommandInput,
  StartInstancesCommand,
  StopInstancesCommand,
  TerminateInstancesCommand,
} from "@aws-sdk/client-ec2";
import { hostLease } from "#services/host/host.ts";
import { testHost, testImage, testRegion, type TestRegion, type TestRegionOptions } from "#testing/region.ts";
import { instanceState } from "./instance.ts";

const limit = { timeout: 10_000 };
const one = {
  ImageId: testImage.id,
  InstanceType: "t3.micro",
  MinCount: 1,
  MaxCount: 1,
} satisfies RunInstancesCommandInput;

test(
  "a launch whose members nobody set are empty text, as Packer writes them, is one without them",
  limit,
  async (t) => {
    const { client, records } = await testRegion(t);
    const { Instances: [instance] = [] } = await client.runInstances({
      ImageId: testImage.id,
      InstanceType: "t3.micro",
      MinCount: 1,
      MaxCount: 1,
      SubnetId: "",
      UserData: "",
      Placement: { AvailabilityZone: "" },
    });
    assert.equal(instance?.VpcId, records.claimed("default-vpc"));
  },
);

test("the first answer names the instance, its interface and its root volume", limit, async (t) => {
  const { client } = await testRegion(t);
  const { Instances: [instance] = [] } = await client.send(new RunInstancesCommand(one));
  assert.match(instance?.InstanceId ?? "", /^i-0[0-9a-f]{16}$/);
  assert.equal(instance?.State?.Name, "pending");
  assert.match(instance?.NetworkInterfaces?.[0]?.NetworkInterfaceId ?? "", /^eni-0[0-9a-f]{16}$/);
  assert.match(instance?.BlockDeviceMappings?.[0]?.Ebs?.VolumeId ?? "", /^vol-0[0-9a-f]{16}$/);
  assert.match(instance?.PrivateIpAddress ?? "", /^172\.31\./);
  assert.match(instance?.PublicIpAddress ?? "", /^198\.18\./);
});

test("an instance runs once its machine does, with its own disk and interface", limit, async (t) => {
  const { region, id } = await launched(t);
  const spec = region.machines.spec(id);
  const described = await describe(region, id);
  assert.equal(described?.State?.Name, "running");
  assert.equal(spec?.memoryMiB, 1024);
  assert.deepEqual(
    spec?.disks.map((disk) => disk.id),
    [described?.BlockDeviceMappings?.[0]?.Ebs?.VolumeId],
  );
  assert.deepEqual(
    spec?.ports.map(({ mac }) => mac),
    [described?.NetworkInterfaces?.[0]?.MacAddress],
  );
});

test("status checks pass once the guest has come up", limit, async (t) => {
  const { region, id } = await launched(t, {}, { boots: false });
  const check = async () => {
    const { InstanceStatuses = [] } = await region.client.send(
      new DescribeInstanceStatusCommand({ InstanceIds: [id] }),
    );
    return InstanceStatuses[0]?.InstanceStatus?.Status;
  };
  assert.equal(await check(), "initializing");
  region.machines.print(id, "login: ");
  await region.until(() => region.records.get("instance", id)?.so.booted === true);
  assert.equal(await check(), "ok");
});

test(
  "a guest that is up as soon as its machine is found is said to be so in the same write",
  limit,
  async (t) => {
    const { region, id } = await launched(t, {}, { boots: "at once", launchSlots: 1 });
    const { revision } = region.feed;
    assert.equal(region.records.get("instance", id)?.so.booted, true);
    assert.deepEqual(region.queue.launches, { starting: [], waiting: [] });
    await region.client.send(new RunInstancesCommand(one));
    // Its launch, its volume, its network, its state.
    await region.until(() => region.feed.revision === revision + 4);
    assert.equal(region.records.all("instance").filter(({ so }) => so.booted).length, 2);
  },
);

test(
  "stopping keeps the disk and gives the public address back; starting takes a new one",
  limit,
  async (t) => {
    const { region, id } = await launched(t);
    const before = await describe(region, id);
    await region.client.send(new StopInstancesCommand({ InstanceIds: [id] }));
    await state(region, id, "stopped");
    const stopped = await describe(region, id);
    assert.equal(stopped?.PublicIpAddress, undefined);
    assert.equal(stopped?.StateReason?.Code, "Client.UserInitiatedShutdown");
    assert.deepEqual(await region.disks.list(), [before?.BlockDeviceMappings?.[0]?.Ebs?.VolumeId]);
    await region.client.send(new StartInstancesCommand({ InstanceIds: [id] }));
    await state(region, id, "running");
    const after = await describe(region, id);
    assert.match(after?.PublicIpAddress ?? "", /^198\.18\./);
    assert.equal(after?.PrivateIpAddress, before?.PrivateIpAddress);
  },
);

test("terminating leaves nothing of it behind, and its record for an hour", limit, async (t) => {
  const { region, id } = await launched(t);
  await region.client.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
  await state(region, id, "terminated");
  assert.deepEqual(await region.machines.list(), []);
  assert.deepEqual(await region.disks.list(), []);
  assert.deepEqual([...(await region.networks.observe()).keys()], []);
  assert.equal(region.guests.size, 0);
  assert.deepEqual(region.records.all("network-interface"), []);
  assert.deepEqual(region.records.all("public-address"), []);
  const { Subnets = [] } = await region.client.send(new DescribeSubnetsCommand({}));
  assert.deepEqual(
    Subnets.map((subnet) => subnet.AvailableIpAddressCount),
    [4091, 4091, 4091],
  );
  assert.equal((await describe(region, id))?.State?.Name, "terminated");
});

test("a guest that powers off is stopped, and says so", limit, async (t) => {
  const { region, id } = await launched(t);
  region.machines.guestPowersOff(id);
  await state(region, id, "stopped");
  assert.equal((await describe(region, id))?.StateReason?.Code, "Client.InstanceInitiatedShutdown");
});

test("a guest that powers off is terminated where its instance was launched so", limit, async (t) => {
  const { region, id } = await launched(t, { InstanceInitiatedShutdownBehavior: "terminate" });
  region.machines.guestPowersOff(id);
  await state(region, id, "terminated");
  assert.deepEqual(await region.disks.list(), []);
});

test(
  "an instance whose process died is stopped with the reason, and can be started again",
  limit,
  async (t) => {
    const { region, id } = await launched(t);
    region.machines.kill(id);
    await state(region, id, "stopped");
    assert.match(
      (await describe(region, id))?.StateReason?.Message ?? "",
      /^Server\.InternalError: .*killed/,
    );
    await region.client.send(new StartInstancesCommand({ InstanceIds: [id] }));
    await state(region, id, "running");
  },
);

test("a reboot starts the guest again without the state ever leaving running", limit, async (t) => {
  const { region, id } = await launched(t);
  const seen = new Set<string>();
  region.feed.onChange(() => seen.add(stateOf(region, id)));
  await region.client.send(new RebootInstancesCommand({ InstanceIds: [id] }));
  await region.until(() => region.records.get("instance", id)?.so.reboots === 1);
  assert.deepEqual([...seen], ["running"]);
});

test("launches wait for their turn", limit, async (t) => {
  const region = await testRegion(t, { launchSlots: 2, boots: false });
  const { Instances = [] } = await region.client.send(
    new RunInstancesCommand({ ...one, MinCount: 3, MaxCount: 3 }),
  );
  const ids = Instances.map(({ InstanceId = "" }) => InstanceId);
  const running = () => ids.filter((id) => stateOf(region, id) === "running");
  await region.until(() => running().length === 2 && region.queue.launches.waiting.length === 1);
  region.machines.print(running()[0] ?? "", "login: ");
  await region.until(() => running().length === 3);
});

test("what does not fit the host's memory is refused and writes nothing", limit, async (t) => {
  const region = await testRegion(t, { memoryMiB: 1536 });
  await region.client.send(new RunInstancesCommand(one));
  await refused(region, one, "InsufficientInstanceCapacity");
  assert.equal(region.records.all("instance").length, 1);
  assert.equal(region.records.all("volume").length, 1);
});

test(
  "what the host really has no room for is refused, whatever was promised, until there is",
  limit,
  async (t) => {
    const region = await testRegion(t);
    const left = async (room: { memoryMiB: number; diskMiB: number }) => {
      const value = { ...testHost, room: { ...room, keptDiskMiB: 1024 } };
      const { revision } = await region.store.commit({
        put: [{ key: region.records.key("host", testHost.id), value }],
      });
      await region.feed.reached(revision);
    };
    const why = async (asked: RunInstancesCommandInput) => {
      const error: unknown = await region.client
        .send(new RunInstancesCommand(asked))
        .catch((it: unknown) => it);
      return error instanceof Error ? `${error.name}: ${error.message}` : "launched";
    };
    await left({ memoryMiB: 2047, diskMiB: 5000 });
    // Larger than the host in any case: it gets what there is.
    const { Instances: [large] = [] } = await region.client.send(
      new RunInstancesCommand({ ...one, InstanceType: "m5.8xlarge" }),
    );
    assert.equal(region.records.get("instance", large?.InstanceId ?? "")?.memoryMiB, 2047);
    assert.match(
      await why({ ...one, MinCount: 2, MaxCount: 2 }),
      /^InsufficientInstanceCapacity: .* 2048 MiB of memory are asked for, and the host really has 2047 MiB left\.$/,
    );
    assert.equal(await why(one), "launched");
    await left({ memoryMiB: 2047, diskMiB: 1023 });
    assert.match(await why(one), /disk has 1023 MiB left, and 1024 MiB of it are kept free/);
    await left({ memoryMiB: 2047, diskMiB: 1024 });
    assert.equal(await why(one), "launched");
    assert.equal(region.records.all("instance").length, 3);
  },
);

test("an instance larger than the host has what the host has, and that is recorded", limit, async (t) => {
  const region = await testRegion(t, { memoryMiB: 4096 });
  const { Instances: [instance] = [] } = await region.client.send(
    new RunInstancesCommand({ ...one, InstanceType: "m5.8xlarge" }),
  );
  const id = instance?.InstanceId ?? "";
  await region.until(() => stateOf(region, id) === "running");
  const { cpus, threadsPerCore, memoryMiB } = region.machines.spec(id) ?? {};
  assert.deepEqual([cpus, threadsPerCore, memoryMiB], [16, 2, 4096]);
  assert.deepEqual(region.records.get("instance", id)?.cappedFrom, { cpus: 32, memoryMiB: 131_072 });
  assert.deepEqual(instance?.CpuOptions, { CoreCount: 8, ThreadsPerCore: 2 });
  await refused(region, { ...one, InstanceType: "t3.nano" }, "InsufficientInstanceCapacity");
});

test("of two launches that race for the last memory one runs, the other says why not", limit, async (t) => {
  const region = await testRegion(t, { memoryMiB: 1536 });
  const both = await Promise.allSettled([1, 2].map(() => region.client.send(new RunInstancesCommand(one))));
  const settled = () => region.records.all("instance").every(({ so }) => so.generation === 1);
  await region.until(settled);
  const states = region.records.all("instance").map(({ id }) => stateOf(region, id));
  assert.equal(states.filter((it) => it === "running").length, 1);
  for (const it of both)
    if (it.status === "rejected") assert.equal(it.reason.name, "InsufficientInstanceCapacity");
  const refusedLater = region.records.all("instance").find(({ so }) => so.state !== "running");
  if (refusedLater) assert.equal(refusedLater.so.reason?.code, "Server.InsufficientInstanceCapacity");
});

test("nothing is placed on a host that is away", limit, async (t) => {
  const region = await testRegion(t);
  const { revision } = await region.store.commit({ delete: [`lease/${hostLease.name(testHost.id)}`] });
  await region.feed.reached(revision);
  await refused(region, one, "InsufficientInstanceCapacity");
});

test("the same client token launches once, and refuses another request", limit, async (t) => {
  const region = await testRegion(t);
  const again = { ...one, ClientToken: "token-1" };
  const first = await region.client.send(new RunInstancesCommand(again));
  const second = await region.client.send(new RunInstancesCommand(again));
  assert.equal(second.ReservationId, first.ReservationId);
  assert.equal(region.records.all("instance").length, 1);
  await refused(region, { ...again, InstanceType: "t3.small" }, "IdempotentParameterMismatch");
});

test("the client token of an instance that was terminated launches no other", limit, async (t) => {
  const region = await testRegion(t);
  const again = { ...one, ClientToken: "token-1" };
  const { Instances: [instance] = [] } = await region.client.runInstances(again);
  const id = instance?.InstanceId ?? "";
  await region.client.terminateInstances({ InstanceIds: [id], Force: true });
  await region.until(() => region.records.get("instance", id)?.so.state === "terminated");
  await refused(region, again, "IdempotentInstanceTerminated");
  await refused(region, { ...again, InstanceType: "t3.small" }, "IdempotentParameterMismatch");
  assert.equal(region.records.all("instance").length, 1);
});

test("of 30 launches at once no two get the same address", limit, async (t) => {
  const region = await testRegion(t);
  await Promise.all(Array.from({ length: 30 }, () => region.client.send(new RunInstancesCommand(one))));
  const nics = region.records.all("network-interface");
  assert.equal(new Set(nics.map(({ address }) => address)).size, 30);
  assert.equal(new Set(nics.map(({ id }) => region.records.publicAddressOf(id)?.id)).size, 30);
});

test("a dry run says what would happen and does nothing", limit, async (t) => {
  const region = await testRegion(t);
  await refused(region, { ...one, DryRun: true }, "DryRunOperation");
  assert.equal(region.records.all("instance").length, 0);
});

test("what makes no sense is refused in AWS's words", limit, async (t) => {
  const region = await testRegion(t);
  await refused(region, { ...one, ImageId: "ami-01230123012301230" }, "InvalidAMIID.NotFound");
  await refused(region, { ...one, InstanceType: "t4g.micro" }, "InvalidParameterValue");
  await refused(region, { ...one, KeyName: "nobody" }, "InvalidKeyPair.NotFound");
  await refused(region, { ...one, SubnetId: "subnet-01230123012301230" }, "InvalidSubnetID.NotFound");
  await refused(region, { ...one, SecurityGroupIds: ["sg-01230123012301230"] }, "InvalidGroup.NotFound");
  await refused(region, { ...one, MinCount: 2 }, "InvalidParameterValue");
  await refused(region, { ...one, UserData: "not base64!" }, "InvalidParameterValue");
  await refused(region, { ...one, PrivateIpAddress: "10.0.0.9" }, "InvalidParameterValue");
  await refused(region, { ...one, HibernationOptions: { Configured: true } }, "UnsupportedOperation");
});

test("protection from termination protects", limit, async (t) => {
  const { region, id } = await launched(t, { DisableApiTermination: true });
  await assert.rejects(region.client.send(new TerminateInstancesCommand({ InstanceIds: [id] })), {
    name: "OperationNotPermitted",
  });
  assert.equal(stateOf(region, id), "running");
});

test("one unknown id fails the whole call and changes nothing", limit, async (t) => {
  const { region, id } = await launched(t);
  const ids = [id, "i-00000000000000000"];
  await assert.rejects(region.client.send(new StopInstancesCommand({ InstanceIds: ids })), {
    name: "InvalidInstanceID.NotFound",
    message: "The instance ID 'i-00000000000000000' does not exist",
  });
  assert.equal(stateOf(region, id), "running");
});

async function launched(
  t: TestContext,
  input: Partial<RunInstancesCommandInput> = {},
  options: TestRegionOptions = {},
) {
  const region = await testRegion(t, options);
  const { Instances: [instance] = [] } = await region.client.send(
    new RunInstancesCommand({ ...one, ...input }),
  );
  const id = instance?.InstanceId ?? "";
  await state(region, id, "running");
  return { region, id };
}

function stateOf({ records }: TestRegion, id: string): string {
  const instance = records.get("instance", id);
  return instance ? instanceState(instance) : "gone";
}

const state = (region: TestRegion, id: string, wanted: string) =>
  region.until(() => stateOf(region, id) === wanted);

async function describe({ client }: TestRegion, id: string) {
  const { Reservations = [] } = await client.send(new DescribeInstancesCommand({ InstanceIds: [id] }));
  return Reservations[0]?.Instances?.[0];
}

const refused = ({ client }: TestRegion, input: RunInstancesCommandInput, name: string) =>
  assert.rejects(client.send(new RunInstancesCommand(input)), { name });
