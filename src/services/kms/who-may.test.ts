import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { IAM } from "@aws-sdk/client-iam";
import { KMS } from "@aws-sdk/client-kms";
import { STS } from "@aws-sdk/client-sts";
import { testRegion } from "#testing/region.ts";

const limit = { timeout: 30_000 };
const account = "111122223333";
const rootArn = `arn:aws:iam::${account}:root`;
const adaArn = `arn:aws:iam::${account}:user/ada`;
const Plaintext = Buffer.from("attack at dawn");

type Statement = Readonly<Record<string, unknown>>;
const document = (...statements: Statement[]) =>
  JSON.stringify({
    Version: "2012-10-17",
    Statement: statements.map((it) => ({ Effect: "Allow", Action: "kms:*", Resource: "*", ...it })),
  });
const by = (AWS: string | string[]) => ({ Principal: { AWS } });

/** A key, and a user "ada" who has no policy. */
async function scene(t: TestContext) {
  const region = await testRegion(t);
  const [kms, iam] = [new KMS(region.clientConfig), new IAM(region.clientConfig)];
  t.after(() => [kms, iam].forEach((it) => it.destroy()));
  const user = async (UserName: string) => {
    await iam.createUser({ UserName });
    const { AccessKey: key } = await iam.createAccessKey({ UserName });
    return { accessKeyId: key?.AccessKeyId ?? "", secretAccessKey: key?.SecretAccessKey ?? "" };
  };
  const as = (credentials: object) => {
    const client = new KMS({ ...region.clientConfig, credentials: credentials as never });
    t.after(() => client.destroy());
    return client;
  };
  const credentials = await user("ada");
  const { KeyMetadata } = await kms.createKey({});
  const KeyId = KeyMetadata?.Arn ?? "";
  return {
    region,
    kms,
    iam,
    as,
    user,
    credentials,
    ada: as(credentials),
    KeyId,
    allow: (...statements: Statement[]) =>
      iam.putUserPolicy({ UserName: "ada", PolicyName: "p", PolicyDocument: document(...statements) }),
    keyPolicy: (...statements: Statement[]) =>
      kms.putKeyPolicy({
        KeyId,
        PolicyName: "default",
        Policy: document(...statements),
        BypassPolicyLockoutSafetyCheck: true,
      }),
  };
}

const denied = (call: Promise<unknown>, message: RegExp | string = /(?:)/) =>
  assert.rejects(call, { name: "AccessDeniedException", message });

test("a new key leaves it to the account's policies who may", limit, async (t) => {
  const { ada, allow, KeyId } = await scene(t);
  const encrypting = () => ada.encrypt({ KeyId, Plaintext });
  const who = `User: ${adaArn} is not authorized to perform: kms:Encrypt on resource: ${KeyId}`;
  await denied(encrypting(), `${who} because no identity-based policy allows the kms:Encrypt action`);
  await allow({ Action: "kms:Encrypt", Resource: KeyId });
  const { CiphertextBlob } = await encrypting();
  await denied(ada.decrypt({ CiphertextBlob }), /no identity-based policy allows the kms:Decrypt action$/);
  await allow({ Action: "kms:*" }, { Effect: "Deny", Action: "kms:Encrypt" });
  await denied(encrypting(), `${who} with an explicit deny in an identity-based policy`);
});

test(
  "a key whose policy does not name the account is nobody's but theirs whom it names, not even the root's",
  limit,
  async (t) => {
    const { ada, kms, allow, keyPolicy, KeyId } = await scene(t);
    await allow({});
    await keyPolicy({ ...by(adaArn), Action: "kms:Encrypt" });
    await denied(kms.describeKey({ KeyId }), /no resource-based policy allows the kms:DescribeKey action$/);
    await denied(ada.describeKey({ KeyId }), /no resource-based policy allows/);
    await denied(kms.scheduleKeyDeletion({ KeyId }));
    assert.ok((await ada.encrypt({ KeyId, Plaintext })).CiphertextBlob);
  },
);

test(
  "whom the key's policy names itself needs no policy of his own; one that denies him counts",
  limit,
  async (t) => {
    const { ada, allow, keyPolicy, KeyId } = await scene(t);
    await keyPolicy(by(rootArn), { ...by(adaArn), Action: "kms:Encrypt" });
    assert.ok((await ada.encrypt({ KeyId, Plaintext })).CiphertextBlob);
    await allow({ Effect: "Deny", Action: "kms:Encrypt" });
    await denied(ada.encrypt({ KeyId, Plaintext }));
    await allow({});
    await keyPolicy(by(rootArn), { ...by(adaArn), Effect: "Deny", Action: "kms:Encrypt" });
    await denied(ada.encrypt({ KeyId, Plaintext }), /explicit deny in a resource-based policy$/);
  },
);

