import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { DLM, type CreateLifecyclePolicyRequest, type Schedule } from "@aws-sdk/client-dlm";
import { IAM } from "@aws-sdk/client-iam";
import type { Feed } from "#store/feed.ts";
import { openMemoryStore } from "#store/sqlite/memory-store.ts";
import { crashEverywhere, type CrashScene } from "#testing/crash-everywhere.ts";
import { testHost, testImage, testRegion, type TestRegionOptions } from "#testing/region.ts";
import { settled } from "#reconcile/outcome.ts";
import { newId, random } from "../ec2/chance.ts";
import type { Ec2Context } from "../ec2/context.ts";
import { recordKey } from "../ec2/records.ts";
import { regionalRecords } from "../ec2/regional-records.ts";
import type { SnapshotRecord } from "../ec2/snapshot/snapshot.ts";
import type { VolumeRecord } from "../ec2/volume/volume.ts";
import { reconcilePolicy } from "./policy-reconciler.ts";
import { policyState, policyTags, type DlmPolicyRecord } from "./policy.ts";

const limit = { timeout: 30_000 };
const hourly: Schedule = {
  Name: "hourly",
  CreateRule: { Interval: 1, Times: ["00:10"] },
  RetainRule: { Count: 2 },
};

async function withRole(t: TestContext, options: TestRegionOptions = {}) {
  const region = await testRegion(t, options);
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
    Description: "each hour",
    State: "ENABLED",
    PolicyDetails: {
      ResourceTypes: ["VOLUME"],
      TargetTags: [{ Key: "backup", Value: "yes" }],
      Schedules: [hourly],
    },
    Tags: { team: "a" },
  };
  return { ...region, dlm, wanted };
}

test("a policy is made, found, changed, tagged and deleted", limit, async (t) => {
  const { dlm, wanted } = await withRole(t);
  const { PolicyId = "" } = await dlm.createLifecyclePolicy(wanted);
  assert.match(PolicyId, /^policy-[0-9a-f]{17}$/);
  const policy = async () => (await dlm.getLifecyclePolicy({ PolicyId })).Policy;
  const made = await policy();
  assert.deepEqual(
    [made?.State, made?.StatusMessage, made?.PolicyDetails?.PolicyType, made?.PolicyDetails?.Schedules],
    ["ENABLED", "ENABLED", "EBS_SNAPSHOT_MANAGEMENT", [hourly]],
  );
  const found = async (filter: object) => (await dlm.getLifecyclePolicies(filter)).Policies?.length;
  assert.deepEqual(
    [await found({}), await found({ State: "DISABLED" }), await found({ ResourceTypes: ["VOLUME"] })],
    [1, 0, 1],
  );
  assert.deepEqual(
    [await found({ TargetTags: ["backup=yes"] }), await found({ TargetTags: ["backup=no"] })],
    [1, 0],
  );
  await dlm.updateLifecyclePolicy({ PolicyId, State: "DISABLED", Description: "never" });
  assert.deepEqual([(await policy())?.State, (await policy())?.Description], ["DISABLED", "never"]);
  const ResourceArn = made?.PolicyArn ?? "";
  await dlm.tagResource({ ResourceArn, Tags: { stage: "b" } });
  await dlm.untagResource({ ResourceArn, TagKeys: ["team"] });
  assert.deepEqual((await dlm.listTagsForResource({ ResourceArn })).Tags, { stage: "b" });
  await dlm.deleteLifecyclePolicy({ PolicyId });
  await assert.rejects(dlm.getLifecyclePolicy({ PolicyId }), { name: "ResourceNotFoundException" });
});

test("a policy that cannot be is refused, and nothing is written", limit, async (t) => {
  const { dlm, wanted, records } = await withRole(t);
  const details = wanted.PolicyDetails ?? {};
  for (const more of [
    { ExecutionRoleArn: "arn:aws:iam::111122223333:role/nobody" },
    { Description: "ä" },
    { PolicyDetails: { ...details, PolicyType: "EVENT_BASED_POLICY" as const } },
    { PolicyDetails: { ...details, TargetTags: [] } },
    { PolicyDetails: { ...details, Schedules: [hourly, hourly] } },
    { PolicyDetails: { ...details, Schedules: [{ ...hourly, RetainRule: {} }] } },
    { PolicyDetails: { ...details, Schedules: [{ ...hourly, CreateRule: { Interval: 7 } }] } },
    { PolicyDetails: { ...details, Schedules: [{ ...hourly, TagsToAdd: [{ Key: "aws:x", Value: "" }] }] } },
    {
      PolicyDetails: {
        ...details,
        Schedules: [{ ...hourly, VariableTags: [{ Key: "x", Value: "$(timestamp)" }] }],
      },
    },
    { Tags: { "aws:x": "y" } },
  ])
    await assert.rejects(
      dlm.createLifecyclePolicy({ ...wanted, ...more }),
      { name: "InvalidRequestException" },
      JSON.stringify(more),
    );
  assert.deepEqual(records.all("dlm-policy"), []);
});

