import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { CreateNetworkInterfaceCommandInput, RunInstancesCommandInput } from "@aws-sdk/client-ec2";
import { testImage, testRegion, type TestRegionOptions } from "#testing/region.ts";
import { attachmentStatus } from "./network-interface.ts";

const limit = { timeout: 60_000 };
const noInstance = "i-0123456789abcdef0";

test(
  "an interface is attached to a running instance, which is plugged in, and detached again with its elastic address",
  limit,
  async (t) => {
    const region = await withInstance(t);
    const { client, networks, machines, guests, instanceId, vpcId, create, attach, shown, until } = region;
    const id = await create({ Description: "second" });
    const { AllocationId, PublicIp } = await client.allocateAddress({});
    await client.associateAddress({ AllocationId, NetworkInterfaceId: id });

    const { AttachmentId, NetworkCardIndex } = await attach(id);
    assert.equal(NetworkCardIndex, 0);
    await until(() => region.statusOf(id) === "attached");
    assert.deepEqual(portsOf(machines, instanceId)[1], id);
    assert.ok(networks.elements(vpcId).has(`interface/${id}`));
    const nic = await shown(id);
    assert.deepEqual(
      [nic?.Status, nic?.Attachment?.AttachmentId, nic?.Attachment?.DeviceIndex, nic?.Attachment?.Status],
      ["in-use", AttachmentId, 1, "attached"],
    );
    assert.equal(nic?.Attachment?.DeleteOnTermination, false);
    const { Reservations: [reservation] = [] } = await client.describeInstances({});
    assert.deepEqual(
      reservation?.Instances?.[0]?.NetworkInterfaces?.map((it) => [
        it.Attachment?.DeviceIndex,
        it.Attachment?.Status,
        it.Status,
      ]),
      [
        [0, "attached", "in-use"],
        [1, "attached", "in-use"],
      ],
    );
    const metadata = () => {
      const trees = guests.get(vpcId)?.interfaces.map((it) => it.metadata.tree) ?? [];
      return trees.map((tree) => tree[`network/interfaces/macs/${nic?.MacAddress}/device-number`]);
    };
    assert.deepEqual(metadata(), ["1", "1"]);

    await client.detachNetworkInterface({ AttachmentId });
    await until(() => region.statusOf(id) === undefined);
    assert.deepEqual(portsOf(machines, instanceId).length, 1);
    assert.equal(networks.elements(vpcId).has(`interface/${id}`), false);
    while (metadata().join() !== "") await sleep(5);
    const free = await shown(id);
    assert.deepEqual(
      [free?.Status, free?.Attachment, free?.Association?.PublicIp],
      ["available", undefined, PublicIp],
    );
    await assert.rejects(client.detachNetworkInterface({ AttachmentId }), {
      name: "InvalidAttachmentID.NotFound",
    });
    await attach(id);
    await until(() => region.statusOf(id) === "attached");
  },
);

test(
  "a stopped instance is attached to at once, starts with both interfaces and without a public address, and is detached from at once",
  limit,
  async (t) => {
    const region = await withInstance(t);
    const { client, machines, records, instanceId, create, attach, until } = region;
    const stateIs = (state: string) => until(() => records.get("instance", instanceId)?.so.state === state);
    await client.stopInstances({ InstanceIds: [instanceId] });
    await stateIs("stopped");
    const id = await create();
    const { AttachmentId } = await attach(id);
    await until(() => region.statusOf(id) === "attached");
    await client.startInstances({ InstanceIds: [instanceId] });
    await stateIs("running");
    assert.equal(portsOf(machines, instanceId)[1], id);
    assert.deepEqual(records.all("public-address"), []);
    await client.stopInstances({ InstanceIds: [instanceId] });
    await stateIs("stopped");
    await client.detachNetworkInterface({ AttachmentId });
    await until(() => region.statusOf(id) === undefined);
    await client.startInstances({ InstanceIds: [instanceId] });
    await stateIs("running");
    assert.equal(portsOf(machines, instanceId).length, 1);
    assert.equal(records.all("public-address").length, 1);
  },
);

test(
  "an interface that its guest does not let go of stays on its way, until it is forced or the instance is stopped",
  limit,
  async (t) => {
    const region = await withInstance(t, { listens: false });
    const { client, machines, records, instanceId, create, attach, until } = region;
    const detaching = async () => {
      const id = await create();
      const { AttachmentId } = await attach(id);
      await until(() => region.statusOf(id) === "attached");
      await client.detachNetworkInterface({ AttachmentId });
      assert.equal(region.statusOf(id), "detaching");
      await assert.rejects(client.deleteNetworkInterface({ NetworkInterfaceId: id }), {
        name: "InvalidParameterValue",
      });
      return { id, AttachmentId };
    };
    const first = await detaching();
    await client.detachNetworkInterface({ AttachmentId: first.AttachmentId, Force: true });
    await until(() => region.statusOf(first.id) === undefined);
    assert.equal(portsOf(machines, instanceId).length, 1);
    const second = await detaching();
    await client.stopInstances({ InstanceIds: [instanceId], Force: true });
    await until(() => region.statusOf(second.id) === undefined);
    assert.equal(records.get("instance", instanceId)?.so.state, "stopped");
  },
);

