import assert from "node:assert/strict";
import { createHmac, createPrivateKey, createPublicKey } from "node:crypto";
import { test, type TestContext } from "node:test";
import { KMS } from "@aws-sdk/client-kms";
import { testRegion } from "#testing/region.ts";
import { encrypt } from "./ciphertext.ts";
import { openMaterial } from "./key-material.ts";
import { openServiceDataKey, serviceKey, useOfDataKey } from "./service-data-key.ts";

const limit = { timeout: 30_000 };
const account = "111122223333";
const [secret, day] = [Buffer.from("attack at dawn"), 86_400_000];
const arnOf = (id: string) => `arn:aws:kms:eu-central-1:${account}:key/${id}`;

async function scene(t: TestContext) {
  const clock = { now: new Date("2026-01-01T00:00:00Z") };
  const region = await testRegion(t, { now: () => clock.now });
  const kms = new KMS(region.clientConfig);
  t.after(() => kms.destroy());
  const { KeyMetadata } = await kms.createKey({ Description: "mine" });
  const KeyId = KeyMetadata?.KeyId ?? "";
  const record = (id = KeyId) =>
    region.kmsRecords.get("kms-key", { accountId: account, region: "eu-central-1" }, id);
  return {
    ...region,
    kms,
    KeyId,
    clock,
    record,
    later: (days: number) => (clock.now = new Date(+clock.now + days * day)),
  };
}

const refused = (call: Promise<unknown>, name: string, message: RegExp | string = /(?:)/) =>
  assert.rejects(call, { name, message });
const bytes = (it: Uint8Array | undefined) => Buffer.from(it ?? []).toString();

test(
  "a key is described as AWS describes it, and is found by its id, its ARN and its aliases",
  limit,
  async (t) => {
    const { kms, KeyId } = await scene(t);
    const { KeyMetadata: it } = await kms.describeKey({ KeyId });
    assert.deepEqual(
      [it?.Arn, it?.AWSAccountId, it?.Description, it?.Enabled, it?.KeyState, it?.KeyUsage, it?.KeySpec],
      [arnOf(KeyId), account, "mine", true, "Enabled", "ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT"],
    );
    assert.deepEqual([it?.KeyManager, it?.Origin, it?.MultiRegion], ["CUSTOMER", "AWS_KMS", false]);
    assert.deepEqual(it?.EncryptionAlgorithms, ["SYMMETRIC_DEFAULT"]);
    await kms.createAlias({ AliasName: "alias/mine", TargetKeyId: KeyId });
    for (const name of [KeyId, arnOf(KeyId), "alias/mine", `arn:aws:kms:eu-central-1:${account}:alias/mine`])
      assert.equal((await kms.describeKey({ KeyId: name })).KeyMetadata?.KeyId, KeyId);
    const unknown = "00000000-0000-4000-8000-000000000000";
    await refused(
      kms.describeKey({ KeyId: unknown }),
      "NotFoundException",
      `Key '${arnOf(unknown)}' does not exist`,
    );
    await refused(
      kms.describeKey({ KeyId: "alias/other" }),
      "NotFoundException",
      `Alias arn:aws:kms:eu-central-1:${account}:alias/other is not found.`,
    );
    await refused(kms.describeKey({ KeyId: "mine" }), "NotFoundException", "Invalid keyId 'mine'");
    await refused(kms.describeKey({ KeyId: "arn:aws:kms:here" }), "InvalidArnException");
    await refused(
      kms.describeKey({ KeyId: arnOf(KeyId).replace("eu-central-1", "us-east-1") }),
      "NotFoundException",
      "Invalid arn us-east-1",
    );
  },
);

