import assert from "node:assert/strict";
import { test } from "node:test";
import type * as kmsModule from "@aws-sdk/client-kms";
import { every } from "./every.ts";

const rootArn = "arn:aws:iam::000000000000:root";
const Plaintext = Buffer.from("attack at dawn");

/** Every operation and paginator of KMS; `sdk` is the module that notes which were used. */
export function kmsTests(sdk: typeof kmsModule, kms: kmsModule.KMS): void {
  const inPages = { client: kms, pageSize: 1 };
  let [KeyId, other] = ["", ""];

  test("KMS keys and their aliases are made, described, tagged and listed page by page", async () => {
    KeyId = (await kms.createKey({ Description: "one" })).KeyMetadata?.KeyId ?? "";
    other = (await kms.createKey({})).KeyMetadata?.KeyId ?? "";
    assert.equal((await kms.describeKey({ KeyId: "alias/aws/ebs" })).KeyMetadata?.KeyManager, "AWS");
    await kms.updateKeyDescription({ KeyId, Description: "mine" });
    assert.equal((await kms.describeKey({ KeyId })).KeyMetadata?.Description, "mine");
    const keys = await every(sdk.paginateListKeys(inPages, {}), (it) => it.Keys);
    assert.ok(keys.length === 3 && keys.some((it) => it.KeyId === KeyId));
    await kms.createAlias({ AliasName: "alias/a", TargetKeyId: KeyId });
    await kms.updateAlias({ AliasName: "alias/a", TargetKeyId: other });
    const aliases = await every(sdk.paginateListAliases(inPages, {}), (it) => it.Aliases);
    assert.deepEqual(
      aliases.map((it) => it.AliasName),
      ["alias/a", "alias/aws/ebs"],
    );
    const Tags = [
      { TagKey: "a", TagValue: "1" },
      { TagKey: "b", TagValue: "2" },
    ];
    await kms.tagResource({ KeyId, Tags });
    assert.deepEqual(await every(sdk.paginateListResourceTags(inPages, { KeyId }), (it) => it.Tags), Tags);
    await kms.untagResource({ KeyId, TagKeys: ["a", "b"] });
  });

  test("what a KMS key encrypted is decrypted, also after it was rotated", async () => {
    const EncryptionContext = { a: "1" };
    const { CiphertextBlob } = await kms.encrypt({ KeyId, Plaintext, EncryptionContext });
    await kms.enableKeyRotation({ KeyId });
    await kms.rotateKeyOnDemand({ KeyId });
    await kms.rotateKeyOnDemand({ KeyId });
    assert.equal((await kms.getKeyRotationStatus({ KeyId })).RotationPeriodInDays, 365);
    const rotations = await every(sdk.paginateListKeyRotations(inPages, { KeyId }), (it) => it.Rotations);
    assert.equal(rotations.length, 2);
    await kms.disableKeyRotation({ KeyId });
    const again = await kms.reEncrypt({
      CiphertextBlob,
      SourceEncryptionContext: EncryptionContext,
      DestinationKeyId: other,
    });
    const { Plaintext: back } = await kms.decrypt({ CiphertextBlob: again.CiphertextBlob });
    assert.deepEqual(Buffer.from(back ?? []), Plaintext);
    await assert.rejects(kms.decrypt({ CiphertextBlob }), { name: "InvalidCiphertextException" });
  });

  test("KMS makes data keys, key pairs, random bytes and message codes", async () => {
    const asked = { KeyId, KeySpec: "AES_256" as const };
    assert.equal((await kms.generateDataKey(asked)).Plaintext?.length, 32);
    assert.ok((await kms.generateDataKeyWithoutPlaintext(asked)).CiphertextBlob);
    const pair = { KeyId, KeyPairSpec: "ECC_NIST_P256" as const };
    assert.ok((await kms.generateDataKeyPair(pair)).PrivateKeyPlaintext);
    assert.ok((await kms.generateDataKeyPairWithoutPlaintext(pair)).PublicKey);
    assert.equal((await kms.generateRandom({ NumberOfBytes: 5 })).Plaintext?.length, 5);
    const { KeyMetadata } = await kms.createKey({ KeySpec: "HMAC_256", KeyUsage: "GENERATE_VERIFY_MAC" });
    const message = { KeyId: KeyMetadata?.KeyId, Message: Plaintext, MacAlgorithm: "HMAC_SHA_256" as const };
    const { Mac } = await kms.generateMac(message);
    assert.equal((await kms.verifyMac({ ...message, Mac })).MacValid, true);
  });

  test("a KMS key has a policy and grants, is disabled, and is scheduled for deletion", async () => {
    const { Policy = "" } = await kms.getKeyPolicy({ KeyId });
    assert.match(Policy, /Enable IAM User Permissions/);
    await kms.putKeyPolicy({ KeyId, Policy });
    const names = await every(sdk.paginateListKeyPolicies(inPages, { KeyId }), (it) => it.PolicyNames);
    assert.deepEqual(names, ["default"]);
    const grant = { KeyId, GranteePrincipal: rootArn, RetiringPrincipal: rootArn };
    const { GrantId } = await kms.createGrant({ ...grant, Operations: ["Encrypt"] });
    const { GrantToken } = await kms.createGrant({ ...grant, Operations: ["Decrypt"] });
    const grants = await every(sdk.paginateListGrants(inPages, { KeyId }), (it) => it.Grants);
    assert.equal(grants.length, 2);
    const retirable = { RetiringPrincipal: rootArn };
    const found = await every(sdk.paginateListRetirableGrants(inPages, retirable), (it) => it.Grants);
    assert.equal(found.length, 2);
    await kms.revokeGrant({ KeyId, GrantId });
    await kms.retireGrant({ GrantToken });
    await kms.deleteAlias({ AliasName: "alias/a" });
    await kms.disableKey({ KeyId });
    await assert.rejects(kms.encrypt({ KeyId, Plaintext }), { name: "DisabledException" });
    await kms.enableKey({ KeyId });
    assert.equal(
      (await kms.scheduleKeyDeletion({ KeyId, PendingWindowInDays: 7 })).KeyState,
      "PendingDeletion",
    );
    await assert.rejects(kms.encrypt({ KeyId, Plaintext }), { name: "KMSInvalidStateException" });
    await kms.cancelKeyDeletion({ KeyId });
  });
}
