import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createPrivateKey, createPublicKey } from "node:crypto";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import type { KeyType } from "@aws-sdk/client-ec2";
import ssh2 from "ssh2";
import { testRegion } from "#testing/region.ts";
import { temporaryDirectory } from "#testing/temporary-directory.ts";
import { newKey } from "./key-pair.ts";

const limit = { timeout: 20_000 };
const run = (command: string, ...args: string[]) => execFileSync(command, args, { encoding: "utf8" }).trim();

for (const KeyType of ["rsa", "ed25519"] satisfies KeyType[])
  test(
    `the private half of a made ${KeyType} key is OpenSSH's, and fits the public half`,
    limit,
    async (t) => {
      const { client } = await testRegion(t);
      const made = await client.createKeyPair({ KeyName: "me", KeyType });
      const file = await privateFile(t, made.KeyMaterial);
      const { KeyPairs: [key] = [] } = await client.describeKeyPairs({ IncludePublicKey: true });
      assert.match(made.KeyPairId ?? "", /^key-0[0-9a-f]{16}$/);
      assert.deepEqual(
        key?.PublicKey?.split(" ").slice(0, 2),
        run("ssh-keygen", "-y", "-f", file).split(" ").slice(0, 2),
      );
      assert.equal(key?.PublicKey?.split(" ")[2], "me");
      assert.equal(key?.KeyType, KeyType);
      assert.equal(key?.KeyFingerprint, made.KeyFingerprint);
    },
  );

test("the fingerprint of a made RSA key is the SHA-1 of its private half in PKCS #8", limit, async (t) => {
  const { client } = await testRegion(t);
  const { KeyMaterial, KeyFingerprint } = await client.createKeyPair({ KeyName: "me" });
  const file = await privateFile(t, KeyMaterial);
  assert.match(KeyMaterial ?? "", /^-----BEGIN RSA PRIVATE KEY-----/);
  assert.match(run("openssl", "rsa", "-in", file, "-noout", "-text"), /2048 bit/);
  run("openssl", "pkcs8", "-topk8", "-nocrypt", "-in", file, "-outform", "DER", "-out", `${file}.der`);
  assert.equal(KeyFingerprint, digest("-sha1", `${file}.der`));
});

test("the fingerprint of an ED25519 key is OpenSSH's, padded", limit, async (t) => {
  const { client } = await testRegion(t);
  const { KeyMaterial, KeyFingerprint } = await client.createKeyPair({ KeyName: "me", KeyType: "ed25519" });
  const file = await privateFile(t, KeyMaterial);
  assert.equal(`SHA256:${KeyFingerprint}`, `${run("ssh-keygen", "-l", "-f", file).split(" ")[1]}=`);
});

for (const bits of ["1024", "2048", "4096"])
  test(
    `an RSA key of ${bits} bits can be imported; its fingerprint is the MD5 of the public half`,
    limit,
    async (t) => {
      const { client } = await testRegion(t);
      const file = await newKeyFile(t, "-t", "rsa", "-b", bits, "-m", "PEM");
      const imported = await client.importKeyPair({
        KeyName: "me",
        PublicKeyMaterial: readFileSync(`${file}.pub`),
      });
      run("openssl", "rsa", "-in", file, "-pubout", "-outform", "DER", "-out", `${file}.der`);
      assert.equal(imported.KeyFingerprint, digest("-md5", `${file}.der`));
    },
  );

test("an ED25519 key can be imported, in OpenSSH's form and in RFC 4716's", limit, async (t) => {
  const { client } = await testRegion(t);
  const file = await newKeyFile(t, "-t", "ed25519", "-C", "somebody");
  const forms = {
    openssh: readFileSync(`${file}.pub`),
    rfc4716: Buffer.from(run("ssh-keygen", "-e", "-f", file).replace("Comment: ", "$&continued: \\\n")),
  };
  for (const [KeyName, PublicKeyMaterial] of Object.entries(forms)) {
    const { KeyFingerprint } = await client.importKeyPair({ KeyName, PublicKeyMaterial });
    assert.equal(`SHA256:${KeyFingerprint}`, `${run("ssh-keygen", "-l", "-f", file).split(" ")[1]}=`);
  }
  const { KeyPairs = [] } = await client.describeKeyPairs({ IncludePublicKey: true });
  for (const key of KeyPairs) {
    assert.equal(key.KeyType, "ed25519");
    assert.equal(key.PublicKey?.split(" ")[1], readFileSync(`${file}.pub`, "utf8").split(" ")[1]);
  }
});

