import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { DLM, type PolicyDetails } from "@aws-sdk/client-dlm";
import { EC2 } from "@aws-sdk/client-ec2";
import { IAM } from "@aws-sdk/client-iam";
import { KMS } from "@aws-sdk/client-kms";
import { testRegion } from "#testing/region.ts";
import { recordKey } from "../ec2/records.ts";
import { policyState } from "./policy.ts";

const limit = { timeout: 60_000 };
const [owners, others] = ["111122223333", "222233334444"];
const dayMs = 24 * 3_600_000;

/** An account that shares snapshots, and another whose policy copies those that are described as backups. */
async function scene(t: TestContext) {
  let at = new Date();
  const region = await testRegion(t, { now: () => at });
  const other = await region.newAccount(others);
  const undo = <Client extends { destroy(): void }>(client: Client): Client => {
    t.after(() => client.destroy());
    return client;
  };
  const [dlm, iam] = [undo(new DLM(other.clientConfig)), undo(new IAM(other.clientConfig))];
  const [ec2, kms] = [undo(new EC2(other.clientConfig)), undo(new KMS(region.clientConfig))];
  const { Role } = await iam.createRole({
    RoleName: "copies",
    AssumeRolePolicyDocument: JSON.stringify({
      Version: "2012-10-17",
      Statement: [{ Effect: "Allow", Principal: { Service: "dlm.amazonaws.com" }, Action: "sts:AssumeRole" }],
    }),
  });
  const details: PolicyDetails = {
    PolicyType: "EVENT_BASED_POLICY",
    EventSource: {
      Type: "MANAGED_CWE",
      Parameters: {
        EventType: "shareSnapshot",
        SnapshotOwner: [owners],
        DescriptionRegex: "^.*a backup.*$",
      },
    },
    Actions: [
      {
        Name: "Keep them",
        CrossRegionCopy: [
          { Target: "eu-central-1", EncryptionConfiguration: { Encrypted: false } },
          {
            Target: "eu-west-1",
            EncryptionConfiguration: { Encrypted: true },
            RetainRule: { Interval: 1, IntervalUnit: "DAYS" },
          },
        ],
      },
    ],
  };
  const wanted = {
    ExecutionRoleArn: Role?.Arn ?? "",
    Description: "copies of shared ones",
    State: "ENABLED",
    PolicyDetails: details,
  } as const;
  const records = region.regions.in({ accountId: others, region: "eu-central-1" });
  /** A complete snapshot of the owner's that is shared with the other account. */
  const shared = async (description: string, more: object = {}) => {
    const { VolumeId } = await region.client.createVolume({
      AvailabilityZone: "eu-central-1a",
      Size: 1,
      ...more,
    });
    await region.until(() => region.records.get("volume", VolumeId ?? "")?.so.ready === true);
    const { SnapshotId = "" } = await region.client.createSnapshot({ VolumeId, Description: description });
    await share(SnapshotId);
    return SnapshotId;
  };
  const share = (SnapshotId: string, OperationType: "add" | "remove" = "add") =>
    region.client.modifySnapshotAttribute({
      SnapshotId,
      Attribute: "createVolumePermission",
      OperationType,
      UserIds: [others],
    });
  /** What of it the policy has copied to a region. */
  const copiesOf = (source: string, where: string) =>
    records
      .inRegion(where)
      .all("snapshot")
      .filter((it) => !it.deleting && "copy" in it.of && it.of.copy === source);
  return {
    ...region,
    dlm,
    iam,
    ec2,
    kms,
    wanted,
    details,
    others: records,
    shared,
    share,
    copiesOf,
    pass: (ms: number) => void (at = new Date(at.getTime() + ms)),
  };
}

test(
  "what another account shares from now on is copied to where the policy says, and goes by the copy's own rule",
  limit,
  async (t) => {
    const { dlm, wanted, details, shared, share, copiesOf, until, pass, ...region } = await scene(t);
    const before = await shared("a backup of old");
    const { PolicyId = "" } = await dlm.createLifecyclePolicy(wanted);
    const { Policy } = await dlm.getLifecyclePolicy({ PolicyId });
    assert.deepEqual([Policy?.State, Policy?.PolicyDetails], ["ENABLED", details]);
    const look = () => dlm.updateLifecyclePolicy({ PolicyId, Description: "looked at" });
    const [wantedOne, unwanted] = [await shared("it is a backup"), await shared("it is none")];
    await look();
    const policy = () => region.others.get("dlm-policy", PolicyId);
    const isOver = () => policy()?.so.shared?.length === 3 && policy()?.so.pending === undefined;
    await until(isOver);
    const [here, west] = ["eu-central-1", "eu-west-1"].map((it) => copiesOf(wantedOne, it));
    assert.deepEqual([here?.length, west?.length], [1, 1]);
    assert.equal(here?.[0]?.encryption, undefined);
    assert.match(west?.[0]?.encryption?.keyArn ?? "", new RegExp(`^arn:aws:kms:eu-west-1:${others}:key/`));
    assert.deepEqual(here?.[0]?.tags, {
      "aws:dlm:lifecycle-policy-id": PolicyId,
      "aws:dlm:lifecycle-schedule-name": "Keep them",
      "aws:dlm:managed": "true",
    });
    for (const source of [before, unwanted]) assert.deepEqual(copiesOf(source, "eu-central-1"), []);

    await share(wantedOne, "remove");
    await look();
    await until(() => policy()?.so.shared?.length === 2);
    await share(wantedOne);
    await look();
    await until(() => isOver() && copiesOf(wantedOne, "eu-central-1").length === 2);
    await until(() => copiesOf(wantedOne, "eu-west-1").every(({ so }) => so.completedAt !== undefined));
    pass(2 * dayMs);
    await look();
    await until(() => copiesOf(wantedOne, "eu-west-1").length === 0);
    assert.equal(copiesOf(wantedOne, "eu-central-1").length, 2, "without a rule it stays");
    assert.equal(policy()?.so.error, undefined);
  },
);

