import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import {
  DLM,
  type CreateLifecyclePolicyRequest,
  type PolicyDetails,
  type Schedule,
} from "@aws-sdk/client-dlm";
import { IAM } from "@aws-sdk/client-iam";
import { KMS } from "@aws-sdk/client-kms";
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

const limit = { timeout: 60_000 };
const kmsKey = (region: string) =>
  `arn:aws:kms:${region}:111122223333:key/01234567-89ab-cdef-0123-456789abcdef`;
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
    { PolicyDetails: { ...details, Actions: [] } },
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
    ...[
      { CrossRegionCopyRules: [{ Target: "eu-central-1", Encrypted: false }] },
      { CrossRegionCopyRules: [{ Target: "mars-1", Encrypted: false }] },
      { CrossRegionCopyRules: [{ Encrypted: false }] },
      { CrossRegionCopyRules: [{ Target: "eu-west-1", TargetRegion: "eu-west-1", Encrypted: false }] },
      { CrossRegionCopyRules: [{ Target: "eu-west-1", Encrypted: true, CmkArn: kmsKey("eu-west-2") }] },
      {
        CrossRegionCopyRules: [{ Target: "eu-west-1", Encrypted: true, RetainRule: { Interval: 1 } }],
      },
      {
        CrossRegionCopyRules: [
          {
            Target: "eu-west-1",
            Encrypted: true,
            DeprecateRule: { Interval: 1, IntervalUnit: "DAYS" as const },
          },
        ],
      },
      { CrossRegionCopyRules: ["eu-west-1", "eu-west-1"].map((Target) => ({ Target, Encrypted: false })) },
      {
        CrossRegionCopyRules: ["eu-west-1", "eu-west-2", "eu-west-3", "eu-north-1"].map((Target) => ({
          Target,
          Encrypted: false,
        })),
      },
      { ShareRules: [{ TargetAccounts: [] }] },
      { ShareRules: [{ TargetAccounts: ["1"] }] },
      { ShareRules: [{ TargetAccounts: ["222233334444"], UnshareInterval: 1 }] },
      { DeprecateRule: { Count: 1 } },
      { ArchiveRule: { RetainRule: { RetentionArchiveTier: { Count: 1 } } } },
    ].map((rules) => ({ PolicyDetails: { ...details, Schedules: [{ ...hourly, ...rules }] } })),
    ...[
      { DeprecateRule: { Count: 3 } },
      { DeprecateRule: { Interval: 1, IntervalUnit: "DAYS" as const } },
      { ShareRules: [{ TargetAccounts: ["222233334444"] }] },
      { CrossRegionCopyRules: [{ Target: "eu-west-1", Encrypted: false }] },
      {
        CrossRegionCopyRules: [
          {
            TargetRegion: "eu-west-1",
            Encrypted: false,
            RetainRule: { Interval: 1, IntervalUnit: "DAYS" as const },
            DeprecateRule: { Interval: 1, IntervalUnit: "WEEKS" as const },
          },
        ],
      },
    ].map((rules) => ({
      PolicyDetails: {
        ...details,
        PolicyType: "IMAGE_MANAGEMENT" as const,
        ResourceTypes: ["INSTANCE" as const],
        Schedules: [{ ...hourly, ...rules }],
      },
    })),
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
const sharer = { ...scope, accountId: "222233334444" };
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
    attachments: [],
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
    shared: readonly SnapshotRecord[] = [],
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
        ...shared.map((value) => ({ key: recordKey("snapshot", sharer, value.id), value })),
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

/** A volume, and a policy whose schedule is `hourly` and what `more` says; the hour has come when this resolves. */
async function served(t: TestContext, more: Partial<Schedule>, ofVolume: object = {}) {
  let at = new Date();
  const region = await withRole(t, { now: () => at });
  const { client, records, until, dlm, wanted } = region;
  const { VolumeId: volumeId = "" } = await client.createVolume({
    AvailabilityZone: "eu-central-1a",
    Size: 1,
    TagSpecifications: [
      {
        ResourceType: "volume",
        Tags: [
          { Key: "backup", Value: "yes" },
          { Key: "Name", Value: "v" },
        ],
      },
    ],
    ...ofVolume,
  });
  await until(() => records.get("volume", volumeId)?.so.ready === true);
  const schedule: Schedule = { ...hourly, CopyTags: true, ...more };
  const { PolicyId = "" } = await dlm.createLifecyclePolicy({
    ...wanted,
    PolicyDetails: { ...wanted.PolicyDetails, Schedules: [schedule] },
  });
  const later = async (ms: number) => {
    at = new Date(at.getTime() + ms);
    await dlm.updateLifecyclePolicy({ PolicyId, Description: "looked at" });
  };
  const ofPolicy = (where = records) =>
    where.all("snapshot").filter((it) => !it.deleting && it.tags["aws:dlm:lifecycle-policy-id"] === PolicyId);
  await later(hourMs);
  await until(() => ofPolicy().length === 1);
  const policyNow = () => records.get("dlm-policy", PolicyId);
  return { ...region, later, ofPolicy, policyNow, PolicyId };
}