test(
  "an interface that a guest never had, since it has not come up, is detached at once",
  limit,
  async (t) => {
    const region = await withInstance(t, { boots: false });
    const { client, machines, instanceId, create, attach, until } = region;
    for (const Force of [true, false]) {
      const id = await create();
      const { AttachmentId } = await attach(id);
      assert.equal(region.statusOf(id), "attaching");
      await client.detachNetworkInterface({ AttachmentId, Force });
      await until(() => region.statusOf(id) === undefined);
      assert.equal(portsOf(machines, instanceId).length, 1);
    }
  },
);

for (const [taker, verb] of [
  ["networks", "apply"],
  ["machines", "plug"],
] as const)
  test(
    `an interface is detached also when that is asked while its ${verb} is under way, by force or not`,
    limit,
    async (t) => {
      const region = await withInstance(t);
      const { client, machines, instanceId, create, attach, until } = region;
      for (const Force of [true, false]) {
        const id = await create();
        const driver = region[taker] as unknown as Record<string, (...args: unknown[]) => Promise<void>>;
        const real = driver[verb];
        assert.ok(real);
        const [reached, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
        driver[verb] = async (...args) => {
          await real(...args);
          reached.resolve();
          await gate.promise;
        };
        const { AttachmentId } = await attach(id);
        await reached.promise;
        await client.detachNetworkInterface({ AttachmentId, Force });
        driver[verb] = real;
        gate.resolve();
        await until(() => region.statusOf(id) === undefined);
        assert.equal(portsOf(machines, instanceId).length, 1);
      }
    },
  );

test(
  "several interfaces are launched with, new ones and one that was there; termination deletes those that it should",
  limit,
  async (t) => {
    const { client, records, machines, SubnetId, create, until, statusOf } = await withSubnet(t);
    const existing = await create({ PrivateIpAddress: "172.31.0.20" });
    const made = await client.createLaunchTemplate({
      LaunchTemplateName: "two",
      LaunchTemplateData: {
        NetworkInterfaces: [
          { DeviceIndex: 2, SubnetId, PrivateIpAddress: "172.31.0.9", Description: "third" },
          { DeviceIndex: 1, NetworkInterfaceId: existing },
          { DeviceIndex: 0, SubnetId, SecondaryPrivateIpAddressCount: 1 },
        ],
      },
    });
    const { Instances: [instance] = [] } = await client.runInstances({
      ...one,
      InstanceType: "t3.medium",
      LaunchTemplate: { LaunchTemplateId: made.LaunchTemplate?.LaunchTemplateId },
    });
    const id = instance?.InstanceId ?? "";
    const nics = instance?.NetworkInterfaces ?? [];
    assert.deepEqual(
      nics.map((it) => [it.Attachment?.DeviceIndex, it.PrivateIpAddresses?.length]),
      [
        [0, 2],
        [1, 1],
        [2, 1],
      ],
    );
    assert.deepEqual([nics[1]?.NetworkInterfaceId, nics[2]?.PrivateIpAddress], [existing, "172.31.0.9"]);
    assert.equal(instance?.PrivateIpAddress, nics[0]?.PrivateIpAddress);
    await until(() => records.get("instance", id)?.so.state === "running");
    assert.deepEqual(
      portsOf(machines, id),
      nics.map((it) => it.NetworkInterfaceId),
    );
    assert.deepEqual(records.all("public-address"), []);
    assert.equal(statusOf(existing), "attached");
    await client.terminateInstances({ InstanceIds: [id] });
    await until(() => records.get("instance", id)?.so.state === "terminated");
    assert.deepEqual(
      records.all("network-interface").map((it) => [it.id, it.attachment]),
      [[existing, undefined]],
    );
  },
);

test("an attached interface goes with its instance when that is asked of it", limit, async (t) => {
  const { client, records, instanceId, create, attach, until, statusOf } = await withInstance(t);
  const id = await create();
  const { AttachmentId } = await attach(id);
  await until(() => statusOf(id) === "attached");
  await client.modifyNetworkInterfaceAttribute({
    NetworkInterfaceId: id,
    Attachment: { AttachmentId, DeleteOnTermination: true },
  });
  await client.terminateInstances({ InstanceIds: [instanceId] });
  await until(() => records.get("instance", instanceId)?.so.state === "terminated");
  assert.deepEqual(records.all("network-interface"), []);
});

test("of two interfaces attached at one index at once, one is", limit, async (t) => {
  const { instanceId, create, attach } = await withInstance(t, {}, "t3.medium");
  const ids = await Promise.all([1, 2, 3].map(() => create()));
  const attempts = await Promise.allSettled(ids.map((id) => attach(id)));
  const lost = attempts.flatMap((it) => (it.status === "rejected" ? [(it.reason as Error).message] : []));
  const taken = `Instance '${instanceId}' already has an interface attached at device index '1'.`;
  assert.deepEqual(lost, [taken, taken]);
});

test(
  "a launch says where its interfaces go in one way, and with groups of their network",
  limit,
  async (t) => {
    const { client, SubnetId } = await withInstance(t);
    const { Vpc } = await client.createVpc({ CidrBlock: "10.9.0.0/16" });
    const { GroupId: elsewhere = "" } = await client.createSecurityGroup({
      GroupName: "elsewhere",
      Description: "of another VPC",
      VpcId: Vpc?.VpcId,
    });
    const combination = (message: string) => ({ name: "InvalidParameterCombination", message });
    const both = (what: string) =>
      combination(
        `Network interfaces and an instance-level ${what} may not be specified on the same request`,
      );
    const NetworkInterfaces = [{ DeviceIndex: 0, SubnetId }];
    const otherNetwork = {
      name: "InvalidParameter",
      message: `Security group ${elsewhere} and subnet ${SubnetId} belong to different networks.`,
    };
    const refusals: readonly [Partial<RunInstancesCommandInput>, object][] = [
      [{ NetworkInterfaces, SubnetId }, both("subnet ID")],
      [{ NetworkInterfaces, SecurityGroupIds: [elsewhere] }, both("security groups")],
      [{ NetworkInterfaces, PrivateIpAddress: "172.31.0.60" }, both("private IP address")],
      [
        { SubnetId, SecurityGroups: ["default"] },
        combination("The parameter groupName cannot be used with the parameter subnet"),
      ],
      [{ SubnetId, SecurityGroupIds: [elsewhere] }, otherNetwork],
    ];
    for (const [more, error] of refusals)
      await assert.rejects(client.runInstances({ ...one, ...more }), error);
    await assert.rejects(client.createNetworkInterface({ SubnetId, Groups: [elsewhere] }), otherNetwork);
  },
);

test("each refusal has AWS's code and sentence, and changes nothing", limit, async (t) => {
  const { client, store, records, instanceId, SubnetId, create, attach, until, statusOf } =
    await withInstance(t);
  const [second, third, crowded] = [
    await create(),
    await create(),
    await create({ SecondaryPrivateIpAddressCount: 2 }),
  ];
  const { Subnets = [] } = await client.describeSubnets({});
  const otherSubnet = Subnets.find((it) => it.SubnetId !== SubnetId)?.SubnetId ?? "";
  const elsewhere = await create({ SubnetId: otherSubnet });
  const at = (DeviceIndex: number, NetworkInterfaceId = second, InstanceId = instanceId, more = {}) =>
    client.attachNetworkInterface({ DeviceIndex, NetworkInterfaceId, InstanceId, ...more });
  const launch = (...NetworkInterfaces: NonNullable<RunInstancesCommandInput["NetworkInterfaces"]>) =>
    client.runInstances({ ...one, NetworkInterfaces });
  const primary = records.interfacesOf(instanceId)[0];
  const refused = async (attempts: readonly [() => Promise<unknown>, string, RegExp?][]) => {
    const before = (await store.list("")).revision;
    for (const [attempt, name, message = /./] of attempts)
      await assert.rejects(attempt, { name, message }, name);
    assert.equal((await store.list("")).revision, before);
  };
  await refused([
    [() => at(0), "InvalidParameterValue", /already has an interface attached at device index '0'\.$/],
    [() => at(-1), "InvalidParameterValue"],
    [() => at(1, "eni-0123456789abcdef0"), "InvalidNetworkInterfaceID.NotFound"],
    [() => at(1, second, noInstance), "InvalidInstanceID.NotFound"],
    [() => at(1, primary?.id), "InvalidNetworkInterface.InUse"],
    [() => at(1, elsewhere), "InvalidParameterCombination", /not in the same availability zone$/],
    [() => at(1, crowded), "PrivateIpAddressLimitExceeded"],
    [() => at(1, second, instanceId, { NetworkCardIndex: 1 }), "UnsupportedOperation"],
    [() => at(1, second, instanceId, { DryRun: true }), "DryRunOperation"],
    [
      () => client.detachNetworkInterface({ AttachmentId: primary?.attachment?.id }),
      "OperationNotPermitted",
      /^The network interface at device index 0 and networkCard index 0 cannot be detached\.$/,
    ],
    [
      () => client.detachNetworkInterface({ AttachmentId: "eni-attach-0123456789abcdef0" }),
      "InvalidAttachmentID.NotFound",
    ],
    [() => launch({ DeviceIndex: 1 }), "InvalidParameterValue"],
    [
      () => launch({ DeviceIndex: 0 }, { Description: "x" }),
      "InvalidParameterValue",
      /requires a device index/,
    ],
    [() => launch({ DeviceIndex: 0 }, { DeviceIndex: 0 }), "InvalidParameterValue", /unique/],
    [
      () => launch({ DeviceIndex: 0 }, { DeviceIndex: 1 }, { DeviceIndex: 2 }),
      "AttachmentLimitExceeded",
      /^Interface count 3 exceeds the limit for t3\.micro$/,
    ],
    [
      () => launch({ DeviceIndex: 0, AssociatePublicIpAddress: true }, { DeviceIndex: 1 }),
      "InvalidParameterCombination",
      /^The associatePublicIPAddress parameter cannot be specified when launching with multiple/,
    ],
    [
      () => launch({ DeviceIndex: 0, SubnetId }, { DeviceIndex: 1, SubnetId: otherSubnet }),
      "InvalidParameterCombination",
      /not in the same availability zone$/,
    ],
    [
      () =>
        launch(
          { DeviceIndex: 0, SubnetId, PrivateIpAddress: "172.31.0.50" },
          { DeviceIndex: 1, SubnetId, PrivateIpAddress: "172.31.0.50" },
        ),
      "InvalidIPAddress.InUse",
    ],
    [
      () =>
        launch(
          { DeviceIndex: 0, NetworkInterfaceId: second },
          { DeviceIndex: 1, NetworkInterfaceId: second },
        ),
      "InvalidNetworkInterface.InUse",
    ],
  ]);
  await attach(second);
  await until(() => statusOf(second) === "attached");
  await refused([
    [() => at(1, third), "InvalidParameterValue"],
    [() => at(2, third), "AttachmentLimitExceeded", /^Interface count 3 exceeds the limit for t3\.micro$/],
    [() => at(2, second), "InvalidNetworkInterface.InUse"],
  ]);
  await client.terminateInstances({ InstanceIds: [instanceId] });
  await until(() => records.get("instance", instanceId)?.so.state === "terminated");
  await assert.rejects(at(1, third), { name: "InvalidInstanceID" });
});

const one: RunInstancesCommandInput = {
  ImageId: testImage.id,
  InstanceType: "t3.micro",
  MinCount: 1,
  MaxCount: 1,
};

const portsOf = (machines: Awaited<ReturnType<typeof testRegion>>["machines"], id: string) =>
  machines.spec(id)?.ports.map((port) => port.id) ?? [];

async function withSubnet(t: TestContext, options: TestRegionOptions = {}) {
  const region = await testRegion(t, { boots: "at once", ...options });
  const { client, records } = region;
  const { Subnets: [subnet] = [] } = await client.describeSubnets({
    Filters: [{ Name: "cidr-block", Values: ["172.31.0.0/20"] }],
  });
  const SubnetId = subnet?.SubnetId ?? "";
  const create = async (more: Partial<CreateNetworkInterfaceCommandInput> = {}) =>
    (await client.createNetworkInterface({ SubnetId, ...more })).NetworkInterface?.NetworkInterfaceId ?? "";
  const shown = async (id: string) => {
    const { NetworkInterfaces: [nic] = [] } = await client.describeNetworkInterfaces({
      NetworkInterfaceIds: [id],
    });
    return nic;
  };
  const statusOf = (id: string) => {
    const nic = records.get("network-interface", id);
    return nic?.attachment && attachmentStatus(nic.attachment, nic.so);
  };
  return { ...region, SubnetId, create, shown, statusOf };
}

/** One that runs and has booted. */
async function withInstance(t: TestContext, options: TestRegionOptions = {}, type = one.InstanceType) {
  const region = await withSubnet(t, options);
  const { client, records, until } = region;
  const { Instances: [instance] = [] } = await client.runInstances({
    ...one,
    InstanceType: type,
    SubnetId: region.SubnetId,
  });
  const [instanceId, vpcId] = [instance?.InstanceId ?? "", instance?.VpcId ?? ""];
  await until(() => {
    const so = records.get("instance", instanceId)?.so;
    return options.boots === false ? so?.state === "running" : so?.booted === true;
  });
  const attach = (NetworkInterfaceId: string) =>
    client.attachNetworkInterface({ DeviceIndex: 1, InstanceId: instanceId, NetworkInterfaceId });
  return { ...region, instanceId, vpcId, attach };
}
