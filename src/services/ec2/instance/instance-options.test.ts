import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { RunInstancesCommandInput } from "@aws-sdk/client-ec2";
import { testHost, testImage, testRegion, type TestRegion } from "#testing/region.ts";
import { type InstanceHost, reconcileInstance } from "./instance-reconciler.ts";

const limit = { timeout: 10_000 };

test(
  "metadata options change while it runs, those not named stay, and the guest sees it",
  limit,
  async (t) => {
    const { region, id } = await launched(t, {
      MetadataOptions: { HttpPutResponseHopLimit: 3 },
      TagSpecifications: [{ ResourceType: "instance", Tags: [{ Key: "team", Value: "a" }] }],
    });
    const { InstanceMetadataOptions: options } = await region.client.modifyInstanceMetadataOptions({
      InstanceId: id,
      HttpTokens: "required",
      InstanceMetadataTags: "enabled",
    });
    assert.equal(options?.HttpTokens, "required");
    assert.equal(options?.HttpPutResponseHopLimit, 3);
    const guest = () => [...region.guests.values()][0]?.interfaces[0]?.metadata;
    await until(() => guest()?.tokens === "required");
    assert.equal(guest()?.tree["tags/instance/team"], "a");
    await region.client.modifyInstanceMetadataOptions({ InstanceId: id, HttpEndpoint: "disabled" });
    await until(() => guest()?.enabled === false);
    assert.equal((await describe(region, id))?.MetadataOptions?.HttpTokens, "required");
  },
);

test("metadata options that cannot be are refused", limit, async (t) => {
  const { region, id } = await launched(t);
  const modify = (options: { HttpPutResponseHopLimit?: number; HttpProtocolIpv6?: "enabled" }) =>
    region.client.modifyInstanceMetadataOptions({ InstanceId: id, ...options });
  await assert.rejects(modify({ HttpPutResponseHopLimit: 65 }), { name: "InvalidParameterValue" });
  await assert.rejects(modify({ HttpProtocolIpv6: "enabled" }), { name: "UnsupportedOperation" });
});

test("monitoring is said to be on its way, then on", limit, async (t) => {
  const { region, id } = await launched(t);
  const on = () => region.client.monitorInstances({ InstanceIds: [id] });
  const off = () => region.client.unmonitorInstances({ InstanceIds: [id] });
  const states = async (change: typeof on) =>
    (await change()).InstanceMonitorings?.map(({ Monitoring }) => Monitoring?.State);
  assert.deepEqual(await states(on), ["pending"]);
  assert.equal((await describe(region, id))?.Monitoring?.State, "enabled");
  assert.deepEqual(await states(on), ["enabled"]);
  assert.deepEqual(await states(off), ["disabling"]);
  assert.equal((await describe(region, id))?.Monitoring?.State, "disabled");
});

test("burstable instances have credits of their type unless another choice is made", limit, async (t) => {
  const { region, id } = await launched(t);
  const { id: old } = await launchedIn(region, { InstanceType: "t2.micro" });
  const credits = async (...InstanceIds: string[]) => {
    const { InstanceCreditSpecifications = [] } = await region.client.describeInstanceCreditSpecifications({
      InstanceIds,
    });
    return new Map(InstanceCreditSpecifications.map((it) => [it.InstanceId, it.CpuCredits]));
  };
  assert.deepEqual(
    await credits(id, old),
    new Map([
      [id, "unlimited"],
      [old, "standard"],
    ]),
  );
  assert.deepEqual(await credits(), new Map([[id, "unlimited"]]));
  await region.client.modifyInstanceCreditSpecification({
    InstanceCreditSpecifications: [{ InstanceId: id, CpuCredits: "standard" }],
  });
  assert.deepEqual(await credits(), new Map());
  assert.deepEqual(await credits(id), new Map([[id, "standard"]]));
});