const scope = { accountId: "111122223333", region: "eu-central-1" };
const roleKeys = { id: "AROA1", name: "lifecycle" };
const policy: DlmPolicyRecord = {
  id: "policy-0aaaaaaaaaaaaaaaa",
  description: "",
  enabled: true,
  roleArn: `arn:aws:iam::${scope.accountId}:role/lifecycle`,
  details: {
    PolicyType: "EBS_SNAPSHOT_MANAGEMENT",
    ResourceTypes: ["VOLUME"],
    TargetTags: [{ Key: "backup", Value: "yes" }],
    Schedules: [{ ...hourly, CopyTags: true, TagsToAdd: [{ Key: "made", Value: "by" }] }],
  },
  tags: {},
  createdAt: "2026-01-01T00:00:00.000Z",
  modifiedAt: "2026-01-01T00:00:00.000Z",
  from: "2026-01-01T00:00:00.000Z",
  so: { done: {} },
};
const volume = (n: number, backup: string): VolumeRecord =>
  ({
    id: `vol-0aaaaaaaaaaaaaaa${n}`,
    hostId: testHost.id,
    zone: "a",
    type: "gp3",
    sizeGiB: 1,
    tags: { backup, Name: `v${n}` },
    createdAt: policy.createdAt,
    so: { ready: true },
  }) as unknown as VolumeRecord;

/** A policy, with its time, until `endMs`: hours pass as the clock does. */
const scene =
  (
    wanted: DlmPolicyRecord,
    endMs: number,
    withItsRole = true,
    others: readonly SnapshotRecord[] = [snapshotOfOthers()],
  ) =>
  async (): Promise<CrashScene<{ none: object }>> => {
    const store = openMemoryStore();
    await store.commit({
      put: [
        { key: recordKey("dlm-policy", scope, wanted.id), value: wanted },
        ...[volume(1, "yes"), volume(2, "yes"), volume(3, "no")].map((value) => ({
          key: recordKey("volume", scope, value.id),
          value,
        })),
        ...others.map((value) => ({ key: recordKey("snapshot", scope, value.id), value })),
        ...(withItsRole
          ? [
              { key: `iam-role/${scope.accountId}/*/AROA1`, value: { ...roleKeys, path: "/", tags: {} } },
              { key: `claim/${scope.accountId}/*/iam-role/lifecycle`, value: "AROA1" },
            ]
          : []),
      ],
    });
    return {
      store,
      drivers: { none: {} },
      reconcilers({ feed, clock }) {
        const records = regionalRecords(feed).in(scope);
        const context: Ec2Context = {
          ...scope,
          records,
          now: () => clock.now(),
          newId,
          random,
          homeRegion: scope.region,
          publicPool: "198.18.0.0/16",
        };
        const done = (key: string) => key.split("/").at(-1) ?? "";
        return [
          {
            kind: "dlm-policy",
            step: async (key) =>
              clock.now().getTime() >= endMs ? settled : reconcilePolicy(done(key), context),
          },
          {
            kind: "snapshot",
            async step(key) {
              const it = records.get("snapshot", done(key));
              if (!it || it.so.completedAt !== undefined) return settled;
              const made = { ...it, so: { completedAt: clock.now().toISOString() } };
              return { kind: "moved", transaction: records.rewrite("snapshot", made) };
            },
          },
        ];
      },
    };
  };

const snapshotOfOthers = (): SnapshotRecord => ({
  id: "snap-0bbbbbbbbbbbbbbbb",
  hostId: testHost.id,
  of: { volumeId: volume(1, "").id },
  sizeGiB: 1,
  description: "",
  together: "snap-0bbbbbbbbbbbbbbbb",
  tags: { made: "by" },
  createdAt: policy.createdAt,
  so: { completedAt: policy.createdAt },
});

const hourMs = 3_600_000;
const startMs = Date.parse("2026-01-01T00:00:00Z");
const made = (feed: Feed) =>
  regionalRecords(feed)
    .in(scope)
    .all("snapshot")
    .filter((it) => !it.deleting && it.tags["aws:dlm:lifecycle-policy-id"] === policy.id);
const madeOf = (feed: Feed, n: number) =>
  made(feed)
    .filter((it) => "volumeId" in it.of && it.of.volumeId === volume(n, "").id)
    .map(({ createdAt }) => createdAt.slice(11, 16))
    .toSorted();

test(
  "crashed anywhere, each time makes one snapshot of each target, and what is too many goes",
  limit,
  async () => {
    const crashes = await crashEverywhere(scene(policy, startMs + 2.3 * hourMs), ({ feed }) => {
      assert.deepEqual(madeOf(feed, 1), ["01:10", "02:10"]);
      assert.deepEqual(madeOf(feed, 2), ["01:10", "02:10"]);
      assert.deepEqual(madeOf(feed, 3), []);
      const records = regionalRecords(feed).in(scope);
      assert.equal(
        records.get("snapshot", snapshotOfOthers().id)?.deleting,
        undefined,
        "what others made stays",
      );
      assert.deepEqual(made(feed)[0]?.tags, {
        Name: made(feed)[0]?.tags["Name"],
        backup: "yes",
        made: "by",
        "aws:dlm:lifecycle-policy-id": policy.id,
        "aws:dlm:lifecycle-schedule-name": "hourly",
        "aws:dlm:managed": "true",
      });
    });
    assert.ok(crashes > 20, String(crashes));
  },
);