test("what is no public key of a kind EC2 takes is not imported", limit, async (t) => {
  const { client } = await testRegion(t);
  const materials = {
    frame: Buffer.from("---- BEGIN SSH2 PUBLIC KEY ----\n\n---- END SSH2 PUBLIC KEY ----\n"),
    text: Buffer.from("ssh-rsa AAAA me"),
    empty: Buffer.from(" "),
    private: readFileSync(await newKeyFile(t, "-t", "ed25519")),
    ecdsa: readFileSync(`${await newKeyFile(t, "-t", "ecdsa")}.pub`),
    odd: readFileSync(`${await newKeyFile(t, "-t", "rsa", "-b", "3072")}.pub`),
  };
  for (const [KeyName, PublicKeyMaterial] of Object.entries(materials))
    await assert.rejects(
      client.importKeyPair({ KeyName, PublicKeyMaterial }),
      { name: "InvalidKey.Format" },
      KeyName,
    );
  assert.deepEqual((await client.describeKeyPairs({})).KeyPairs, []);
});

test("a name is taken once, by whatever made it", limit, async (t) => {
  const { client } = await testRegion(t);
  await client.createKeyPair({ KeyName: "me", KeyType: "ed25519" });
  const taken = { name: "InvalidKeyPair.Duplicate", message: "The keypair already exists" };
  await assert.rejects(client.createKeyPair({ KeyName: "me" }), taken);
  const PublicKeyMaterial = readFileSync(`${await newKeyFile(t, "-t", "ed25519")}.pub`);
  await assert.rejects(client.importKeyPair({ KeyName: "me", PublicKeyMaterial }), taken);
  await client.createKeyPair({ KeyName: "Me", KeyType: "ed25519" });
});

test("of 32 clients that want the same name one gets the key", limit, async (t) => {
  const { client, records } = await testRegion(t);
  const made = await Promise.allSettled(
    Array.from({ length: 32 }, () => client.createKeyPair({ KeyName: "me", KeyType: "ed25519" })),
  );
  const [winner, ...more] = made.filter((it) => it.status === "fulfilled");
  assert.equal(more.length, 0);
  for (const it of made)
    if (it.status === "rejected") assert.equal(it.reason.name, "InvalidKeyPair.Duplicate");
  assert.deepEqual(
    records.all("key-pair").map(({ id }) => id),
    [winner?.value.KeyPairId],
  );
});

test("a name is ASCII, 1 to 255 characters, and neither begins nor ends with a space", limit, async (t) => {
  const { client } = await testRegion(t);
  for (const KeyName of [" me", "me ", "mé", "a\tb", "x".repeat(256)])
    await assert.rejects(client.createKeyPair({ KeyName, KeyType: "ed25519" }), {
      name: "InvalidParameterValue",
    });
  for (const KeyName of ["x".repeat(255), "a b", "team/me", "%2e.."])
    assert.equal((await client.createKeyPair({ KeyName, KeyType: "ed25519" })).KeyName, KeyName);
});

test("deleting by name or id frees the name; deleting what is not there succeeds", limit, async (t) => {
  const { client, records } = await testRegion(t);
  for (const by of ["KeyName", "KeyPairId"] as const) {
    const made = await client.createKeyPair({ KeyName: "me", KeyType: "ed25519" });
    assert.equal((await client.deleteKeyPair({ [by]: made[by] })).KeyPairId, made.KeyPairId);
    assert.equal((await client.deleteKeyPair({ [by]: made[by] })).Return, true);
    assert.deepEqual(records.all("key-pair"), []);
  }
  await assert.rejects(client.deleteKeyPair({}), { name: "MissingParameter" });
});

test("keys are described by name, id and filter, without the public half unless asked", limit, async (t) => {
  const { client } = await testRegion(t);
  const tags = {
    TagSpecifications: [{ ResourceType: "key-pair" as const, Tags: [{ Key: "team", Value: "a" }] }],
  };
  const mine = await client.createKeyPair({ KeyName: "mine", KeyType: "ed25519", ...tags });
  await client.createKeyPair({ KeyName: "yours", KeyType: "ed25519" });
  assert.deepEqual(mine.Tags, [{ Key: "team", Value: "a" }]);
  for (const input of [
    { KeyNames: ["mine"] },
    { KeyPairIds: [mine.KeyPairId ?? ""] },
    { Filters: [{ Name: "key-name", Values: ["m*"] }] },
    { Filters: [{ Name: "tag:team", Values: ["a"] }] },
    { Filters: [{ Name: "fingerprint", Values: [mine.KeyFingerprint ?? ""] }] },
  ]) {
    const { KeyPairs = [] } = await client.describeKeyPairs(input);
    assert.deepEqual(
      KeyPairs.map((key) => [key.KeyName, key.PublicKey]),
      [["mine", undefined]],
    );
  }
  await assert.rejects(client.describeKeyPairs({ KeyNames: ["mine", "ours"] }), {
    name: "InvalidKeyPair.NotFound",
    message: "The key pair 'ours' does not exist",
  });
});