test(
  "what is encrypted is copied if its key's account lets the role use that, and else it is said",
  limit,
  async (t) => {
    const { dlm, iam, kms, wanted, shared, share, copiesOf, until, ...region } = await scene(t);
    const { KeyMetadata } = await kms.createKey({});
    const [KeyId = "", keyArn = ""] = [KeyMetadata?.KeyId, KeyMetadata?.Arn];
    const { PolicyId = "" } = await dlm.createLifecyclePolicy(wanted);
    const look = () => dlm.updateLifecyclePolicy({ PolicyId, Description: "looked at" });
    const policy = () => region.others.get("dlm-policy", PolicyId);
    const source = await shared("a backup", { Encrypted: true, KmsKeyId: KeyId });
    await look();
    await until(() => policy()?.so.error !== undefined && policy()?.so.pending === undefined);
    const it = policy();
    assert.equal(it && policyState(it), "ERROR");
    assert.match(
      it?.so.error ?? "",
      new RegExp(`^${source}: AccessDeniedException: .*assumed-role/copies/.* kms:Decrypt`),
    );
    assert.deepEqual(copiesOf(source, "eu-central-1"), []);

    const Statement = [
      { Effect: "Allow", Principal: { AWS: `arn:aws:iam::${owners}:root` }, Action: "kms:*", Resource: "*" },
      { Effect: "Allow", Principal: { AWS: wanted.ExecutionRoleArn }, Action: "kms:*", Resource: "*" },
    ];
    const Policy = JSON.stringify({ Version: "2012-10-17", Statement });
    await kms.putKeyPolicy({ KeyId, PolicyName: "default", Policy });
    const allowed = { Effect: "Allow", Action: "kms:*", Resource: keyArn };
    await iam.putRolePolicy({
      RoleName: "copies",
      PolicyName: "keys",
      PolicyDocument: JSON.stringify({ Version: "2012-10-17", Statement: [allowed] }),
    });
    await share(source, "remove");
    await look();
    await until(() => policy()?.so.shared?.length === 0);
    await share(source);
    await look();
    await until(() => copiesOf(source, "eu-central-1").length === 1 && policy()?.so.pending === undefined);
    const [copy] = copiesOf(source, "eu-central-1");
    assert.match(copy?.encryption?.keyArn ?? "", new RegExp(`^arn:aws:kms:eu-central-1:${others}:key/`));
    assert.equal(policy()?.so.error, undefined);
  },
);

test("an expression that would take for ever is given up", limit, async (t) => {
  const { dlm, wanted, details, shared, until, ...region } = await scene(t);
  const Parameters = { ...details.EventSource?.Parameters, DescriptionRegex: "^(a+)+$" };
  const PolicyDetails = {
    ...details,
    EventSource: { ...details.EventSource, Parameters },
  } as PolicyDetails;
  const { PolicyId = "" } = await dlm.createLifecyclePolicy({ ...wanted, PolicyDetails });
  await shared(`${"a".repeat(200)}b`);
  await dlm.updateLifecyclePolicy({ PolicyId, Description: "looked at" });
  const policy = () => region.others.get("dlm-policy", PolicyId);
  await until(() => policy()?.so.error !== undefined);
  assert.match(policy()?.so.error ?? "", /DescriptionRegex takes too long/);
});

test("an event-based policy that cannot be is refused, and nothing is written", limit, async (t) => {
  const { dlm, wanted, details, store } = await scene(t);
  const [action] = details.Actions ?? [];
  const parameters = details.EventSource?.Parameters;
  const copy = { Target: "eu-west-1", EncryptionConfiguration: { Encrypted: false } };
  const events = (more: object) => ({
    EventSource: { ...details.EventSource, Parameters: { ...parameters, ...more } },
  });
  const copies = (...CrossRegionCopy: object[]) => ({ Actions: [{ ...action, CrossRegionCopy }] });
  for (const more of [
    { EventSource: undefined },
    { Actions: [] },
    { Schedules: [] },
    { TargetTags: [{ Key: "a", Value: "b" }] },
    { ResourceTypes: ["VOLUME"] },
    { RetainInterval: 3 },
    events({ SnapshotOwner: [] }),
    events({ DescriptionRegex: "(" }),
    copies(),
    copies(copy, copy),
    copies({ ...copy, Target: "mars-1" }),
    copies({ ...copy, RetainRule: { Interval: 1 } }),
    copies({
      ...copy,
      EncryptionConfiguration: { Encrypted: true, CmkArn: "arn:aws:kms:eu-west-2:1:key/1" },
    }),
  ] as object[])
    await assert.rejects(
      dlm.createLifecyclePolicy({ ...wanted, PolicyDetails: { ...details, ...more } }),
      { name: "InvalidRequestException" },
      JSON.stringify(more),
    );
  const scope = { accountId: others, region: "eu-central-1" };
  assert.deepEqual((await store.list(recordKey("dlm-policy", scope, ""))).entries, []);
});