test("times that a sleep missed are one, and what is too old goes", limit, async () => {
  const slept = { ...policy, from: "2025-12-30T00:00:00.000Z" };
  await crashEverywhere(
    scene(slept, startMs + 0.1 * hourMs),
    ({ feed }) => assert.deepEqual([madeOf(feed, 1), madeOf(feed, 2)], [["00:00"], ["00:00"]]),
    5,
  );
  const old = { ...snapshotOfOthers(), createdAt: "2025-12-01T00:00:00.000Z" };
  const [schedule] = policy.details.Schedules ?? [];
  const RetainRule = { Interval: 2, IntervalUnit: "WEEKS" } as const;
  const byAge = { ...policy, details: { ...policy.details, Schedules: [{ ...schedule, RetainRule }] } };
  const tags = { ...policyTags(policy, hourly) };
  const young = { ...old, id: "snap-0cccccccccccccccc", createdAt: "2025-12-25T00:00:00.000Z" } as const;
  await crashEverywhere(
    scene(byAge, startMs + 0.1 * hourMs, true, [
      { ...old, tags },
      { ...young, tags },
    ]),
    ({ feed }) =>
      assert.deepEqual(
        made(feed).map(({ id }) => id),
        [young.id],
      ),
  );
});

test(
  "a policy whose role is gone, or whose target cannot be served, is in ERROR and says why",
  limit,
  async () => {
    const look = ({ feed }: { feed: Feed }) => regionalRecords(feed).in(scope).get("dlm-policy", policy.id);
    await crashEverywhere(scene(policy, startMs + 0.5 * hourMs, false), (end) => {
      const it = look(end);
      assert.equal(it && policyState(it), "ERROR");
      assert.equal(it?.so.error, `The role ${policy.roleArn} does not exist.`);
      assert.deepEqual(made(end.feed), []);
    });
    const details = { ...policy.details, ResourceTypes: ["INSTANCE" as const] };
    const run = { schedule: "hourly", at: policy.from, targets: ["i-0aaaaaaaaaaaaaaaa"] };
    await crashEverywhere(
      scene({ ...policy, details, so: { done: { hourly: policy.from }, run } }, startMs + 0.1 * hourMs),
      (end) => {
        const it = look(end);
        assert.equal(it && policyState(it), "ERROR");
        assert.match(it?.so.error ?? "", /^i-0aaaaaaaaaaaaaaaa: InvalidInstanceID\.NotFound: /);
      },
    );
  },
);

test("of instances there are snapshots of all volumes, or an image, with variable tags", limit, async (t) => {
  let at = new Date();
  const region = await withRole(t, { now: () => at });
  const { client, records } = region;
  const { Instances: [instance] = [] } = await client.runInstances({
    ImageId: testImage.id,
    InstanceType: "t3.nano",
    MinCount: 1,
    MaxCount: 1,
    TagSpecifications: [{ ResourceType: "instance", Tags: [{ Key: "backup", Value: "yes" }] }],
  });
  const id = instance?.InstanceId ?? "";
  await region.until(() => records.get("instance", id)?.so.state === "running");
  const VariableTags = [
    { Key: "of", Value: "$(instance-id)" },
    { Key: "at", Value: "$(timestamp)" },
  ];
  for (const PolicyType of ["EBS_SNAPSHOT_MANAGEMENT", "IMAGE_MANAGEMENT"] as const) {
    const { PolicyId = "" } = await region.dlm.createLifecyclePolicy({
      ...region.wanted,
      PolicyDetails: {
        PolicyType,
        ResourceTypes: ["INSTANCE"],
        TargetTags: [{ Key: "backup", Value: "yes" }],
        Schedules: [{ ...hourly, RetainRule: { Count: 1 }, VariableTags }],
      },
    });
    const all = () =>
      [...records.all("image"), ...records.all("snapshot").filter((it) => !it.deleting)].filter(
        (it) => it.tags["aws:dlm:lifecycle-policy-id"] === PolicyId,
      );
    const anHourLater = async () => {
      at = new Date(at.getTime() + hourMs);
      await region.dlm.updateLifecyclePolicy({ PolicyId, Description: "looked at" });
    };
    await anHourLater();
    const most = PolicyType === "IMAGE_MANAGEMENT" ? 2 : 1;
    await region.until(() => all().length === most);
    const first = all();
    assert.ok(first.every(({ tags }) => tags["of"] === id && /^20\d\d-/.test(tags["at"] ?? "")));
    await anHourLater();
    // Expiry waits until the newer one is there.
    await region.until(() => all().length > most);
    await region.until(() => all().length === most);
    assert.ok(
      all().every((it) => !first.some((before) => before.id === it.id)),
      "the older one is gone",
    );
    await region.dlm.deleteLifecyclePolicy({ PolicyId });
    assert.equal(all().length, first.length, "what a policy made outlives it");
  }
});