test(
  "a snapshot is copied into each region that its schedule names, by the key it names, and the copies expire by their own rule",
  limit,
  async (t) => {
    const region = await served(t, {
      CrossRegionCopyRules: [
        {
          Target: "eu-west-1",
          Encrypted: false,
          CopyTags: true,
          RetainRule: { Interval: 1, IntervalUnit: "DAYS" },
        },
        { Target: "eu-west-3", Encrypted: true },
      ],
    });
    const { ofPolicy, records, until, later, policyNow } = region;
    const [west, north] = [records.inRegion("eu-west-1"), records.inRegion("eu-west-3")];
    await until(() => [west, north].every((it) => ofPolicy(it)[0]?.so.completedAt !== undefined));
    const [source, open, encrypted] = [ofPolicy()[0], ofPolicy(west)[0], ofPolicy(north)[0]];
    assert.deepEqual(
      [open?.tags, open?.encryption, open?.of],
      [source?.tags, undefined, { copy: source?.id }],
    );
    assert.deepEqual(
      Object.keys(encrypted?.tags ?? {}).filter((it) => !it.startsWith("aws:")),
      [],
    );
    const kms = new KMS({ ...region.clientConfig, region: "eu-west-3" });
    t.after(() => kms.destroy());
    const aws = await kms.describeKey({ KeyId: "alias/aws/ebs" });
    assert.equal(encrypted?.encryption?.keyArn, aws.KeyMetadata?.Arn);
    await until(() => policyNow()?.so.pending === undefined);
    assert.equal(policyNow()?.so.error, undefined);
    await later(26 * hourMs);
    await until(() => ofPolicy(west).every(({ id }) => id !== open?.id) && ofPolicy(west).length === 1);
    assert.ok(
      ofPolicy(north).some(({ id }) => id === encrypted?.id),
      "without a rule it stays",
    );
  },
);

test(
  "an encrypted snapshot is copied by the key of a rule, and one that cannot be is said",
  limit,
  async (t) => {
    const CmkArn = kmsKey("eu-west-1");
    const region = await served(
      t,
      { CrossRegionCopyRules: [{ Target: "eu-west-1", Encrypted: false, CmkArn }] },
      { Encrypted: true },
    );
    const { ofPolicy, records, until } = region;
    await until(() => ofPolicy(records.inRegion("eu-west-1")).length === 1);
    const [copy] = ofPolicy(records.inRegion("eu-west-1"));
    assert.equal(copy?.encryption?.keyArn, CmkArn);
    assert.match(copy?.so.failed ?? "", /key/);
  },
);

test("a snapshot is shared with the accounts of its schedule for as long as that says", limit, async (t) => {
  const TargetAccounts = ["222233334444", "333344445555"];
  const region = await served(t, {
    ShareRules: [{ TargetAccounts, UnshareInterval: 1, UnshareIntervalUnit: "DAYS" }],
  });
  const { ofPolicy, until, later, client } = region;
  await until(() => ofPolicy()[0]?.sharedWith?.length === 2);
  const [first] = ofPolicy();
  assert.deepEqual(first?.sharedWith, TargetAccounts);
  const by = { SnapshotId: first?.id, Attribute: "createVolumePermission", OperationType: "add" } as const;
  await client.modifySnapshotAttribute({ ...by, UserIds: ["444455556666"] });
  await later(25 * hourMs);
  const withWhom = () => ofPolicy().find(({ id }) => id === first?.id)?.sharedWith;
  await until(() => withWhom()?.length === 1);
  assert.deepEqual(withWhom(), ["444455556666"], "who was not named by the rule keeps it");
});

test("what AWS's key encrypts is not shared, and the policy says so", limit, async (t) => {
  const { until, policyNow, ofPolicy } = await served(
    t,
    { ShareRules: [{ TargetAccounts: ["222233334444"] }] },
    { Encrypted: true },
  );
  await until(() => policyNow()?.so.error !== undefined);
  assert.match(policyNow()?.so.error ?? "", /^snap-\w+: \w+/);
  assert.deepEqual([policyNow()?.so.pending, ofPolicy()[0]?.sharedWith], [undefined, undefined]);
});

