import assert from "node:assert/strict";
import { test } from "node:test";
import type * as iamModule from "@aws-sdk/client-iam";
import * as stsModule from "@aws-sdk/client-sts";
import { authenticator } from "#testing/authenticator.ts";
import { testCertificate } from "#testing/certificates.ts";
import { every } from "./every.ts";

/** Every operation and paginator of what users sign in with beside access keys; `sdk` is the module that notes which were used. */
export function iamCredentialTests(sdk: typeof iamModule, iam: iamModule.IAM): void {
  const inPages = { client: iam, pageSize: 1 };
  const user = { UserName: "grace" };

  test("a user has an MFA device, by whose codes sessions are made", async () => {
    await iam.createUser(user);
    const { VirtualMFADevice: made } = await iam.createVirtualMFADevice({
      VirtualMFADeviceName: "phone",
      Tags: [{ Key: "a", Value: "1" }],
    });
    await iam.createVirtualMFADevice({ VirtualMFADeviceName: "tablet" });
    const device = { SerialNumber: made?.SerialNumber ?? "" };
    const app = authenticator(made?.Base32StringSeed);
    const codes = (step: number) => ({
      AuthenticationCode1: app(step),
      AuthenticationCode2: app(step + 1),
    });
    await iam.tagMFADevice({ ...device, Tags: [{ Key: "b", Value: "2" }] });
    assert.equal((await every(sdk.paginateListMFADeviceTags(inPages, device), (it) => it.Tags)).length, 2);
    await iam.untagMFADevice({ ...device, TagKeys: ["a", "b"] });
    await iam.enableMFADevice({ ...user, ...device, ...codes(-9) });
    await iam.resyncMFADevice({ ...user, ...device, ...codes(-5) });
    const all = await every(sdk.paginateListVirtualMFADevices(inPages, {}), (it) => it.VirtualMFADevices);
    assert.deepEqual(
      all.map((it) => it.User?.UserName),
      ["grace", undefined],
    );
    const [listed] = await every(sdk.paginateListMFADevices(inPages, user), (it) => it.MFADevices);
    assert.equal(listed?.SerialNumber, device.SerialNumber);
    assert.equal((await iam.getMFADevice({ ...user, ...device })).UserName, "grace");
    const { AccessKey: key } = await iam.createAccessKey(user);
    const credentials = { accessKeyId: key?.AccessKeyId ?? "", secretAccessKey: key?.SecretAccessKey ?? "" };
    const grace = new stsModule.STS({ credentials });
    await assert.rejects(grace.getSessionToken({ ...device, TokenCode: app(-5) }), { name: "AccessDenied" });
    assert.ok((await grace.getSessionToken({ ...device, TokenCode: app(-3) })).Credentials?.SessionToken);
    grace.destroy();
    await iam.deleteAccessKey({ ...user, AccessKeyId: credentials.accessKeyId });
    await assert.rejects(iam.deleteUser(user), { name: "DeleteConflictException" });
    await iam.deactivateMFADevice({ ...user, ...device });
    for (const SerialNumber of all.map((it) => it.SerialNumber))
      await iam.deleteVirtualMFADevice({ SerialNumber });
    await iam.deleteUser(user);
  });

  test("a user has a password, as the account's policy asks for, and changes it", async () => {
    await iam.createUser(user);
    await assert.rejects(iam.getAccountPasswordPolicy({}), { name: "NoSuchEntityException" });
    await iam.updateAccountPasswordPolicy({ MinimumPasswordLength: 10, AllowUsersToChangePassword: true });
    const { PasswordPolicy } = await iam.getAccountPasswordPolicy({});
    assert.equal(PasswordPolicy?.MinimumPasswordLength, 10);
    await assert.rejects(iam.createLoginProfile({ ...user, Password: "short" }), {
      name: "PasswordPolicyViolationException",
    });
    await iam.createLoginProfile({ ...user, Password: "correct-horse", PasswordResetRequired: true });
    assert.equal((await iam.getLoginProfile(user)).LoginProfile?.PasswordResetRequired, true);
    await iam.updateLoginProfile({ ...user, Password: "battery-staple" });
    const { AccessKey: key } = await iam.createAccessKey(user);
    const credentials = { accessKeyId: key?.AccessKeyId ?? "", secretAccessKey: key?.SecretAccessKey ?? "" };
    const grace = new sdk.IAM({ credentials });
    await grace.changePassword({ OldPassword: "battery-staple", NewPassword: "third-time-lucky" });
    grace.destroy();
    await iam.deleteAccessKey({ ...user, AccessKeyId: credentials.accessKeyId });
    await assert.rejects(iam.deleteUser(user), { name: "DeleteConflictException" });
    await iam.deleteLoginProfile(user);
    await iam.deleteAccountPasswordPolicy({});
    await iam.deleteUser(user);
  });

  test("the credential report tells what users sign in with", async () => {
    await iam.createUser(user);
    await assert.rejects(iam.getCredentialReport({}), { name: "CredentialReportNotPresentException" });
    assert.equal((await iam.generateCredentialReport({})).State, "STARTED");
    assert.equal((await iam.generateCredentialReport({})).State, "COMPLETE");
    const { Content } = await iam.getCredentialReport({});
    assert.match(Buffer.from(Content ?? []).toString(), /^user,arn,.*\n<root_account>,[^]*^grace,arn/m);
    await iam.deleteUser(user);
  });

  test("server certificates are uploaded with their keys, listed, tagged, renamed and deleted", async () => {
    const { certificate: CertificateBody, key: PrivateKey } = testCertificate("web");
    const web = { ServerCertificateName: "web" };
    await iam.uploadServerCertificate({ ...web, CertificateBody, PrivateKey });
    await iam.uploadServerCertificate({ ServerCertificateName: "other", CertificateBody, PrivateKey });
    await assert.rejects(
      iam.uploadServerCertificate({
        ServerCertificateName: "bad",
        CertificateBody,
        PrivateKey: testCertificate("bad").key,
      }),
      { name: "KeyPairMismatchException" },
    );
    const { ServerCertificate } = await iam.getServerCertificate(web);
    assert.equal(ServerCertificate?.CertificateBody, CertificateBody);
    const Tags = [
      { Key: "a", Value: "1" },
      { Key: "b", Value: "2" },
    ];
    await iam.tagServerCertificate({ ...web, Tags });
    assert.deepEqual(await every(sdk.paginateListServerCertificateTags(inPages, web), (it) => it.Tags), Tags);
    await iam.untagServerCertificate({ ...web, TagKeys: ["a", "b"] });
    await iam.updateServerCertificate({ ...web, NewServerCertificateName: "site" });
    const all = await every(
      sdk.paginateListServerCertificates(inPages, {}),
      (it) => it.ServerCertificateMetadataList,
    );
    assert.deepEqual(
      all.map((it) => it.ServerCertificateName),
      ["other", "site"],
    );
    for (const { ServerCertificateName } of all) await iam.deleteServerCertificate({ ServerCertificateName });
  });
}
