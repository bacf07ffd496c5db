import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import {
  DLM,
  type CreateLifecyclePolicyRequest,
  type UpdateLifecyclePolicyRequest,
} from "@aws-sdk/client-dlm";
import { IAM } from "@aws-sdk/client-iam";
import { testImage, testRegion } from "#testing/region.ts";

const limit = { timeout: 60_000 };
const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

async function scene(t: TestContext) {
  let at = new Date();
  const region = await testRegion(t, { now: () => at });
  const { client, records, until } = region;
  const [dlm, iam] = [new DLM(region.clientConfig), new IAM(region.clientConfig)];
  t.after(() => [dlm, iam].forEach((it) => it.destroy()));
  const { Role } = await iam.createRole({
    RoleName: "lifecycle",
    AssumeRolePolicyDocument: JSON.stringify({
      Version: "2012-10-17",
      Statement: [{ Effect: "Allow", Principal: { Service: "dlm.amazonaws.com" }, Action: "sts:AssumeRole" }],
    }),
  });
  const wanted: CreateLifecyclePolicyRequest = {
    ExecutionRoleArn: Role?.Arn ?? "",
    Description: "default",
    State: "ENABLED",
  };
  const create = async (more: Partial<CreateLifecyclePolicyRequest>) =>
    (await dlm.createLifecyclePolicy({ ...wanted, ...more })).PolicyId ?? "";
  const later = async (PolicyId: string, ms: number) => {
    at = new Date(at.getTime() + ms);
    await dlm.updateLifecyclePolicy({ PolicyId, Description: "looked at" });
  };
  const volume = async (more: object = {}) => {
    const { VolumeId = "" } = await client.createVolume({
      AvailabilityZone: "eu-central-1a",
      Size: 1,
      ...more,
    });
    await until(() => records.get("volume", VolumeId)?.so.ready === true);
    return VolumeId;
  };
  /** The volumes whose snapshots a policy made, one for each snapshot that is there. */
  const made = (PolicyId: string, where = records) =>
    where
      .all("snapshot")
      .filter((it) => !it.deleting && it.tags["aws:dlm:lifecycle-policy-id"] === PolicyId)
      .map(({ of }) => ("volumeId" in of ? of.volumeId : ""))
      .toSorted();
  return { ...region, dlm, create, later, volume, made };
}
const tagged = (Key: string, Value: string) => ({
  TagSpecifications: [{ ResourceType: "volume" as const, Tags: [{ Key, Value }] }],
});

test(
  "a default policy says what it says in either place, has AWS's defaults, is changed, and there is one of each kind",
  limit,
  async (t) => {
    const { dlm, create } = await scene(t);
    const volumes = await create({ DefaultPolicy: "VOLUME" });
    const policy = async (PolicyId: string) => (await dlm.getLifecyclePolicy({ PolicyId })).Policy;
    assert.deepEqual((await policy(volumes))?.PolicyDetails, {
      PolicyLanguage: "SIMPLIFIED",
      PolicyType: "EBS_SNAPSHOT_MANAGEMENT",
      ResourceType: "VOLUME",
      CreateInterval: 1,
      RetainInterval: 7,
      CopyTags: false,
      ExtendDeletion: false,
    });
    const one = { name: "LimitExceededException" };
    await assert.rejects(create({ DefaultPolicy: "VOLUME" }), one);
    const instances = await create({
      PolicyDetails: {
        PolicyLanguage: "SIMPLIFIED",
        ResourceType: "INSTANCE",
        CreateInterval: 2,
        CopyTags: true,
      },
    });
    const found = async (DefaultPolicyType: "VOLUME" | "INSTANCE" | "ALL") =>
      (await dlm.getLifecyclePolicies({ DefaultPolicyType })).Policies?.map((it) => [
        it.PolicyId,
        it.DefaultPolicy,
      ]);
    assert.deepEqual(await found("INSTANCE"), [[instances, true]]);
    assert.equal((await found("ALL"))?.length, 2);
    await dlm.updateLifecyclePolicy({ PolicyId: instances, RetainInterval: 14 });
    const { PolicyDetails: after } = (await policy(instances)) ?? {};
    assert.deepEqual([after?.CreateInterval, after?.RetainInterval, after?.CopyTags], [2, 14, true]);
    await dlm.deleteLifecyclePolicy({ PolicyId: volumes });
    await create({ DefaultPolicy: "VOLUME" });
  },
);