test("who comes later by the name of one whom the policy names is not meant", limit, async (t) => {
  const { as, user, iam, credentials, keyPolicy, kms, KeyId } = await scene(t);
  await keyPolicy(by(rootArn), { ...by(adaArn), Action: "kms:Encrypt" });
  await iam.deleteAccessKey({ UserName: "ada", AccessKeyId: credentials.accessKeyId });
  await iam.deleteUser({ UserName: "ada" });
  const later = as(await user("ada"));
  await denied(later.encrypt({ KeyId, Plaintext }));
  const { Policy = "" } = await kms.getKeyPolicy({ KeyId });
  assert.match(Policy, /"AWS":"AIDA\w+"/);
});

test(
  "a policy that locks its caller out, or names nobody there is, is refused, and changes nothing",
  limit,
  async (t) => {
    const { kms, KeyId } = await scene(t);
    const put = (Policy: string) => kms.putKeyPolicy({ KeyId, PolicyName: "default", Policy });
    const before = await kms.getKeyPolicy({ KeyId });
    const malformed = (call: Promise<unknown>, message: RegExp) =>
      assert.rejects(call, { name: "MalformedPolicyDocumentException", message });
    await malformed(
      put(document({ ...by(adaArn), Action: "kms:*" })),
      /^The new key policy will not allow you to update the key policy in the future\.$/,
    );
    await malformed(
      put(document(by([rootArn, `arn:aws:iam::${account}:user/nobody`]))),
      /^Policy contains a statement with one or more invalid principals\.$/,
    );
    await malformed(put("{"), /./);
    await malformed(put(document({})), /principal/);
    await malformed(kms.createKey({ Policy: document({ ...by(adaArn) }) }), /will not allow you/);
    await assert.rejects(put(document(by(rootArn)) + " ".repeat(33_000)), { name: "LimitExceededException" });
    await assert.rejects(kms.getKeyPolicy({ KeyId, PolicyName: "other" }), { name: "NotFoundException" });
    assert.deepEqual((await kms.getKeyPolicy({ KeyId })).Policy, before.Policy);
    assert.deepEqual((await kms.listKeyPolicies({ KeyId })).PolicyNames, ["default"]);
  },
);

test(
  "policies may ask for the encryption context, the alias, tags, and who is behind the call",
  limit,
  async (t) => {
    const { ada, kms, allow, keyPolicy, KeyId } = await scene(t);
    const asks = (operator: string, condition: object) => ({ Condition: { [operator]: condition } });
    await allow(asks("StringEquals", { "kms:EncryptionContext:team": "blue" }));
    const { CiphertextBlob } = await ada.encrypt({ KeyId, Plaintext, EncryptionContext: { team: "blue" } });
    await denied(ada.encrypt({ KeyId, Plaintext, EncryptionContext: { team: "red" } }));
    await denied(ada.encrypt({ KeyId, Plaintext }));
    await ada.decrypt({ CiphertextBlob, EncryptionContext: { team: "blue" } });
    await denied(
      ada.reEncrypt({ CiphertextBlob, SourceEncryptionContext: { team: "blue" }, DestinationKeyId: KeyId }),
      /kms:ReEncryptTo/,
    );

    await kms.createAlias({ AliasName: "alias/a", TargetKeyId: KeyId });
    await allow(asks("StringEquals", { "kms:RequestAlias": "alias/a" }));
    await ada.encrypt({ KeyId: "alias/a", Plaintext });
    await denied(ada.encrypt({ KeyId, Plaintext }));
    await allow(asks("ForAnyValue:StringEquals", { "kms:ResourceAliases": "alias/a" }));
    await ada.encrypt({ KeyId, Plaintext });

    await allow(asks("StringEquals", { "aws:ResourceTag/team": "blue" }));
    await denied(ada.encrypt({ KeyId, Plaintext }));
    await kms.tagResource({ KeyId, Tags: [{ TagKey: "team", TagValue: "blue" }] });
    await ada.encrypt({ KeyId, Plaintext });

    await allow({});
    await keyPolicy({
      ...by("*"),
      ...asks("StringEquals", { "kms:ViaService": "ec2.eu-central-1.amazonaws.com" }),
    });
    await denied(ada.encrypt({ KeyId, Plaintext }));
    await denied(kms.encrypt({ KeyId, Plaintext }));
  },
);