test(
  "what is encrypted is decrypted with the same encryption context alone, by the key that the ciphertext names",
  limit,
  async (t) => {
    const { kms, KeyId } = await scene(t);
    const EncryptionContext = { a: "1", b: "2" };
    const { CiphertextBlob } = await kms.encrypt({ KeyId, Plaintext: secret, EncryptionContext });
    assert.ok(!Buffer.from(CiphertextBlob ?? []).includes(secret));
    const { Plaintext, KeyId: by } = await kms.decrypt({
      CiphertextBlob,
      EncryptionContext: { b: "2", a: "1" },
    });
    assert.deepEqual([bytes(Plaintext), by], [secret.toString(), arnOf(KeyId)]);
    for (const other of [undefined, { a: "1" }, { a: "1", b: "3" }, { ...EncryptionContext, c: "3" }])
      await refused(
        kms.decrypt({ CiphertextBlob, ...(other && { EncryptionContext: other }) }),
        "InvalidCiphertextException",
      );
    const { KeyMetadata } = await kms.createKey({});
    await refused(
      kms.decrypt({ CiphertextBlob, EncryptionContext, KeyId: KeyMetadata?.KeyId }),
      "IncorrectKeyException",
      /does not identify a CMK/,
    );
  },
);

test(
  "a ciphertext of which any bit was changed is not decrypted, and neither is what is none",
  limit,
  async (t) => {
    const { kms, KeyId } = await scene(t);
    const { CiphertextBlob = new Uint8Array() } = await kms.encrypt({ KeyId, Plaintext: secret });
    for (const at of [0, 3, 10, 25, 30, 45, 60, CiphertextBlob.length - 1]) {
      const changed = Buffer.from(CiphertextBlob);
      changed[at] = (changed[at] ?? 0) ^ 1;
      await assert.rejects(
        kms.decrypt({ CiphertextBlob: changed }),
        /InvalidCiphertext|AccessDenied/,
        `byte ${at}`,
      );
    }
    for (const none of [Buffer.from("none"), Buffer.alloc(200)])
      await refused(kms.decrypt({ CiphertextBlob: none }), "InvalidCiphertextException");
    const foreign = encrypt(
      Buffer.alloc(32),
      { accountId: account, keyId: "00000000-0000-4000-8000-000000000000", version: 0 },
      secret,
      {},
    );
    await refused(
      kms.decrypt({ CiphertextBlob: foreign }),
      "AccessDeniedException",
      /The ciphertext refers to a customer master key that does not exist/,
    );
  },
);

test("the same text is never encrypted to the same, and 4 KiB are the most", limit, async (t) => {
  const { kms, KeyId } = await scene(t);
  const blobs = await Promise.all(
    Array.from({ length: 8 }, () => kms.encrypt({ KeyId, Plaintext: Buffer.alloc(4096) })),
  );
  const texts = blobs.map((it) => Buffer.from(it.CiphertextBlob ?? []).toString("base64"));
  assert.equal(new Set(texts).size, 8);
  await refused(kms.encrypt({ KeyId, Plaintext: Buffer.alloc(4097) }), "ValidationException", /4096/);
  await refused(kms.encrypt({ KeyId, Plaintext: Buffer.alloc(0) }), "ValidationException");
});

test("data keys come in the length that is asked for, and their ciphertext is theirs", limit, async (t) => {
  const { kms, KeyId } = await scene(t);
  for (const [asked, length] of [
    [{ KeySpec: "AES_256" }, 32],
    [{ KeySpec: "AES_128" }, 16],
    [{ NumberOfBytes: 64 }, 64],
  ] as const) {
    const { Plaintext, CiphertextBlob } = await kms.generateDataKey({ KeyId, ...asked });
    assert.equal(Plaintext?.length, length);
    assert.deepEqual((await kms.decrypt({ CiphertextBlob })).Plaintext, Plaintext);
  }
  const without = await kms.generateDataKeyWithoutPlaintext({ KeyId, KeySpec: "AES_256" });
  assert.ok(!("Plaintext" in without));
  assert.equal((await kms.decrypt({ CiphertextBlob: without.CiphertextBlob })).Plaintext?.length, 32);
  const either = "Please specify either number of bytes or key spec.";
  await refused(kms.generateDataKey({ KeyId }), "ValidationException", either);
  await refused(
    kms.generateDataKey({ KeyId, KeySpec: "AES_256", NumberOfBytes: 32 }),
    "ValidationException",
    either,
  );
  assert.equal((await kms.generateRandom({ NumberOfBytes: 7 })).Plaintext?.length, 7);
  await refused(kms.generateRandom({ NumberOfBytes: 1025 }), "ValidationException");
});