test(
  "of several instances the credits of those that have them change, and the others say why not",
  limit,
  async (t) => {
    const { region, id } = await launched(t);
    const { id: fixed } = await launchedIn(region, { InstanceType: "m5.large" });
    const answer = await region.client.modifyInstanceCreditSpecification({
      InstanceCreditSpecifications: [id, fixed, "i-01230123012301230"].map((InstanceId) => ({
        InstanceId,
        CpuCredits: "standard",
      })),
    });
    assert.deepEqual(answer.SuccessfulInstanceCreditSpecifications, [{ InstanceId: id }]);
    assert.deepEqual(
      answer.UnsuccessfulInstanceCreditSpecifications?.map((it) => [it.InstanceId, it.Error?.Code]),
      [
        [fixed, "InstanceCreditSpecification.NotSupported"],
        ["i-01230123012301230", "InvalidInstanceID.NotFound"],
      ],
    );
    await assert.rejects(region.client.describeInstanceCreditSpecifications({ InstanceIds: [fixed] }), {
      name: "InstanceCreditSpecification.NotSupported",
    });
  },
);

test("a change of credits with a token happens once, and its answer stays the same", limit, async (t) => {
  const { region, id } = await launched(t);
  const modify = (CpuCredits: string, ClientToken?: string, InstanceId = id) =>
    region.client.modifyInstanceCreditSpecification({
      InstanceCreditSpecifications: [{ InstanceId, CpuCredits }],
      ...(ClientToken && { ClientToken }),
    });
  const credits = () => region.records.get("instance", id)?.cpuCredits;
  const claims = () => region.feed.list("claim/").filter(({ key }) => key.includes("CreditSpecification/"));

  const { $metadata: _, ...first } = await modify("standard", "one");
  await modify("unlimited");
  const { $metadata: __, ...again } = await modify("standard", "one");
  assert.deepEqual(again, first);
  assert.equal(credits(), "unlimited");
  await assert.rejects(modify("unlimited", "one"), { name: "IdempotentParameterMismatch" });

  await modify("standard", "two", "i-01230123012301230");
  assert.equal(claims().length, 1, "what changed nothing claims nothing");
  for (let n = 0; n < 25; n++) await modify("standard", `more-${n}`);
  assert.equal(claims().length, 20);

  await region.client.terminateInstances({ InstanceIds: [id] });
  await region.until(() => region.records.get("instance", id)?.so.state === "terminated");
  const anHourLater = () => new Date(Date.now() + 3_700_000);
  const host = { hostId: testHost.id, now: anHourLater } as InstanceHost;
  const outcome = await reconcileInstance(id, region.records, host);
  assert.ok(outcome.kind === "moved");
  await region.store.commit(outcome.transaction);
  await region.until(() => claims().length === 0);
});

test("a launch chooses credits, cores and recovery, where its type has them", limit, async (t) => {
  const { region, id } = await launched(t, {
    InstanceType: "t3.2xlarge",
    CreditSpecification: { CpuCredits: "standard" },
    CpuOptions: { CoreCount: 2, ThreadsPerCore: 1 },
    MaintenanceOptions: { AutoRecovery: "disabled" },
  });
  const instance = await describe(region, id);
  assert.deepEqual(instance?.CpuOptions, { CoreCount: 2, ThreadsPerCore: 1 });
  assert.deepEqual(topology(region, id), [2, 1]);
  assert.equal(instance?.MaintenanceOptions?.AutoRecovery, "disabled");
  for (const [wrong, name] of [
    [
      { InstanceType: "m5.large", CreditSpecification: { CpuCredits: "standard" } },
      "InvalidParameterCombination",
    ],
    [{ CreditSpecification: { CpuCredits: "plenty" } }, "InvalidParameterValue"],
    [{ CpuOptions: { CoreCount: 9, ThreadsPerCore: 1 } }, "InvalidParameterValue"],
    [{ CpuOptions: { CoreCount: 1, ThreadsPerCore: 3 } }, "InvalidParameterValue"],
    [{ CpuOptions: { CoreCount: 0, ThreadsPerCore: 2 } }, "InvalidParameterValue"],
    [{ InstanceType: "t2.micro", CpuOptions: { CoreCount: 1, ThreadsPerCore: 2 } }, "InvalidParameterValue"],
    [{ CpuOptions: { CoreCount: 1 } }, "InvalidParameterCombination"],
    [{ HibernationOptions: { Configured: true } }, "UnsupportedOperation"],
  ] satisfies [Partial<RunInstancesCommandInput>, string][])
    await assert.rejects(region.client.runInstances({ ...one, ...wrong }), { name });
});

