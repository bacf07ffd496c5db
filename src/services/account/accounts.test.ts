import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test, type TestContext } from "node:test";
import { EC2 } from "@aws-sdk/client-ec2";
import * as sdk from "@aws-sdk/client-iam";
import { IAM } from "@aws-sdk/client-iam";
import { STS } from "@aws-sdk/client-sts";
import { iamOperations } from "#services/iam/operations.ts";
import { testCertificate } from "#testing/certificates.ts";
import { makeSamlProvider } from "#testing/saml-provider.ts";
import { testRegion, type TestRegion } from "#testing/region.ts";
import { shapeRow, structRow, type WireTable } from "#wire/table.ts";

const limit = { timeout: 60_000 };
const [first, second, third] = ["111122223333", "222233334444", "333344445555"];

/** A region with a second account. */
async function scene(t: TestContext) {
  const region = await testRegion(t, { launchSlots: 8 });
  const other = await region.newAccount(second);
  const clientsOf = (config: TestRegion["clientConfig"]) => {
    const clients = { iam: new IAM(config), sts: new STS(config) };
    t.after(() => Object.values(clients).forEach((it) => it.destroy()));
    return clients;
  };
  return {
    region,
    one: { client: region.client, ...clientsOf(region.clientConfig) },
    other: { ...other, ...clientsOf(other.clientConfig) },
  };
}

test("each account's root is told its own account, and its key names it", limit, async (t) => {
  const { one, other } = await scene(t);
  assert.equal((await one.sts.getCallerIdentity({})).Arn, `arn:aws:iam::${first}:root`);
  assert.equal((await other.sts.getCallerIdentity({})).Arn, `arn:aws:iam::${second}:root`);
  const { accessKeyId } = other.clientConfig.credentials;
  assert.equal((await one.sts.getAccessKeyInfo({ AccessKeyId: accessKeyId })).Account, second);
});

test(
  "a root's secret is kept sealed only, and only the first account's root makes accounts",
  limit,
  async (t) => {
    const { region, one, other } = await scene(t);
    const { secretAccessKey } = other.clientConfig.credentials;
    const kept = JSON.stringify((await region.store.list("")).entries);
    assert.ok(kept.includes(other.clientConfig.credentials.accessKeyId) && !kept.includes(secretAccessKey));

    await assert.rejects(region.newAccount(second), /AccountAlreadyExists/);
    await assert.rejects(region.newAccount(first), /AccountAlreadyExists/);
    await assert.rejects(region.newAccount("12"), /ValidationException/);
    await assert.rejects(
      region.callCroft("CreateAccount", { Name: "x" }, other.clientConfig.credentials),
      /AccessDeniedException/,
    );
    await one.iam.createUser({ UserName: "admin" });
    await one.iam.attachUserPolicy({
      UserName: "admin",
      PolicyArn: "arn:aws:iam::aws:policy/AdministratorAccess",
    });
    const { AccessKey: key } = await one.iam.createAccessKey({ UserName: "admin" });
    const admin = { accessKeyId: key?.AccessKeyId ?? "", secretAccessKey: key?.SecretAccessKey ?? "" };
    for (const [operation, input] of [
      ["CreateAccount", { Name: "x" }],
      ["ReplaceRootKey", { AccountId: second }],
      ["ListAccounts", {}],
    ] as const)
      await assert.rejects(region.callCroft(operation, input, admin), /AccessDeniedException/);
  },
);

test("a new key of a root takes the place of the former", limit, async (t) => {
  const { region, other } = await scene(t);
  const { AccessKeyId, SecretAccessKey } = await region.callCroft("ReplaceRootKey", { AccountId: second });
  await assert.rejects(other.client.describeVpcs({}), { name: "AuthFailure" });
  const fresh = { accessKeyId: String(AccessKeyId), secretAccessKey: String(SecretAccessKey) };
  const sts = new STS({ ...region.clientConfig, credentials: fresh });
  t.after(() => sts.destroy());
  assert.equal((await sts.getCallerIdentity({})).Account, second);
  await assert.rejects(region.callCroft("ReplaceRootKey", { AccountId: third }), /AccountNotFound/);
  await assert.rejects(region.callCroft("ReplaceRootKey", { AccountId: first }), /croft env/);
});

test("a name that one account has is free in another", limit, async (t) => {
  const { one, other } = await scene(t);
  for (const { client, iam } of [one, other]) {
    await client.createKeyPair({ KeyName: "same" });
    await client.createSecurityGroup({ GroupName: "same", Description: "same" });
    await client.createLaunchTemplate({
      LaunchTemplateName: "same",
      LaunchTemplateData: { InstanceType: "t3.nano" },
    });
    await client.createPlacementGroup({ GroupName: "same", Strategy: "spread" });
    await iam.createUser({ UserName: "same" });
    await iam.createGroup({ GroupName: "same" });
    await iam.createInstanceProfile({ InstanceProfileName: "same" });
    await assert.rejects(client.createKeyPair({ KeyName: "same" }), { name: "InvalidKeyPair.Duplicate" });
    await assert.rejects(iam.createUser({ UserName: "same" }), { name: "EntityAlreadyExistsException" });
  }
});