test("a data key pair is a pair, whose private half is decrypted by the key", limit, async (t) => {
  const { kms, KeyId } = await scene(t);
  for (const KeyPairSpec of ["RSA_2048", "ECC_NIST_P256", "ECC_SECG_P256K1"] as const) {
    const pair = await kms.generateDataKeyPair({ KeyId, KeyPairSpec });
    const privateKey = createPrivateKey({
      key: Buffer.from(pair.PrivateKeyPlaintext ?? []),
      format: "der",
      type: "pkcs8",
    });
    const spki = createPublicKey(privateKey).export({ format: "der", type: "spki" });
    assert.deepEqual(Buffer.from(pair.PublicKey ?? []), spki);
    const { Plaintext } = await kms.decrypt({ CiphertextBlob: pair.PrivateKeyCiphertextBlob });
    assert.deepEqual(Plaintext, pair.PrivateKeyPlaintext);
  }
  const without = await kms.generateDataKeyPairWithoutPlaintext({ KeyId, KeyPairSpec: "ECC_NIST_P384" });
  assert.ok(without.PublicKey && !("PrivateKeyPlaintext" in without));
  await refused(kms.generateDataKeyPair({ KeyId, KeyPairSpec: "SM2" }), "UnsupportedOperationException");
});

test("what one key encrypted another encrypts anew, in another context", limit, async (t) => {
  const { kms, KeyId } = await scene(t);
  const { KeyMetadata } = await kms.createKey({});
  const { CiphertextBlob } = await kms.encrypt({ KeyId, Plaintext: secret, EncryptionContext: { a: "1" } });
  const again = await kms.reEncrypt({
    CiphertextBlob,
    SourceEncryptionContext: { a: "1" },
    DestinationKeyId: KeyMetadata?.KeyId,
    DestinationEncryptionContext: { b: "2" },
  });
  assert.deepEqual([again.SourceKeyId, again.KeyId], [arnOf(KeyId), KeyMetadata?.Arn]);
  const back = await kms.decrypt({ CiphertextBlob: again.CiphertextBlob, EncryptionContext: { b: "2" } });
  assert.deepEqual([bytes(back.Plaintext), back.KeyId], [secret.toString(), KeyMetadata?.Arn]);
  await refused(kms.reEncrypt({ CiphertextBlob, DestinationKeyId: KeyId }), "InvalidCiphertextException");
});

test("a disabled key neither encrypts nor decrypts until it is enabled again", limit, async (t) => {
  const { kms, KeyId } = await scene(t);
  const { CiphertextBlob } = await kms.encrypt({ KeyId, Plaintext: secret });
  await kms.disableKey({ KeyId });
  assert.equal((await kms.describeKey({ KeyId })).KeyMetadata?.KeyState, "Disabled");
  for (const call of [
    kms.encrypt({ KeyId, Plaintext: secret }),
    kms.decrypt({ CiphertextBlob }),
    kms.generateDataKey({ KeyId, KeySpec: "AES_256" }),
    kms.reEncrypt({ CiphertextBlob, DestinationKeyId: KeyId }),
    kms.enableKeyRotation({ KeyId }),
    kms.encrypt({ KeyId, Plaintext: secret, DryRun: true }),
  ])
    await refused(call, "DisabledException", `${arnOf(KeyId)} is disabled.`);
  await kms.enableKey({ KeyId });
  assert.equal(bytes((await kms.decrypt({ CiphertextBlob })).Plaintext), secret.toString());
  await refused(kms.encrypt({ KeyId, Plaintext: secret, DryRun: true }), "DryRunOperationException");
});

