import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, test } from "node:test";
import { awsCli } from "../clients/aws-cli.ts";
import { guestShell, openSsh, type GuestShell } from "../guest-shell.ts";
import { realRegion } from "../real-region.ts";
import { exported } from "../signed-call.ts";
import { until } from "../until.ts";

/** Who may do what, told by the CLI of Debian 12 outside and inside an instance. Each test goes on from where the one before it ended. */
const region = await realRegion();
const aws = awsCli(region);
const files = mkdtempSync(join(tmpdir(), "croft-test-"));
after(() => rmSync(files, { recursive: true }));

const patient = { timeout: 1_800_000 };
const first = "000000000000";
const second = { id: "", aws };
let shell: GuestShell;
let instanceId = "";

const document = (...statements: object[]) =>
  JSON.stringify({ Version: "2012-10-17", Statement: statements.map((it) => ({ Effect: "Allow", ...it })) });
const allow = (...actions: string[]) => {
  const own = { Action: actions, Resource: "*" };
  const assuming = { Action: "sts:AssumeRole", Resource: `arn:aws:iam::${second.id}:role/shared` };
  return aws.text(
    `iam put-role-policy --role-name web --policy-name p --policy-document ${document(own, assuming)}`,
  );
};
/** What the instance's own CLI says, which has no key but its role's; emulated, each call takes a minute. */
const inside = async (command: string, environment = "") =>
  text(shell.open(`${environment} aws --region ${region.environment["AWS_REGION"]} ${command} 2>&1`).stdout);

test("an instance is launched with a role by its profile", patient, async () => {
  const made = exported(await region.croft("account", "create", "second"));
  second.aws = awsCli({ ...region, environment: { ...region.environment, ...made } });
  second.id = (await second.aws.text("sts get-caller-identity --query Account")).trim();
  const service = { Principal: { Service: "ec2.amazonaws.com" }, Action: "sts:AssumeRole" };
  await aws.text(`iam create-role --role-name web --assume-role-policy-document ${document(service)}`);
  await allow("ec2:DescribeInstances");
  await aws.text("iam create-instance-profile --instance-profile-name web");
  await aws.text("iam add-role-to-instance-profile --instance-profile-name web --role-name web");

  const imageId = (await region.croft("image", "bake", "debian-12-tools")).trim();
  const key = join(files, "key");
  await openSsh(region.client, "test", key);
  const launch = `ec2 run-instances --image-id ${imageId} --instance-type t3.small --key-name test`;
  instanceId = (
    await aws.text(`${launch} --iam-instance-profile Name=web --query Instances[0].InstanceId`)
  ).trim();
  await aws.text(`ec2 wait instance-running --instance-ids ${instanceId}`);
  const address = `ec2 describe-instances --instance-ids ${instanceId} --query Reservations[0].Instances[0].PublicIpAddress`;
  shell = await guestShell((await aws.text(address)).trim(), key);
});

test(
  "from inside it describes instances, and is told in a message what it lacks to launch one",
  patient,
  async () => {
    const query = "--query Reservations[].Instances[].InstanceId --output text";
    const describe = () => inside(`ec2 describe-instances ${query}`);
    assert.equal(await until(describe, (said) => said === `${instanceId}\n`, 900_000), `${instanceId}\n`);
    const launch = `ec2 run-instances --image-id ${region.imageId} --dry-run`;
    const denied = await inside(launch);
    const encoded = /\(UnauthorizedOperation\).* failure message: (\S+)/.exec(denied)?.[1];
    assert.ok(encoded, denied);
    const decode = `sts decode-authorization-message --encoded-message ${encoded} --query DecodedMessage`;
    const { context } = JSON.parse(await aws.text(decode));
    const self = `arn:aws:sts::${first}:assumed-role/web/${instanceId}`;
    assert.deepEqual([context.action, context.principal.arn], ["ec2:RunInstances", self]);

    await allow("ec2:RunInstances");
    assert.match(await inside(launch), /\(DryRunOperation\)/, "a policy acts on the next call");
    assert.match(await describe(), /\(UnauthorizedOperation\)/);
  },
);