test("the guest has its type's cores and threads, unless the launch chose others", limit, async (t) => {
  for (const [CpuOptions, described, cpus] of [
    [undefined, { CoreCount: 2, ThreadsPerCore: 2 }, [4, 2]],
    [{ CoreCount: 1, ThreadsPerCore: 2 }, { CoreCount: 1, ThreadsPerCore: 2 }, [2, 2]],
    [{ CoreCount: 2, ThreadsPerCore: 1 }, { CoreCount: 2, ThreadsPerCore: 1 }, [2, 1]],
  ] as const) {
    const { region, id } = await launched(t, { InstanceType: "t3.xlarge", CpuOptions });
    assert.deepEqual((await describe(region, id))?.CpuOptions, described);
    assert.deepEqual(topology(region, id), cpus);
  }
});

test("parameters that ask for nothing special are no reason to refuse a launch", limit, async (t) => {
  await launched(t, {
    CapacityReservationSpecification: { CapacityReservationPreference: "open" },
    HibernationOptions: { Configured: false },
    EnclaveOptions: { Enabled: false },
    PrivateDnsNameOptions: { HostnameType: "ip-name", EnableResourceNameDnsARecord: false },
  });
});

test("recovery and migration are chosen one by one", limit, async (t) => {
  const { region, id } = await launched(t);
  const answer = await region.client.modifyInstanceMaintenanceOptions({
    InstanceId: id,
    AutoRecovery: "disabled",
  });
  assert.deepEqual([answer.AutoRecovery, answer.RebootMigration], ["disabled", "default"]);
  await region.client.modifyInstanceMaintenanceOptions({ InstanceId: id, RebootMigration: "disabled" });
  assert.deepEqual((await describe(region, id))?.MaintenanceOptions, {
    AutoRecovery: "disabled",
    RebootMigration: "disabled",
  });
});

test("a Linux instance has no password", limit, async (t) => {
  const { region, id } = await launched(t);
  const { PasswordData, InstanceId } = await region.client.getPasswordData({ InstanceId: id });
  assert.deepEqual([InstanceId, PasswordData], [id, ""]);
  await assert.rejects(region.client.getPasswordData({ InstanceId: "i-01230123012301230" }), {
    name: "InvalidInstanceID.NotFound",
  });
});

const one = { ImageId: testImage.id, InstanceType: "t3.micro", MinCount: 1, MaxCount: 1 } as const;

async function launched(t: TestContext, input: Partial<RunInstancesCommandInput> = {}) {
  return launchedIn(await testRegion(t), input);
}

async function launchedIn(region: TestRegion, input: Partial<RunInstancesCommandInput> = {}) {
  const { Instances: [instance] = [] } = await region.client.runInstances({ ...one, ...input });
  const id = instance?.InstanceId ?? "";
  await region.until(() => region.records.get("instance", id)?.so.state === "running");
  return { region, id };
}

/** For what is seen outside the store, some time after it. */
async function until(holds: () => boolean) {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}

async function describe({ client }: TestRegion, id: string) {
  const { Reservations = [] } = await client.describeInstances({ InstanceIds: [id] });
  return Reservations[0]?.Instances?.[0];
}

function topology({ machines }: TestRegion, id: string) {
  const { cpus, threadsPerCore } = machines.spec(id) ?? {};
  return [cpus, threadsPerCore];
}