test(
  "a key about to be deleted is of no use, may be kept, and at its deadline is gone with its material, aliases and grants",
  limit,
  async (t) => {
    const { kms, KeyId, later, keepKeys, record, store } = await scene(t);
    await kms.createAlias({ AliasName: "alias/mine", TargetKeyId: KeyId });
    await kms.createGrant({
      KeyId,
      GranteePrincipal: `arn:aws:iam::${account}:root`,
      Operations: ["Decrypt"],
    });
    const { CiphertextBlob } = await kms.encrypt({ KeyId, Plaintext: secret });
    await refused(kms.scheduleKeyDeletion({ KeyId, PendingWindowInDays: 6 }), "ValidationException");
    await refused(kms.scheduleKeyDeletion({ KeyId, PendingWindowInDays: 31 }), "ValidationException");
    const planned = await kms.scheduleKeyDeletion({ KeyId, PendingWindowInDays: 7 });
    assert.equal(planned.DeletionDate?.toISOString(), "2026-01-08T00:00:00.000Z");
    const pending = `${arnOf(KeyId)} is pending deletion.`;
    for (const call of [
      kms.decrypt({ CiphertextBlob }),
      kms.enableKey({ KeyId }),
      kms.disableKey({ KeyId }),
      kms.scheduleKeyDeletion({ KeyId }),
      kms.updateKeyDescription({ KeyId, Description: "other" }),
      kms.createAlias({ AliasName: "alias/late", TargetKeyId: KeyId }),
      kms.createGrant({ KeyId, GranteePrincipal: `arn:aws:iam::${account}:root`, Operations: ["Decrypt"] }),
    ])
      await refused(call, "KMSInvalidStateException", pending);
    await kms.cancelKeyDeletion({ KeyId });
    assert.equal((await kms.describeKey({ KeyId })).KeyMetadata?.KeyState, "Disabled");
    await refused(
      kms.cancelKeyDeletion({ KeyId }),
      "KMSInvalidStateException",
      `${arnOf(KeyId)} is not pending deletion.`,
    );

    await kms.scheduleKeyDeletion({ KeyId, PendingWindowInDays: 7 });
    later(6.9);
    await keepKeys();
    assert.equal((await kms.describeKey({ KeyId })).KeyMetadata?.KeyState, "PendingDeletion");
    later(0.2);
    // Also before anybody came round to remove it.
    await refused(kms.cancelKeyDeletion({ KeyId }), "NotFoundException");
    await refused(kms.decrypt({ CiphertextBlob }), "AccessDeniedException");
    await keepKeys();
    assert.equal(record(), undefined);
    for (const kind of ["kms-key/", "kms-alias/", "kms-grant/"])
      assert.deepEqual((await store.list(kind)).entries, []);
    assert.deepEqual((await kms.listKeys({})).Keys, []);
  },
);

test(
  "rotation makes new material, by itself when it is due and on demand; what older material encrypted is decrypted still",
  limit,
  async (t) => {
    const { kms, KeyId, later, keepKeys, record } = await scene(t);
    const blobs = [(await kms.encrypt({ KeyId, Plaintext: secret })).CiphertextBlob];
    assert.equal((await kms.getKeyRotationStatus({ KeyId })).KeyRotationEnabled, false);
    await refused(kms.enableKeyRotation({ KeyId, RotationPeriodInDays: 89 }), "ValidationException");
    await kms.enableKeyRotation({ KeyId, RotationPeriodInDays: 90 });
    const status = await kms.getKeyRotationStatus({ KeyId });
    assert.deepEqual(
      [status.KeyRotationEnabled, status.RotationPeriodInDays, status.NextRotationDate?.toISOString()],
      [true, 90, "2026-04-01T00:00:00.000Z"],
    );
    later(89);
    await keepKeys();
    assert.equal(record()?.materials.length, 1);
    later(1);
    await keepKeys();
    await keepKeys();
    blobs.push((await kms.encrypt({ KeyId, Plaintext: secret })).CiphertextBlob);
    await kms.rotateKeyOnDemand({ KeyId });
    blobs.push((await kms.encrypt({ KeyId, Plaintext: secret })).CiphertextBlob);
    const { Rotations } = await kms.listKeyRotations({ KeyId });
    assert.deepEqual(
      Rotations?.map((it) => it.RotationType),
      ["AUTOMATIC", "ON_DEMAND"],
    );
    const decrypted = await Promise.all(blobs.map((CiphertextBlob) => kms.decrypt({ CiphertextBlob })));
    assert.deepEqual(
      decrypted.map((it) => bytes(it.Plaintext)),
      blobs.map(() => secret.toString()),
    );
    assert.equal(new Set(decrypted.map((it) => it.KeyMaterialId)).size, 3);
    await kms.disableKeyRotation({ KeyId });
    later(1000);
    await keepKeys();
    assert.equal(record()?.materials.length, 3);
    while ((record()?.materials.length ?? 0) < 27) await kms.rotateKeyOnDemand({ KeyId });
    await refused(kms.rotateKeyOnDemand({ KeyId }), "LimitExceededException");
  },
);