test("from inside it assumes a role in another account that trusts it", patient, async () => {
  const trust = { Principal: { AWS: `arn:aws:iam::${first}:role/web` }, Action: "sts:AssumeRole" };
  await second.aws.text(
    `iam create-role --role-name shared --assume-role-policy-document ${document(trust)}`,
  );
  const role = `--role-arn arn:aws:iam::${second.id}:role/shared --role-session-name from-${instanceId}`;
  const query = "--query Credentials.[AccessKeyId,SecretAccessKey,SessionToken] --output text";
  const [id, secret, token] = (await inside(`sts assume-role ${role} ${query}`)).trim().split(/\s+/);
  const environment = `AWS_ACCESS_KEY_ID=${id} AWS_SECRET_ACCESS_KEY=${secret} AWS_SESSION_TOKEN=${token}`;
  const who = await inside("sts get-caller-identity --query Arn --output text", environment);
  assert.equal(who, `arn:aws:sts::${second.id}:assumed-role/shared/from-${instanceId}\n`);
});

test("a user's key is rotated without a moment in which none is good", patient, async () => {
  await aws.text("iam create-user --user-name ada");
  const make = async () => {
    const query = "--query AccessKey.[AccessKeyId,SecretAccessKey]";
    const [id = "", secret = ""] = (await aws.text(`iam create-access-key --user-name ada ${query}`))
      .trim()
      .split(/\s+/);
    const environment = { ...region.environment, AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret };
    return { id, aws: awsCli({ ...region, environment }) };
  };
  const who = "sts get-caller-identity --query Arn";
  const old = await make();
  assert.equal((await old.aws.text(who)).trim(), `arn:aws:iam::${first}:user/ada`);
  const fresh = await make();
  assert.equal(await fresh.aws.text(who), await old.aws.text(who));
  await aws.text(`iam update-access-key --user-name ada --access-key-id ${old.id} --status Inactive`);
  assert.equal(await old.aws.refusal(who), "InvalidClientTokenId");
  await aws.text(`iam delete-access-key --user-name ada --access-key-id ${old.id}`);
  assert.equal((await fresh.aws.text(who)).trim(), `arn:aws:iam::${first}:user/ada`);
});

test("the audit tells it all: who, by which key, what, of what and with what outcome", patient, async () => {
  const lines = readFileSync(join(region.dataDir, "log", "audit.log"), "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
  const self = `arn:aws:sts::${first}:assumed-role/web/${instanceId}`;
  const told = lines
    .filter(({ principal }) => principal?.arn === self)
    .map(({ operation, error }) => `${operation} ${error ?? "done"}`);
  assert.deepEqual(told.slice(-5), [
    "ec2:DescribeInstances done",
    "ec2:RunInstances UnauthorizedOperation",
    "ec2:RunInstances DryRunOperation",
    "ec2:DescribeInstances UnauthorizedOperation",
    "sts:AssumeRole done",
  ]);
  const assumed = lines.find(
    ({ operation, principal }) => operation === "sts:AssumeRole" && principal.arn === self,
  );
  const by = lines.findLast(({ principal }) => principal?.accountId === second.id);
  assert.equal(by.principal.arn, `arn:aws:sts::${second.id}:assumed-role/shared/from-${instanceId}`);
  assert.ok(assumed.ids.includes(by.principal.accessKeyId), "which session came of it");
  const rotated = lines
    .filter(({ operation }) => /^iam:\w+AccessKey$/.test(operation))
    .map(({ operation }) => operation);
  assert.deepEqual(rotated, [
    "iam:CreateAccessKey",
    "iam:CreateAccessKey",
    "iam:UpdateAccessKey",
    "iam:DeleteAccessKey",
  ]);
});