test("crashed anywhere, a snapshot has one copy in each region, and is shared", limit, async () => {
  const [schedule] = policy.details.Schedules ?? [];
  const copying: Schedule = {
    ...schedule,
    RetainRule: { Count: 5 },
    CrossRegionCopyRules: [{ Target: "eu-west-1", Encrypted: false }],
    ShareRules: [{ TargetAccounts: ["222233334444"] }],
  };
  const wanted = { ...policy, details: { ...policy.details, Schedules: [copying] } };
  await crashEverywhere(scene(wanted, startMs + 0.5 * hourMs), ({ feed }) => {
    const records = regionalRecords(feed).in(scope);
    const copies = records.inRegion("eu-west-1").all("snapshot");
    const sources = made(feed).map(({ id }) => id);
    assert.equal(sources.length, 2);
    assert.deepEqual(copies.map(({ of }) => ("copy" in of ? of.copy : "")).toSorted(), sources.toSorted());
    assert.ok(made(feed).every(({ sharedWith }) => sharedWith?.join() === "222233334444"));
    assert.deepEqual(records.get("dlm-policy", policy.id)?.so.pending, undefined);
  });
});

test("crashed anywhere, what is shared is copied once to each region", limit, async () => {
  const details: PolicyDetails = {
    PolicyType: "EVENT_BASED_POLICY",
    EventSource: {
      Type: "MANAGED_CWE",
      Parameters: {
        EventType: "shareSnapshot",
        SnapshotOwner: [sharer.accountId],
        DescriptionRegex: ".*",
      },
    },
    Actions: [
      {
        Name: "hourly",
        CrossRegionCopy: ["eu-central-1", "eu-west-1"].map((Target) => ({
          Target,
          EncryptionConfiguration: { Encrypted: false },
        })),
      },
    ],
  };
  const source = { ...snapshotOfOthers(), sharedWith: [scope.accountId] };
  const known = { ...source, id: "snap-0cccccccccccccccc" } as const;
  const wanted = { ...policy, details, so: { done: {}, shared: [known.id] } };
  const crashes = await crashEverywhere(
    scene(wanted, startMs + 0.1 * hourMs, true, [], [source, known]),
    ({ feed }) => {
      const records = regionalRecords(feed).in(scope);
      for (const where of ["eu-central-1", "eu-west-1"]) {
        const copies = records.inRegion(where).all("snapshot");
        assert.deepEqual(
          copies.map(({ of }) => ("copy" in of ? of.copy : "")),
          [source.id],
        );
      }
      const { so } = records.get("dlm-policy", policy.id) ?? {};
      assert.deepEqual(so, { done: {}, shared: [source.id, known.id] });
    },
  );
  assert.ok(crashes > 5, String(crashes));
});

test("images of a schedule, and their copies, are deprecated by its rules", limit, async (t) => {
  let at = new Date();
  const region = await withRole(t, { now: () => at });
  const { client, records, until } = region;
  const { Instances: [instance] = [] } = await client.runInstances({
    ImageId: testImage.id,
    InstanceType: "t3.nano",
    MinCount: 1,
    MaxCount: 1,
    TagSpecifications: [{ ResourceType: "instance", Tags: [{ Key: "backup", Value: "yes" }] }],
  });
  await until(() => records.get("instance", instance?.InstanceId ?? "")?.so.state === "running");
  const { PolicyId = "" } = await region.dlm.createLifecyclePolicy({
    ...region.wanted,
    PolicyDetails: {
      PolicyType: "IMAGE_MANAGEMENT",
      ResourceTypes: ["INSTANCE"],
      TargetTags: [{ Key: "backup", Value: "yes" }],
      Schedules: [
        {
          ...hourly,
          DeprecateRule: { Count: 1 },
          CrossRegionCopyRules: [
            {
              TargetRegion: "eu-west-1",
              Encrypted: false,
              RetainRule: { Interval: 3, IntervalUnit: "DAYS" },
              DeprecateRule: { Interval: 1, IntervalUnit: "DAYS" },
            },
          ],
        },
      ],
    },
  });
  const images = (where = records) =>
    where
      .all("image")
      .filter((it) => !it.deregistered && it.tags["aws:dlm:lifecycle-policy-id"] === PolicyId)
      .toSorted((a, b) => (a.createdAt < b.createdAt ? -1 : 1));
  const later = async (ms: number) => {
    at = new Date(at.getTime() + ms);
    await region.dlm.updateLifecyclePolicy({ PolicyId, Description: "looked at" });
  };
  const away = records.inRegion("eu-west-1");
  await later(hourMs);
  await until(() => images(away).length === 1);
  assert.equal(images()[0]?.name, images(away)[0]?.name);
  await later(hourMs);
  await until(() => images().length === 2 && images()[0]?.deprecationTime !== undefined);
  assert.equal(images()[1]?.deprecationTime, undefined);
  await until(() => images(away).length === 2);
  assert.ok(images(away).every(({ deprecationTime }) => deprecationTime === undefined));
  await later(25 * hourMs);
  await until(() => images(away)[0]?.deprecationTime !== undefined);
  await later(3 * 24 * hourMs);
  await until(() =>
    images(away).every((it) => it.createdAt > new Date(at.getTime() - 25 * hourMs).toISOString()),
  );
});

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
