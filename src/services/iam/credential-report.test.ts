import assert from "node:assert/strict";
import { test } from "node:test";
import { EC2 } from "@aws-sdk/client-ec2";
import { STS } from "@aws-sdk/client-sts";
import { authenticator } from "#testing/authenticator.ts";
import { iamScene } from "#testing/iam.ts";
import type { CredentialReportRecord } from "./records.ts";

const limit = { timeout: 60_000 };

test("the report tells of the root and each user what they sign in with", limit, async (t) => {
  const { iam, refused, clientConfig, noted } = await iamScene(t);
  await refused(iam.getCredentialReport({}), "CredentialReportNotPresentException", /No report exists/);
  await iam.createUser({ UserName: "ada", Path: "/staff/" });
  await iam.createUser({ UserName: "bob" });
  await iam.updateAccountPasswordPolicy({ MaxPasswordAge: 90 });
  await iam.createLoginProfile({ UserName: "ada", Password: "Correct-horse-1" });
  const { VirtualMFADevice: device } = await iam.createVirtualMFADevice({ VirtualMFADeviceName: "phone" });
  const app = authenticator(device?.Base32StringSeed);
  const codes = { AuthenticationCode1: app(0), AuthenticationCode2: app(1) };
  await iam.enableMFADevice({ UserName: "ada", SerialNumber: device?.SerialNumber, ...codes });
  const { AccessKey: key } = await iam.createAccessKey({ UserName: "ada" });
  await iam.createAccessKey({ UserName: "ada" });
  await iam.updateAccessKey({ UserName: "ada", AccessKeyId: key?.AccessKeyId, Status: "Active" });
  const credentials = { accessKeyId: key?.AccessKeyId ?? "", secretAccessKey: key?.SecretAccessKey ?? "" };
  const ada = new STS({ ...clientConfig, credentials, region: "us-east-1" });
  t.after(() => ada.destroy());
  await ada.getCallerIdentity({});
  await noted("iam-access-key-use", credentials.accessKeyId);

  const begun = await iam.generateCredentialReport({});
  assert.deepEqual(
    [begun.State, begun.Description],
    ["STARTED", "No report exists. Starting a new report generation task"],
  );
  assert.equal((await iam.generateCredentialReport({})).State, "COMPLETE");
  const { Content, ReportFormat, GeneratedTime } = await iam.getCredentialReport({});
  assert.equal(ReportFormat, "text/csv");
  assert.ok(Math.abs(Number(GeneratedTime) - Date.now()) < 60_000);
  const [header = [], root = [], first = [], second = [], ...more] = Buffer.from(Content ?? [])
    .toString()
    .split("\n")
    .map((it) => it.split(","));
  assert.equal(
    header.join(),
    "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,password_next_rotation,mfa_active," +
      "access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,access_key_1_last_used_service," +
      "access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service," +
      "cert_1_active,cert_1_last_rotated,cert_2_active,cert_2_last_rotated",
  );
  const told = (row: string[]) => Object.fromEntries(header.map((it, n) => [it, row[n] ?? ""]));
  assert.deepEqual(
    [more, root.slice(0, 2), told(root)["password_enabled"], told(root)["access_key_1_last_used_service"]],
    [[], ["<root_account>", "arn:aws:iam::111122223333:root"], "not_supported", "iam"],
  );
  const adas = told(first);
  assert.deepEqual(
    [adas["user"], adas["arn"], adas["password_enabled"], adas["mfa_active"]],
    ["ada", "arn:aws:iam::111122223333:user/staff/ada", "true", "true"],
  );
  assert.match(adas["user_creation_time"] ?? "", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$/);
  const days =
    Date.parse(adas["password_next_rotation"] ?? "") - Date.parse(adas["password_last_changed"] ?? "");
  assert.equal(days, 90 * 86_400_000);
  assert.deepEqual(first.slice(11, 13), ["us-east-1", "sts"]);
  assert.deepEqual(first.slice(15, 18), ["N/A", "N/A", "N/A"]);
  assert.equal(
    second.slice(3).join(),
    "false,N/A,N/A,N/A,false,false,N/A,N/A,N/A,N/A,false,N/A,N/A,N/A,N/A,false,N/A,false,N/A",
  );
  // It is as it was made until it is four hours old.
  await iam.deleteUser({ UserName: "bob" });
  await iam.generateCredentialReport({});
  assert.match(Buffer.from((await iam.getCredentialReport({})).Content ?? []).toString(), /^bob,/m);
});

test("a report is expired after four hours, and made anew", limit, async (t) => {
  const { iam, refused, store, feed } = await iamScene(t);
  await iam.generateCredentialReport({});
  const [entry] = feed.list<CredentialReportRecord>("iam-credential-report/");
  const aged = async (minutes: number) => {
    const generatedAt = new Date(Date.now() - minutes * 60_000).toISOString();
    const put = [{ key: entry?.key ?? "", value: { ...entry?.value, generatedAt } }];
    await feed.reached((await store.commit({ put })).revision);
  };
  await aged(239);
  await iam.getCredentialReport({});
  await aged(241);
  await refused(iam.getCredentialReport({}), "CredentialReportExpiredException");
  assert.equal((await iam.generateCredentialReport({})).State, "STARTED");
  await iam.getCredentialReport({});
});

test("a role knows when its sessions signed last, and forgets it with itself", limit, async (t) => {
  const { iam, clientConfig, noted } = await iamScene(t);
  const role = { RoleName: "reader" };
  await iam.createUser({ UserName: "ada" });
  const trust = JSON.stringify({
    Version: "2012-10-17",
    Statement: {
      Effect: "Allow",
      Principal: { AWS: "arn:aws:iam::111122223333:user/ada" },
      Action: "sts:AssumeRole",
    },
  });
  await iam.createRole({ ...role, AssumeRolePolicyDocument: trust });
  assert.deepEqual((await iam.getRole(role)).Role?.RoleLastUsed, {});
  const { AccessKey: key } = await iam.createAccessKey({ UserName: "ada" });
  const credentials = { accessKeyId: key?.AccessKeyId ?? "", secretAccessKey: key?.SecretAccessKey ?? "" };
  const ada = new STS({ ...clientConfig, credentials });
  const RoleArn = "arn:aws:iam::111122223333:role/reader";
  const { Credentials: given } = await ada.assumeRole({ RoleArn, RoleSessionName: "me" });
  assert.deepEqual((await iam.getRole(role)).Role?.RoleLastUsed, {});
  const ec2 = new EC2({
    ...clientConfig,
    region: "us-east-1",
    credentials: {
      accessKeyId: given?.AccessKeyId ?? "",
      secretAccessKey: given?.SecretAccessKey ?? "",
      sessionToken: given?.SessionToken ?? "",
    },
  });
  t.after(() => [ada, ec2].forEach((it) => it.destroy()));
  await assert.rejects(ec2.describeVpcs({}), { name: "UnauthorizedOperation" });
  await noted("iam-role-use");
  const { RoleLastUsed: used } = (await iam.getRole(role)).Role ?? {};
  assert.ok(Math.abs(Number(used?.LastUsedDate) - Date.now()) < 90_000);
  const { RoleDetailList: [detail] = [] } = await iam.getAccountAuthorizationDetails({ Filter: ["Role"] });
  assert.deepEqual(detail?.RoleLastUsed, used);
  await iam.deleteRole(role);
  await iam.createRole({ ...role, AssumeRolePolicyDocument: trust });
  assert.deepEqual((await iam.getRole(role)).Role?.RoleLastUsed, {});
});