test("a thousand ED25519 keys in a row can all be read", limit, async () => {
  for (let n = 0; n < 1000; n++) {
    const { material, publicKey } = await newKey("ed25519", "pem", "me");
    const parsed = ssh2.utils.parseKey(material);
    assert.ok(!(parsed instanceof Error));
    assert.equal(publicKey, `ssh-ed25519 ${parsed.getPublicSSH().toString("base64")} me`);
  }
});

test("the private half is kept nowhere", limit, async (t) => {
  const { client, store } = await testRegion(t);
  const { KeyMaterial = "" } = await client.createKeyPair({ KeyName: "me" });
  const kept = JSON.stringify((await store.list("")).entries);
  for (const line of KeyMaterial.split("\n").slice(1, -2)) assert.ok(!kept.includes(line));
  assert.doesNotMatch(kept, /PRIVATE/);
});

test("an RSA key in PuTTY's form holds the private half of the public one", limit, async (t) => {
  const { client } = await testRegion(t);
  const { KeyMaterial = "" } = await client.createKeyPair({ KeyName: "my key", KeyFormat: "ppk" });
  assert.match(KeyMaterial, /^PuTTY-User-Key-File-2: ssh-rsa\r\nEncryption: none\r\nComment: my key\r\n/);
  const { KeyPairs: [key] = [] } = await client.describeKeyPairs({ IncludePublicKey: true });
  // ssh2 checks the file's MAC.
  const parsed = ssh2.utils.parseKey(KeyMaterial);
  assert.ok(!(parsed instanceof Error) && !Array.isArray(parsed));
  assert.ok(parsed.isPrivateKey());
  assert.equal(key?.PublicKey, `ssh-rsa ${parsed.getPublicSSH().toString("base64")} my key`);
  const signed = parsed.sign("data");
  const other = ssh2.utils.parseKey(key.PublicKey);
  assert.ok(!(other instanceof Error) && !Array.isArray(other) && !(signed instanceof Error));
  assert.equal(other.verify("data", signed), true);
});

test("an ED25519 key in PuTTY's form holds the seed of the public half", limit, async (t) => {
  const { client } = await testRegion(t);
  const { KeyMaterial = "" } = await client.createKeyPair({
    KeyName: "me",
    KeyType: "ed25519",
    KeyFormat: "ppk",
  });
  const [, publicBlob = "", privateBlob = ""] =
    /Public-Lines: 2\r\n([^:]*)\r\nPrivate-Lines: 1\r\n(.*)\r\nPrivate-MAC: [0-9a-f]{40}\r\n$/.exec(
      KeyMaterial,
    ) ?? [];
  const { KeyPairs: [key] = [] } = await client.describeKeyPairs({ IncludePublicKey: true });
  assert.equal(key?.PublicKey, `ssh-ed25519 ${publicBlob.replaceAll("\r\n", "")} me`);
  const seed = Buffer.from(privateBlob, "base64").subarray(4);
  // RFC 8410's frame around an ED25519 seed.
  const pkcs8 = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]);
  const { x } = createPublicKey(createPrivateKey({ key: pkcs8, format: "der", type: "pkcs8" })).export({
    format: "jwk",
  });
  assert.deepEqual(Buffer.from(publicBlob, "base64").subarray(-32), Buffer.from(x ?? "", "base64url"));
});

async function privateFile(t: TestContext, material = ""): Promise<string> {
  const file = join(await temporaryDirectory(t), "key");
  writeFileSync(file, `${material.trimEnd()}\n`);
  chmodSync(file, 0o600);
  return file;
}

async function newKeyFile(t: TestContext, ...args: string[]): Promise<string> {
  const file = join(await temporaryDirectory(t), "key");
  run("ssh-keygen", "-q", "-N", "", "-f", file, ...args);
  return file;
}

/** As AWS writes it: pairs of hex digits with colons. */
const digest = (algorithm: string, file: string) =>
  run("openssl", "dgst", algorithm, "-c", file).split("= ")[1];