test(
  "who may make keys may not tag them by it, and is told no state of what he may not use",
  limit,
  async (t) => {
    const { ada, kms, allow, KeyId } = await scene(t);
    await denied(ada.createKey({}));
    await allow({ Action: "kms:CreateKey" });
    await ada.createKey({});
    const Tags = [{ TagKey: "a", TagValue: "b" }];
    await denied(ada.createKey({ Tags }), /kms:TagResource/);
    await allow({
      Action: ["kms:CreateKey", "kms:TagResource"],
      Condition: { StringEquals: { "aws:RequestTag/a": "b" } },
    });
    await ada.createKey({ Tags });
    await kms.disableKey({ KeyId });
    await denied(ada.encrypt({ KeyId, Plaintext }));
  },
);

test(
  "a grant adds to what its grantee may, within its operations and its encryption context, until it is retired or revoked",
  limit,
  async (t) => {
    const { ada, kms, KeyId } = await scene(t);
    const { GrantId, GrantToken } = await kms.createGrant({
      KeyId,
      GranteePrincipal: adaArn,
      RetiringPrincipal: adaArn,
      Name: "g",
      Operations: ["Encrypt", "Decrypt", "DescribeKey"],
      Constraints: { EncryptionContextSubset: { team: "blue" } },
    });
    await ada.describeKey({ KeyId });
    const EncryptionContext = { team: "blue", more: "1" };
    const { CiphertextBlob } = await ada.encrypt({
      KeyId,
      Plaintext,
      EncryptionContext,
      GrantTokens: [GrantToken ?? ""],
    });
    await ada.decrypt({ CiphertextBlob, EncryptionContext });
    await denied(ada.encrypt({ KeyId, Plaintext, EncryptionContext: { team: "red" } }));
    await denied(ada.encrypt({ KeyId, Plaintext }));
    await denied(ada.generateDataKey({ KeyId, KeySpec: "AES_256", EncryptionContext }));
    await assert.rejects(kms.encrypt({ KeyId, Plaintext, GrantTokens: ["none"] }), {
      name: "InvalidGrantTokenException",
    });

    const { Grants } = await kms.listGrants({ KeyId, GranteePrincipal: adaArn });
    assert.deepEqual(
      Grants?.map((it) => [it.GrantId, it.Name, it.IssuingAccount, it.Operations, it.Constraints]),
      [
        [
          GrantId,
          "g",
          rootArn,
          ["Encrypt", "Decrypt", "DescribeKey"],
          { EncryptionContextSubset: { team: "blue" } },
        ],
      ],
    );
    const same = { KeyId, GranteePrincipal: adaArn, Name: "again", Operations: ["Encrypt" as const] };
    const [first, second] = [await kms.createGrant(same), await kms.createGrant(same)];
    assert.equal(first.GrantId, second.GrantId);
    assert.equal((await kms.listGrants({ KeyId })).Grants?.length, 2);
    assert.equal((await kms.listRetirableGrants({ RetiringPrincipal: adaArn })).Grants?.length, 1);
    await denied(ada.revokeGrant({ KeyId, GrantId }));
    await ada.retireGrant({ GrantToken });
    await denied(ada.describeKey({ KeyId }));
    await denied(ada.retireGrant({ KeyId, GrantId: first.GrantId }));
    await ada.encrypt({ KeyId, Plaintext });
    await kms.revokeGrant({ KeyId, GrantId: first.GrantId });
    await denied(ada.encrypt({ KeyId, Plaintext }));
    await assert.rejects(kms.revokeGrant({ KeyId, GrantId: first.GrantId }), { name: "NotFoundException" });
  },
);

test("who may make grants by a grant gives no more than he has", limit, async (t) => {
  const { ada, as, user, kms, KeyId } = await scene(t);
  const bob = as(await user("bob"));
  const bobArn = `arn:aws:iam::${account}:user/bob`;
  const EncryptionContextEquals = { team: "blue" };
  await kms.createGrant({
    KeyId,
    GranteePrincipal: adaArn,
    Operations: ["Encrypt", "CreateGrant"],
    Constraints: { EncryptionContextEquals },
  });
  const give = (Operations: ("Encrypt" | "Decrypt")[], Constraints?: object) =>
    ada.createGrant({ KeyId, GranteePrincipal: bobArn, Operations, ...(Constraints && { Constraints }) });
  await denied(give(["Encrypt", "Decrypt"], { EncryptionContextEquals }));
  await denied(give(["Encrypt"]));
  await denied(give(["Encrypt"], { EncryptionContextSubset: EncryptionContextEquals }));
  await give(["Encrypt"], { EncryptionContextEquals });
  await bob.encrypt({ KeyId, Plaintext, EncryptionContext: { team: "blue" } });
  await denied(bob.encrypt({ KeyId, Plaintext, EncryptionContext: { team: "blue", more: "1" } }));
});