test("a disabled key is rotated once it is enabled again", limit, async (t) => {
  const { kms, KeyId, later, keepKeys, record } = await scene(t);
  await kms.enableKeyRotation({ KeyId });
  await kms.disableKey({ KeyId });
  later(400);
  await keepKeys();
  assert.equal(record()?.materials.length, 1);
  await kms.enableKey({ KeyId });
  await keepKeys();
  assert.equal(record()?.materials.length, 2);
});

test("no key material is in the store but sealed, and none of it in an answer", limit, async (t) => {
  const { kms, KeyId, record, store, sealingKey } = await scene(t);
  const key = record() ?? assert.fail();
  const material = openMaterial(key, key.materials[0] ?? assert.fail(), sealingKey);
  assert.equal(material.length, 32);
  const kept = JSON.stringify((await store.list("")).entries);
  const told = JSON.stringify([
    await kms.describeKey({ KeyId }),
    await kms.listKeyRotations({ KeyId, IncludeKeyMaterial: "ALL_KEY_MATERIAL" }),
  ]);
  for (const form of ["hex", "base64", "base64url"] as const)
    for (const text of [kept, told]) assert.ok(!text.includes(material.toString(form)), form);
  assert.throws(() => openMaterial(key, key.materials[0] ?? assert.fail(), Buffer.alloc(32)));
});

test("an alias is made, moved and removed; AWS's own are AWS's alone", limit, async (t) => {
  const { kms, KeyId } = await scene(t);
  const AliasName = "alias/app/main";
  const arn = `arn:aws:kms:eu-central-1:${account}:${AliasName}`;
  await kms.createAlias({ AliasName, TargetKeyId: KeyId });
  await refused(
    kms.createAlias({ AliasName, TargetKeyId: KeyId }),
    "AlreadyExistsException",
    `An alias with the name ${arn} already exists`,
  );
  const { KeyMetadata } = await kms.createKey({});
  const { CiphertextBlob } = await kms.encrypt({ KeyId: AliasName, Plaintext: secret });
  await kms.updateAlias({ AliasName, TargetKeyId: KeyMetadata?.KeyId });
  assert.equal((await kms.encrypt({ KeyId: AliasName, Plaintext: secret })).KeyId, KeyMetadata?.Arn);
  assert.equal(bytes((await kms.decrypt({ CiphertextBlob })).Plaintext), secret.toString());
  assert.deepEqual(
    (await kms.listAliases({})).Aliases?.map((it) => [it.AliasName, it.TargetKeyId]),
    [
      [AliasName, KeyMetadata?.KeyId],
      ["alias/aws/ebs", undefined],
    ],
  );
  assert.deepEqual((await kms.listAliases({ KeyId })).Aliases, []);
  await kms.deleteAlias({ AliasName });
  await refused(kms.deleteAlias({ AliasName }), "NotFoundException", `Alias ${arn} is not found.`);
  await refused(
    kms.createAlias({ AliasName: "app", TargetKeyId: KeyId }),
    "ValidationException",
    /must start with the prefix/,
  );
  await refused(
    kms.createAlias({ AliasName: "alias/aws/app", TargetKeyId: KeyId }),
    "NotAuthorizedException",
  );
  await refused(kms.createAlias({ AliasName: "alias/a:b", TargetKeyId: KeyId }), "InvalidAliasNameException");
  await refused(kms.createAlias({ AliasName, TargetKeyId: "alias/aws/ebs" }), "NotFoundException");
  const { KeyMetadata: mac } = await kms.createKey({ KeySpec: "HMAC_256", KeyUsage: "GENERATE_VERIFY_MAC" });
  await kms.createAlias({ AliasName, TargetKeyId: KeyId });
  await refused(kms.updateAlias({ AliasName, TargetKeyId: mac?.KeyId }), "ValidationException");
});