test(
  "each account has a default VPC and the provided images, and instances run side by side",
  limit,
  async (t) => {
    const { region, one, other } = await scene(t);
    const launched = [];
    for (const { client } of [one, other]) {
      const { Vpcs: [vpc, ...more] = [] } = await client.describeVpcs({});
      assert.equal(vpc?.IsDefault, true);
      assert.equal(more.length, 0);
      const { Images: [image, ...others] = [] } = await client.describeImages({});
      assert.equal(image?.ImageOwnerAlias, "amazon");
      assert.equal(others.length, 0);
      const { Instances: [instance] = [] } = await client.runInstances({
        ImageId: image?.ImageId,
        InstanceType: "t3.nano",
        MinCount: 1,
        MaxCount: 1,
      });
      launched.push({ client, image, instance });
    }
    const [a, b] = launched;
    assert.equal(a?.image?.ImageId, b?.image?.ImageId);
    assert.notEqual(a?.instance?.VpcId, b?.instance?.VpcId);
    assert.equal(a?.instance?.NetworkInterfaces?.[0]?.OwnerId, first);
    assert.equal(b?.instance?.NetworkInterfaces?.[0]?.OwnerId, second);
    const ids = launched.map(({ instance }) => instance?.InstanceId ?? "");
    await region.until(() =>
      ids.every(
        (id) => region.regions.find("instance", id)?.records.get("instance", id)?.so.state === "running",
      ),
    );
    assert.deepEqual((await region.machines.list()).toSorted(), ids.toSorted());
    const seen = await other.client.describeInstances({});
    assert.deepEqual(
      seen.Reservations?.flatMap((it) => [it.OwnerId, it.Instances?.[0]?.InstanceId]),
      [second, ids[1]],
    );
  },
);

test("the first calls of an account write nothing twice, in any region", limit, async (t) => {
  const { region, other } = await scene(t);
  const away = new EC2({ ...other.clientConfig, region: "us-west-2" });
  t.after(() => away.destroy());
  const answers = await Promise.all(
    Array.from({ length: 16 }, (_, n) => (n % 2 ? away : other.client).describeVpcs({})),
  );
  assert.equal(new Set(answers.map(({ Vpcs }) => Vpcs?.[0]?.VpcId)).size, 2);
  const { entries } = await region.store.list(`vpc/${second}/`);
  assert.equal(entries.length, 2);
  assert.deepEqual((await region.store.list(`vpc/${first}/us-west-2/`)).entries, []);
});

test(
  "a key or a session of one account is none of another, and its messages open in it alone",
  limit,
  async (t) => {
    const { region, one, other } = await scene(t);
    const { Credentials: temporary } = await other.sts.getSessionToken({});
    const session = {
      accessKeyId: temporary?.AccessKeyId ?? "",
      secretAccessKey: temporary?.SecretAccessKey ?? "",
      sessionToken: temporary?.SessionToken ?? "",
    };
    const asSession = new EC2({ ...region.clientConfig, credentials: session });
    const mixed = new EC2({
      ...region.clientConfig,
      credentials: { ...session, accessKeyId: region.clientConfig.credentials.accessKeyId },
    });
    t.after(() => [asSession, mixed].forEach((it) => it.destroy()));
    assert.deepEqual((await asSession.describeVpcs({})).Vpcs, (await other.client.describeVpcs({})).Vpcs);
    await assert.rejects(mixed.describeVpcs({}), { name: "AuthFailure" });

    await other.iam.createUser({ UserName: "nobody" });
    const { AccessKey: key } = await other.iam.createAccessKey({ UserName: "nobody" });
    const credentials = { accessKeyId: key?.AccessKeyId ?? "", secretAccessKey: key?.SecretAccessKey ?? "" };
    const nobody = new EC2({ ...region.clientConfig, credentials });
    t.after(() => nobody.destroy());
    const { message } = await nobody.describeVpcs({}).then(
      () => assert.fail("allowed"),
      (error: Error) => error,
    );
    const EncodedMessage = /message: (\S+)$/.exec(message)?.[1] ?? assert.fail(message);
    assert.match(
      (await other.sts.decodeAuthorizationMessage({ EncodedMessage })).DecodedMessage ?? "",
      new RegExp(`${second}:user/nobody`),
    );
    await assert.rejects(one.sts.decodeAuthorizationMessage({ EncodedMessage }), {
      name: "InvalidAuthorizationMessageException",
    });
  },
);

