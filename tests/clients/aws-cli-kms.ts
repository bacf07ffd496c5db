import assert from "node:assert/strict";
import { test } from "node:test";
import type { awsCli } from "./aws-cli.ts";

const rootArn = "arn:aws:iam::000000000000:root";
const plaintext = Buffer.from("attack at dawn").toString("base64");

/** Every operation and paginator of KMS that Debian's CLI knows. What is one after the other is so because it must. */
export function kmsTests(aws: ReturnType<typeof awsCli>): void {
  const line = async (command: string) => (await aws.rows(`kms ${command}`)).flat();
  const together = (...commands: string[]) => Promise.all(commands.map((it) => line(it)));
  let [key, other] = ["", ""];

  test("KMS keys and their aliases are made, described, tagged and listed", async () => {
    const create = "create-key --query KeyMetadata.KeyId";
    const [[one = ""], [two = ""], [manager]] = (await together(
      create,
      create,
      "describe-key --key-id alias/aws/ebs --query KeyMetadata.KeyManager",
    )) as [string[], string[], string[]];
    assert.equal(manager, "AWS");
    [key, other] = [`--key-id ${one}`, two];
    await together(
      `update-key-description ${key} --description mine`,
      `create-alias --alias-name alias/a --target-key-id ${one}`,
    );
    await together(
      `update-alias --alias-name alias/a --target-key-id ${two}`,
      `tag-resource ${key} --tags TagKey=a,TagValue=1`,
    );
    const [keys, aliases, tags] = await together(
      "list-keys --page-size 1 --query Keys[].KeyId",
      "list-aliases --page-size 1 --query Aliases[].AliasName",
      `list-resource-tags ${key} --page-size 1 --query Tags[].TagKey`,
    );
    assert.ok(keys?.includes(one));
    assert.deepEqual([aliases, tags], [["alias/a", "alias/aws/ebs"], ["a"]]);
    await line(`untag-resource ${key} --tag-keys a`);
  });

  test("what a KMS key encrypted is decrypted, and encrypted anew", async () => {
    const context = "a=1";
    const [blob] = await line(
      `encrypt ${key} --plaintext ${plaintext} --encryption-context ${context} --query CiphertextBlob`,
    );
    await line(`enable-key-rotation ${key}`);
    assert.deepEqual(await line(`get-key-rotation-status ${key} --query KeyRotationEnabled`), ["True"]);
    await line(`disable-key-rotation ${key}`);
    const [again] = await line(
      `re-encrypt --ciphertext-blob ${blob} --source-encryption-context ${context} --destination-key-id ${other} --query CiphertextBlob`,
    );
    const [[back], refused] = await Promise.all([
      line(`decrypt --ciphertext-blob ${again} --query Plaintext`),
      aws.refusal(`kms decrypt --ciphertext-blob ${blob}`),
    ]);
    assert.deepEqual([back, refused], [plaintext, "InvalidCiphertextException"]);
  });

  test("KMS makes data keys, key pairs, random bytes and message codes", async () => {
    const [made, mac] = await Promise.all([
      together(
        `generate-data-key ${key} --key-spec AES_256 --query Plaintext`,
        `generate-data-key-without-plaintext ${key} --key-spec AES_128 --query CiphertextBlob`,
        `generate-data-key-pair ${key} --key-pair-spec ECC_NIST_P256 --query PublicKey`,
        `generate-data-key-pair-without-plaintext ${key} --key-pair-spec ECC_NIST_P256 --query PublicKey`,
        "generate-random --number-of-bytes 5 --query Plaintext",
      ),
      line("create-key --key-spec HMAC_256 --key-usage GENERATE_VERIFY_MAC --query KeyMetadata.KeyId"),
    ]);
    assert.ok(made.every(([it = ""]) => it.length >= 8));
    const message = `--key-id ${mac[0]} --message ${plaintext} --mac-algorithm HMAC_SHA_256`;
    const [code] = await line(`generate-mac ${message} --query Mac`);
    assert.deepEqual(await line(`verify-mac ${message} --mac ${code} --query MacValid`), ["True"]);
  });

  test("a KMS key has a policy and grants, is disabled, and is scheduled for deletion", async () => {
    const policy = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"${rootArn}"},"Action":"kms:*","Resource":"*"}}`;
    await line(`put-key-policy ${key} --policy-name default --policy ${policy}`);
    const grant = `create-grant ${key} --grantee-principal ${rootArn} --retiring-principal ${rootArn} --operations`;
    const [[kept], names, [revoked], [token]] = await Promise.all([
      line(`get-key-policy ${key} --policy-name default --query Policy`),
      line(`list-key-policies ${key} --page-size 1 --query PolicyNames`),
      line(`${grant} Encrypt --query GrantId`),
      line(`${grant} Decrypt --query GrantToken`),
    ]);
    assert.deepEqual([kept, names], [policy, ["default"]]);
    const [grants, retirable] = await together(
      `list-grants ${key} --page-size 1 --query Grants[].GrantId`,
      `list-retirable-grants --retiring-principal ${rootArn} --page-size 1 --query Grants[].GrantId`,
    );
    assert.deepEqual([grants?.length, retirable?.length], [2, 2]);
    await together(
      `revoke-grant ${key} --grant-id ${revoked}`,
      `retire-grant --grant-token ${token}`,
      "delete-alias --alias-name alias/a",
      `disable-key ${key}`,
    );
    assert.equal(await aws.refusal(`kms encrypt ${key} --plaintext ${plaintext}`), "DisabledException");
    await line(`enable-key ${key}`);
    const [state] = await line(`schedule-key-deletion ${key} --pending-window-in-days 7 --query KeyState`);
    assert.equal(state, "PendingDeletion");
    await line(`cancel-key-deletion ${key}`);
  });
}