test("keys of a message code make and verify it as everybody else does", limit, async (t) => {
  const { kms, KeyId, record, sealingKey } = await scene(t);
  for (const bits of ["224", "256", "384", "512"] as const) {
    const { KeyMetadata } = await kms.createKey({ KeySpec: `HMAC_${bits}`, KeyUsage: "GENERATE_VERIFY_MAC" });
    const asked = { KeyId: KeyMetadata?.KeyId, Message: secret, MacAlgorithm: `HMAC_SHA_${bits}` } as const;
    const { Mac } = await kms.generateMac(asked);
    const key = record(KeyMetadata?.KeyId) ?? assert.fail();
    const material = openMaterial(key, key.materials[0] ?? assert.fail(), sealingKey);
    assert.deepEqual(Buffer.from(Mac ?? []), createHmac(`sha${bits}`, material).update(secret).digest());
    assert.equal((await kms.verifyMac({ ...asked, Mac })).MacValid, true);
    await refused(kms.verifyMac({ ...asked, Mac, Message: Buffer.from("other") }), "KMSInvalidMacException");
    await refused(
      kms.encrypt({ KeyId: asked.KeyId, Plaintext: secret }),
      "InvalidKeyUsageException",
      /which is not valid for Encrypt\.$/,
    );
    await refused(kms.enableKeyRotation({ KeyId: asked.KeyId }), "UnsupportedOperationException");
  }
  await refused(
    kms.generateMac({ KeyId, Message: secret, MacAlgorithm: "HMAC_SHA_256" }),
    "InvalidKeyUsageException",
    `${arnOf(KeyId)} key usage is ENCRYPT_DECRYPT which is not valid for GenerateMac.`,
  );
});

test("keys that Croft cannot make are refused before anything is written", limit, async (t) => {
  const { kms, store } = await scene(t);
  const before = (await store.list("kms-key/")).entries.length;
  for (const input of [
    { KeySpec: "RSA_2048", KeyUsage: "SIGN_VERIFY" },
    { KeySpec: "SM2", KeyUsage: "SIGN_VERIFY" },
    { Origin: "EXTERNAL" },
    { MultiRegion: true },
    { CustomKeyStoreId: "cks-1" },
  ] as const)
    await refused(kms.createKey(input), "UnsupportedOperationException");
  await refused(kms.createKey({ KeyUsage: "SIGN_VERIFY" }), "ValidationException");
  await refused(kms.createKey({ KeySpec: "HMAC_256" }), "ValidationException", /must specify a KeyUsage/);
  assert.equal((await store.list("kms-key/")).entries.length, before);
});

test("tags are put on, listed in pages, and taken off", limit, async (t) => {
  const { kms, KeyId } = await scene(t);
  const tag = (TagKey: string, TagValue = "") => ({ TagKey, TagValue });
  await kms.tagResource({ KeyId, Tags: [tag("a", "1"), tag("b", "2"), tag("A", "3")] });
  await kms.tagResource({ KeyId, Tags: [tag("a", "4")] });
  const first = await kms.listResourceTags({ KeyId, Limit: 2 });
  assert.equal(first.Truncated, true);
  const rest = await kms.listResourceTags({ KeyId, Marker: first.NextMarker });
  assert.deepEqual(
    [...(first.Tags ?? []), ...(rest.Tags ?? [])],
    [tag("A", "3"), tag("a", "4"), tag("b", "2")],
  );
  await kms.untagResource({ KeyId, TagKeys: ["a", "A", "none"] });
  assert.deepEqual((await kms.listResourceTags({ KeyId })).Tags, [tag("b", "2")]);
  await refused(kms.tagResource({ KeyId, Tags: [tag("aws:x")] }), "TagException");
  await refused(kms.tagResource({ KeyId, Tags: [tag("x"), tag("x")] }), "TagException");
  const many = Array.from({ length: 50 }, (_, n) => tag(`n${n}`));
  await refused(kms.tagResource({ KeyId, Tags: many }), "LimitExceededException");
  await refused(kms.listResourceTags({ KeyId, Marker: "stale" }), "InvalidMarkerException");
});