test(
  "the instances of every account and region are stopped by the first account's root",
  limit,
  async (t) => {
    const { region, one, other } = await scene(t);
    const away = new EC2({ ...other.clientConfig, region: "us-west-2" });
    t.after(() => away.destroy());
    const ids: string[] = [];
    for (const client of [one.client, other.client, away]) {
      const { Images: [image] = [] } = await client.describeImages({});
      const { Instances: [instance] = [] } = await client.runInstances({
        ImageId: image?.ImageId,
        InstanceType: "t3.nano",
        MinCount: 1,
        MaxCount: 1,
      });
      ids.push(instance?.InstanceId ?? "");
    }
    const { credentials } = other.clientConfig;
    await assert.rejects(region.callCroft("StopInstances", {}, credentials), /AccessDeniedException/);
    for (;;) {
      const { Left: left } = await region.callCroft("StopInstances", {});
      if (Array.isArray(left) && left.length === 0) break;
    }
    for (const id of ids)
      assert.equal(region.regions.find("instance", id)?.records.get("instance", id)?.so.state, "stopped");
  },
);

test("IAM answers of another account's as of what nobody has, and leaves it as it is", limit, async (t) => {
  const { region, one, other } = await scene(t);
  const { iam } = one;
  const allow = JSON.stringify({
    Version: "2012-10-17",
    Statement: { Effect: "Allow", Action: "*", Resource: "*" },
  });
  await iam.createUser({ UserName: "theirs" });
  await iam.createGroup({ GroupName: "theirs" });
  await iam.createPolicy({ PolicyName: "theirs", PolicyDocument: allow });
  await iam.createInstanceProfile({ InstanceProfileName: "theirs" });
  await iam.createAccountAlias({ AccountAlias: "theirs" });
  await iam.createRole({
    RoleName: "theirs",
    AssumeRolePolicyDocument: JSON.stringify({
      Version: "2012-10-17",
      Statement: { Effect: "Allow", Principal: { AWS: first }, Action: "sts:AssumeRole" },
    }),
  });
  await iam.createVirtualMFADevice({ VirtualMFADeviceName: "theirs" });
  await iam.createOpenIDConnectProvider({ Url: "https://theirs.example" });
  const SAMLMetadataDocument = (await makeSamlProvider(t)).metadata;
  await iam.createSAMLProvider({ Name: "theirs", SAMLMetadataDocument });
  await iam.createLoginProfile({ UserName: "theirs", Password: "Correct-horse-1" });
  await iam.updateAccountPasswordPolicy({});
  await iam.generateCredentialReport({});
  const { certificate: CertificateBody, key: PrivateKey } = testCertificate("theirs");
  await iam.uploadServerCertificate({ ServerCertificateName: "theirs", CertificateBody, PrivateKey });
  const { AccessKey: key } = await iam.createAccessKey({ UserName: "theirs" });
  const records = async () =>
    (await region.store.list("")).entries
      .filter((it) => it.key.split("/")[1] === first && !it.key.startsWith("iam-access-key-use/"))
      .map((it) => `${it.key} ${it.revision}`);
  const before = await records();

  let asked = 0;
  // What names nothing and does it is answered otherwise the second time.
  const left = /^Create|^Generate|^DeleteAccountPasswordPolicy|Simulate|Custom/;
  for (const operation of Object.keys(iamOperations).filter((it) => !left.test(it))) {
    const ask = async (name: string, accessKeyId: string) => {
      const values: Record<string, string> = {
        AccessKeyId: accessKeyId,
        PolicyArn: `arn:aws:iam::${first}:policy/${name}`,
        PermissionsBoundary: `arn:aws:iam::${first}:policy/${name}`,
        PolicySourceArn: `arn:aws:iam::${first}:user/${name}`,
        PolicyDocument: allow,
        VersionId: "v1",
        SerialNumber: `arn:aws:iam::${first}:mfa/${name}`,
        AuthenticationCode1: "123456",
        AuthenticationCode2: "654321",
        SAMLProviderArn: `arn:aws:iam::${first}:saml-provider/${name}`,
        OpenIDConnectProviderArn: `arn:aws:iam::${first}:oidc-provider/${name}.example`,
      };
      const [, required, members] = structRow(wire, wire.operations[operation]?.[0]);
      const input = Object.fromEntries(
        members.slice(0, required).map(([member, shape]) => {
          const row = shapeRow(wire, shape);
          if (row[0] === "list") return [member, []];
          return [member, row[0] === "enum" ? row[1][0] : (values[member] ?? name)];
        }),
      );
      try {
        const { $metadata: _, ...output } = await other.iam.send(
          new (Reflect.get(sdk, `${operation}Command`))(input),
        );
        return JSON.stringify(output);
      } catch (error) {
        return String(error);
      }
    };
    const ofTheirs = await ask("theirs", key?.AccessKeyId ?? "");
    const ofNobodys = await ask("nobodys", "AKIAQQQQQQQQQQQQQQQQ");
    const alike = (text: string) =>
      text.replaceAll(/theirs|nobodys/g, "NAME").replaceAll(/AKIA\w{16}/g, "KEY");
    assert.equal(alike(ofTheirs), alike(ofNobodys), operation);
    asked++;
  }
  assert.ok(asked > 60, `${asked} operations`);
  assert.deepEqual(await records(), before);
});

const wire: WireTable = JSON.parse(
  readFileSync(new URL("../../wire/generated/iam.generated.json", import.meta.url), "utf8"),
);
