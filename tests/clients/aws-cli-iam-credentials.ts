import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { authenticator } from "#testing/authenticator.ts";
import { testCertificate } from "#testing/certificates.ts";
import type { awsCli } from "./aws-cli.ts";

type Cli = ReturnType<typeof awsCli>;

/** For which a code is of use: RFC 6238's default. */
const stepMs = 30_000;

/** Every operation and paginator of what users sign in with beside access keys, that Debian's CLI knows. `files`: a folder for its files. */
export function iamCredentialTests(
  aws: Cli,
  /** The CLI with these variables of its environment: another caller's. */
  awsAs: (environment: Readonly<Record<string, string>>) => Cli,
  files: string,
): void {
  const user = "--user-name grace";
  const line = async (command: string) => (await aws.rows(`iam ${command}`)).flat();

  test("a user has an MFA device, by whose codes sessions are made", async () => {
    const seedFile = join(files, "seed");
    await line(`create-user ${user}`);
    const create =
      "create-virtual-mfa-device --virtual-mfa-device-name phone --query VirtualMFADevice.SerialNumber";
    const [serial] = await line(`${create} --bootstrap-method Base32StringSeed --outfile ${seedFile}`);
    const device = `--serial-number ${serial}`;
    const seed = readFileSync(seedFile);
    // Each command takes a while: codes are of when it is called.
    const app = (step: number) => authenticator(seed)(step);
    const codes = (step: number) =>
      `--authentication-code1 ${app(step)} --authentication-code2 ${app(step + 1)}`;
    await line(`tag-mfa-device ${device} --tags Key=a,Value=1`);
    assert.deepEqual(await line(`list-mfa-device-tags ${device} --query Tags[].Key`), ["a"]);
    await line(`untag-mfa-device ${device} --tag-keys a`);
    const wrong = "--authentication-code1 000000 --authentication-code2 000000";
    assert.equal(
      await aws.refusal(`iam enable-mfa-device ${user} ${device} ${wrong}`),
      "InvalidAuthenticationCode",
    );
    await line(`enable-mfa-device ${user} ${device} ${codes(-9)}`);
    // What the device's clock is found to be must not depend on when in its step the command is answered.
    const left = stepMs - (Date.now() % stepMs);
    if (left < stepMs / 3) await sleep(left);
    await line(`resync-mfa-device ${user} ${device} ${codes(-5)}`);
    const [[keyId = "", secret = ""], ...lists] = await Promise.all([
      line(`create-access-key ${user} --query AccessKey.[AccessKeyId,SecretAccessKey]`),
      line(`list-mfa-devices ${user} --page-size 1 --query MFADevices[].SerialNumber`),
      line("list-virtual-mfa-devices --page-size 1 --query VirtualMFADevices[].SerialNumber"),
    ]);
    assert.deepEqual(lists, [[serial], [serial]]);
    const grace = awsAs({ AWS_ACCESS_KEY_ID: keyId, AWS_SECRET_ACCESS_KEY: secret });
    const session = (step: number) => `sts get-session-token ${device} --token-code ${app(step)}`;
    assert.equal(await grace.refusal(session(-6)), "AccessDenied");
    await grace.text(session(-3));
    await line(`delete-access-key ${user} --access-key-id ${keyId}`);
    assert.equal(await aws.refusal(`iam delete-virtual-mfa-device ${device}`), "DeleteConflict");
    await line(`deactivate-mfa-device ${user} ${device}`);
    await line(`delete-virtual-mfa-device ${device}`);
    await line(`delete-user ${user}`);
  });

  test("a user has a password, as the account's policy asks for, and changes it", async () => {
    const policy =
      "update-account-password-policy --minimum-password-length 10 --allow-users-to-change-password";
    await Promise.all([line(`create-user ${user}`), line(policy)]);
    const create = `create-login-profile ${user} --password-reset-required --password`;
    assert.equal(await aws.refusal(`iam ${create} short`), "PasswordPolicyViolation");
    const [[keyId = "", secret = ""]] = await Promise.all([
      line(`create-access-key ${user} --query AccessKey.[AccessKeyId,SecretAccessKey]`),
      line(`${create} correct-horse`),
    ]);
    assert.deepEqual(
      await Promise.all([
        line("get-account-password-policy --query PasswordPolicy.MinimumPasswordLength"),
        line(`get-login-profile ${user} --query LoginProfile.PasswordResetRequired`),
      ]),
      [["10"], ["True"]],
    );
    await line(`update-login-profile ${user} --password battery-staple`);
    const grace = awsAs({ AWS_ACCESS_KEY_ID: keyId, AWS_SECRET_ACCESS_KEY: secret });
    await grace.text("iam change-password --old-password battery-staple --new-password third-time-lucky");
    await line(`delete-access-key ${user} --access-key-id ${keyId}`);
    assert.equal(await aws.refusal(`iam delete-user ${user}`), "DeleteConflict");
    await line(`delete-login-profile ${user}`);
    await Promise.all([line("delete-account-password-policy"), line(`delete-user ${user}`)]);
  });

  test("the credential report tells what users sign in with", async () => {
    assert.equal(await aws.refusal("iam get-credential-report"), "ReportNotPresent");
    assert.deepEqual(await line("generate-credential-report --query State"), ["STARTED"]);
    assert.deepEqual(await line("generate-credential-report --query State"), ["COMPLETE"]);
    const [content = ""] = await line("get-credential-report --query Content");
    assert.match(Buffer.from(content, "base64").toString(), /^user,arn,.*\n<root_account>,/);
  });

  test("server certificates are uploaded with their keys, listed, tagged, renamed and deleted", async () => {
    const { certificate, key } = testCertificate("web");
    const [body, privateKey, other] = [
      join(files, "web.pem"),
      join(files, "web.key"),
      join(files, "other.key"),
    ];
    writeFileSync(body, certificate);
    writeFileSync(privateKey, key, { mode: 0o600 });
    writeFileSync(other, testCertificate("other").key, { mode: 0o600 });
    const name = "--server-certificate-name web";
    const upload = `upload-server-certificate ${name} --certificate-body file://${body} --private-key file://`;
    assert.equal(await aws.refusal(`iam ${upload}${other}`), "KeyPairMismatch");
    await line(`${upload}${privateKey}`);
    await line(`tag-server-certificate ${name} --tags Key=a,Value=1`);
    const lists = await Promise.all([
      line("list-server-certificates --page-size 1 --query ServerCertificateMetadataList[].Path"),
      line(`list-server-certificate-tags ${name} --query Tags[].Key`),
      line(`get-server-certificate ${name} --query ServerCertificate.ServerCertificateMetadata.Arn`),
    ]);
    assert.deepEqual(lists, [["/"], ["a"], ["arn:aws:iam::000000000000:server-certificate/web"]]);
    await line(`untag-server-certificate ${name} --tag-keys a`);
    await line(`update-server-certificate ${name} --new-server-certificate-name site`);
    await line("delete-server-certificate --server-certificate-name site");
  });
}