test(
  "AWS's key for volumes is made when it is first named, and once however many name it at once",
  limit,
  async (t) => {
    const { kms } = await scene(t);
    const found = await Promise.all(
      Array.from({ length: 8 }, () => kms.describeKey({ KeyId: "alias/aws/ebs" })),
    );
    const ids = new Set(found.map((it) => it.KeyMetadata?.KeyId));
    assert.equal(ids.size, 1);
    const [KeyId = ""] = ids;
    assert.equal(found[0]?.KeyMetadata?.KeyManager, "AWS");
    assert.equal((await kms.getKeyRotationStatus({ KeyId })).KeyRotationEnabled, true);
    // Not even the root changes it, or uses it by itself.
    for (const call of [
      kms.disableKey({ KeyId }),
      kms.scheduleKeyDeletion({ KeyId }),
      kms.encrypt({ KeyId, Plaintext: secret }),
      kms.putKeyPolicy({ KeyId, PolicyName: "default", Policy: "{}", BypassPolicyLockoutSafetyCheck: true }),
    ])
      await assert.rejects(call, /AccessDeniedException|MalformedPolicyDocument/);
  },
);

test(
  "a service's data key is opened by the service, for its own purpose, as long as the key is enabled",
  limit,
  async (t) => {
    const { kms, KeyId, kmsRecords, sealingKey, clock, accountId } = await scene(t);
    const records = { region: "eu-central-1", records: kmsRecords, sealingKey, now: () => clock.now };
    const { KeyMetadata } = await kms.describeKey({ KeyId });
    const key = kmsRecords.get("kms-key", { accountId, region: "eu-central-1" }, KeyId);
    assert.ok(key && KeyMetadata);
    const caller = {
      accountId,
      accessKeyId: "",
      arn: `arn:aws:iam::${accountId}:root`,
      userId: accountId,
      principalArn: `arn:aws:iam::${accountId}:root`,
      type: "Account",
    } as const;
    const context = {
      ...records,
      accountId,
      caller,
      accounts: { of: () => undefined } as never,
      newKeyId: () => "",
    };
    const encryptionContext = { "aws:ebs:id": "vol-1" };
    const { keyArn, refusal, newDataKey } = serviceKey({ keyId: KeyId, via: "ec2" }, context);
    const { ciphertext, touches } = newDataKey(encryptionContext);
    assert.deepEqual([keyArn, refusal], [arnOf(KeyId), undefined]);
    const use = () => useOfDataKey({ ciphertext, via: "ec2", encryptionContext }, context);
    assert.deepEqual(
      [...touches, ...use().touches].map(({ action, keys }) => [action, keys?.["kms:ViaService"]]),
      ["kms:GenerateDataKeyWithoutPlaintext", "kms:Decrypt"].map((it) => [
        it,
        "ec2.eu-central-1.amazonaws.com",
      ]),
    );
    const open = (purpose = encryptionContext) => openServiceDataKey(ciphertext, purpose, records);
    assert.equal(open().length, 64);
    assert.deepEqual(open(), open());
    assert.throws(() => open({ "aws:ebs:id": "vol-2" }), { code: "InvalidCiphertextException" });
    await kms.rotateKeyOnDemand({ KeyId });
    assert.equal(open().length, 64);
    await kms.disableKey({ KeyId });
    assert.throws(open, { code: "DisabledException" });
    assert.equal(use().refusal?.code, "DisabledException");
    await kms.scheduleKeyDeletion({ KeyId, PendingWindowInDays: 7 });
    assert.throws(open, { code: "KMSInvalidStateException" });
    clock.now = new Date(+clock.now + 8 * day);
    assert.throws(open, { code: "AccessDeniedException" });
  },
);