test("a default policy that cannot be is refused, and nothing is written", limit, async (t) => {
  const { dlm, create, records } = await scene(t);
  const refused = { name: "InvalidRequestException" };
  const custom = {
    ResourceTypes: ["VOLUME" as const],
    TargetTags: [{ Key: "a", Value: "b" }],
    Schedules: [{ CreateRule: { Interval: 24 }, RetainRule: { Count: 1 } }],
  };
  for (const more of [
    {},
    { DefaultPolicy: "VOLUME" as const, CreateInterval: 8 },
    { DefaultPolicy: "VOLUME" as const, RetainInterval: 1 },
    { DefaultPolicy: "VOLUME" as const, RetainInterval: 15 },
    { DefaultPolicy: "VOLUME" as const, CreateInterval: 3, RetainInterval: 3 },
    { DefaultPolicy: "VOLUME" as const, ExtendDeletion: true },
    { DefaultPolicy: "VOLUME" as const, CrossRegionCopyTargets: [{ TargetRegion: "eu-central-1" }] },
    { DefaultPolicy: "VOLUME" as const, Exclusions: { ExcludeVolumeTypes: ["fast"] } },
    { DefaultPolicy: "INSTANCE" as const, Exclusions: { ExcludeBootVolumes: true } },
    { DefaultPolicy: "VOLUME" as const, PolicyDetails: custom },
    {
      DefaultPolicy: "VOLUME" as const,
      PolicyDetails: { PolicyLanguage: "SIMPLIFIED" as const, ResourceType: "INSTANCE" as const },
    },
    {
      CopyTags: true,
      PolicyDetails: { PolicyLanguage: "SIMPLIFIED" as const, ResourceType: "VOLUME" as const },
    },
    { CopyTags: true, PolicyDetails: custom },
    { PolicyDetails: { ...custom, CreateInterval: 1 } },
    { PolicyDetails: { ...custom, PolicyLanguage: "SIMPLIFIED" as const, ResourceType: "VOLUME" as const } },
  ])
    await assert.rejects(create(more), refused, JSON.stringify(more));
  assert.deepEqual(records.all("dlm-policy"), []);
  const PolicyId = await create({ PolicyDetails: custom });
  for (const more of [
    { CreateInterval: 2 },
    { PolicyDetails: { PolicyLanguage: "SIMPLIFIED", ResourceType: "VOLUME" } },
  ] satisfies Partial<UpdateLifecyclePolicyRequest>[])
    await assert.rejects(dlm.updateLifecyclePolicy({ PolicyId, ...more }), refused, JSON.stringify(more));
});

test(
  "each day the volumes that are not excluded and have no recent snapshot get one; of one that is gone the last stays",
  limit,
  async (t) => {
    const { create, later, volume, made, client, records, until } = await scene(t);
    const [plain, other] = [await volume(), await volume()];
    await volume(tagged("backup", "no"));
    await volume({ VolumeType: "st1", Size: 125 });
    const PolicyId = await create({
      DefaultPolicy: "VOLUME",
      RetainInterval: 2,
      CrossRegionCopyTargets: [{ TargetRegion: "eu-west-1" }],
      Exclusions: { ExcludeTags: [{ Key: "backup", Value: "no" }], ExcludeVolumeTypes: ["st1"] },
    });
    const own = await client.createSnapshot({ VolumeId: other });
    await until(() => records.get("snapshot", own.SnapshotId ?? "")?.so.completedAt !== undefined);
    await later(PolicyId, dayMs);
    await until(() => made(PolicyId).length > 0 && records.get("dlm-policy", PolicyId)?.so.run === undefined);
    const first = made(PolicyId);
    assert.ok(first.includes(plain));
    assert.ok(first.every((it) => it === plain || it === other));
    await until(() => made(PolicyId, records.inRegion("eu-west-1")).length === first.length);
    await later(PolicyId, dayMs);
    await until(() => made(PolicyId).filter((it) => it === plain).length === 2);
    await client.deleteVolume({ VolumeId: plain });
    await until(() => records.get("volume", plain) === undefined);
    for (let day = 0; day < 4; day++) await later(PolicyId, dayMs);
    await until(() => made(PolicyId).filter((it) => it === plain).length === 1);
    await later(PolicyId, 5 * dayMs);
    await until(() => made(PolicyId).filter((it) => it === other).length === 1);
    assert.equal(made(PolicyId).filter((it) => it === plain).length, 1, "the last stays");
  },
);

test("of instances without a recent image one is made each day, without a reboot", limit, async (t) => {
  const { create, later, client, records, until } = await scene(t);
  const { Instances: [instance] = [] } = await client.runInstances({
    ImageId: testImage.id,
    InstanceType: "t3.nano",
    MinCount: 1,
    MaxCount: 1,
  });
  const id = instance?.InstanceId ?? "";
  await until(() => records.get("instance", id)?.so.state === "running");
  const PolicyId = await create({ DefaultPolicy: "INSTANCE" });
  await later(PolicyId, dayMs);
  const images = () =>
    records.all("image").filter((it) => it.tags["aws:dlm:lifecycle-policy-id"] === PolicyId);
  await until(() => images().length === 1);
  assert.equal(images()[0]?.source?.instanceId, id);
  assert.equal(records.get("instance", id)?.wanted.reboots, 0);
});