test("grants that cannot be are refused", limit, async (t) => {
  const { kms, KeyId } = await scene(t);
  const grant = (input: object) =>
    kms.createGrant({ KeyId, GranteePrincipal: adaArn, Operations: ["Encrypt"], ...input });
  for (const [input, name] of [
    [{ Operations: ["Sign"] }, "ValidationException"],
    [{ GranteePrincipal: `arn:aws:iam::${account}:user/nobody` }, "InvalidArnException"],
    [{ GranteePrincipal: "ada" }, "InvalidArnException"],
    [{ Name: "a name" }, "ValidationException"],
    [{ Constraints: { SourceArn: "arn:aws:s3:::a-bucket-of-mine" } }, "UnsupportedOperationException"],
  ] as const)
    await assert.rejects(grant(input), { name }, JSON.stringify(input));
  await assert.rejects(kms.retireGrant({}), { name: "ValidationException" });
  assert.deepEqual((await kms.listGrants({ KeyId })).Grants, []);
});

test("a role's session may what the key's policy or a grant gives its role", limit, async (t) => {
  const { region, iam, as, credentials, allow, keyPolicy, kms, KeyId } = await scene(t);
  await allow({ Action: "sts:AssumeRole" });
  const trust = {
    Version: "2012-10-17",
    Statement: { Effect: "Allow", ...by(adaArn), Action: "sts:AssumeRole" },
  };
  const { Role } = await iam.createRole({ RoleName: "app", AssumeRolePolicyDocument: JSON.stringify(trust) });
  const sts = new STS({ ...region.clientConfig, credentials });
  t.after(() => sts.destroy());
  const { Credentials: it } = await sts.assumeRole({ RoleArn: Role?.Arn, RoleSessionName: "session" });
  const app = as({
    accessKeyId: it?.AccessKeyId,
    secretAccessKey: it?.SecretAccessKey,
    sessionToken: it?.SessionToken,
  });
  await denied(app.encrypt({ KeyId, Plaintext }));
  await kms.createGrant({ KeyId, GranteePrincipal: Role?.Arn, Operations: ["Encrypt"] });
  await app.encrypt({ KeyId, Plaintext });
  await denied(app.generateDataKey({ KeyId, KeySpec: "AES_256" }));
  await keyPolicy(by(rootArn), { ...by(Role?.Arn ?? ""), Action: "kms:GenerateDataKey" });
  await app.generateDataKey({ KeyId, KeySpec: "AES_256" });
});

test(
  "another account's key is used where both its policy and the caller's own allow it, and never managed",
  limit,
  async (t) => {
    const { region, as, keyPolicy, kms, KeyId } = await scene(t);
    const other = await region.newAccount("222233334444");
    const theirs = as(other.clientConfig.credentials);
    await denied(theirs.encrypt({ KeyId, Plaintext }), /no resource-based policy allows/);
    await keyPolicy(by(rootArn), {
      ...by("arn:aws:iam::222233334444:root"),
      Action: ["kms:Encrypt", "kms:Decrypt"],
    });
    const { CiphertextBlob } = await theirs.encrypt({ KeyId, Plaintext });
    assert.deepEqual(Buffer.from((await theirs.decrypt({ CiphertextBlob })).Plaintext ?? []), Plaintext);
    await kms.decrypt({ CiphertextBlob });
    const iam = new IAM(other.clientConfig);
    t.after(() => iam.destroy());
    await iam.createUser({ UserName: "eve" });
    const { AccessKey: key } = await iam.createAccessKey({ UserName: "eve" });
    const eve = as({ accessKeyId: key?.AccessKeyId, secretAccessKey: key?.SecretAccessKey });
    await denied(eve.encrypt({ KeyId, Plaintext }), /no identity-based policy allows/);
    await assert.rejects(theirs.disableKey({ KeyId }), { name: "NotFoundException" });
    await assert.rejects(theirs.describeKey({ KeyId: KeyId.split("/")[1] ?? "" }), {
      name: "NotFoundException",
    });
    assert.deepEqual((await theirs.listKeys({})).Keys, []);
  },
);
