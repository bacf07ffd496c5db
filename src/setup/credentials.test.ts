import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync, chmodSync, existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { makeCredentials, newCredentials, readCredentials, writeCredentials } from "./credentials.ts";
import { settle, writeSettings } from "./region-settings.ts";

test("an access key looks like one of AWS's, and no two are alike", () => {
  const [one, other] = [newCredentials(), newCredentials()];
  assert.match(one.accessKeyId, /^AKIA[A-Z2-7]{16}$/);
  assert.match(one.secretAccessKey, /^[A-Za-z0-9]{40}$/);
  assert.notEqual(one.secretAccessKey, other.secretAccessKey);
});

test("the key is made once and is its owner's alone", (t) => {
  const { dir, credentials, masterKey } = scene(t);
  assert.throws(() => readCredentials(dir), /no access key/);
  makeCredentials(dir);
  const first = readCredentials(dir);
  makeCredentials(dir);
  assert.deepEqual(readCredentials(dir), first);
  for (const file of [credentials, masterKey]) assert.equal(statSync(file).mode & 0o777, 0o600);
});

test("the file holds no secret that opens without the master key", (t) => {
  const { dir, credentials, masterKey } = scene(t);
  makeCredentials(dir);
  const { secretAccessKey } = readCredentials(dir);
  const text = readFileSync(credentials, "utf8");
  assert.ok(!text.includes(secretAccessKey));
  assert.ok(!text.includes(Buffer.from(secretAccessKey).toString("base64").slice(0, 40)));

  writeFileSync(masterKey, "0".repeat(64));
  assert.throws(() => readCredentials(dir), /another master key/);
  rmSync(masterKey);
  assert.throws(() => readCredentials(dir), /master key .* is not there/);
  // A start does not make a new one either: what is sealed could never be opened again.
  makeCredentials(dir);
  assert.equal(existsSync(masterKey), false);
});

test("a sealed secret belongs to its access key, and no bit of it can be changed", (t) => {
  const { dir, credentials } = scene(t);
  makeCredentials(dir);
  const kept = JSON.parse(readFileSync(credentials, "utf8"));
  const bytes = Buffer.from(kept.sealedSecret, "base64");
  bytes[bytes.length - 1]! ^= 1;
  for (const changed of [
    { ...kept, accessKeyId: "AKIAAAAAAAAAAAAAAAAA" },
    { ...kept, sealedSecret: bytes.toString("base64") },
    { ...kept, sealedSecret: "" },
  ]) {
    writeFileSync(credentials, JSON.stringify(changed));
    assert.throws(() => readCredentials(dir), /another master key, or changed since/);
  }
});

test("a file of before is read as it is, and sealed at the next start", (t) => {
  const { dir, credentials } = scene(t);
  const old = { accessKeyId: "AKIAOLD", secretAccessKey: "an old secret" };
  writeFileSync(credentials, JSON.stringify(old), { mode: 0o600 });
  assert.deepEqual(readCredentials(dir), old);
  makeCredentials(dir);
  assert.doesNotMatch(readFileSync(credentials, "utf8"), /an old secret/);
  assert.deepEqual(readCredentials(dir), old);
  assert.equal(existsSync(`${credentials}.new`), false);
});

test("a master key given at start is used, remembered, and kept out of the data directory", (t) => {
  const { dir, masterKey } = scene(t);
  const given = join(dir, "given.key");
  writeSettings(dir, { ...settle(undefined, {}, () => "198.18.0.0/16"), masterKeyFile: given });
  assert.throws(() => makeCredentials(dir), /master key .* is not there/);
  writeFileSync(given, `${"ab".repeat(32)}\n`, { mode: 0o600 });
  writeCredentials(dir, { accessKeyId: "AKIA1", secretAccessKey: "secret" });
  assert.equal(readCredentials(dir).secretAccessKey, "secret");
  assert.equal(existsSync(masterKey), false);

  chmodSync(given, 0o644);
  assert.throws(() => readCredentials(dir), /others may read/);
  chmodSync(given, 0o600);
  writeFileSync(given, "short");
  assert.throws(() => readCredentials(dir), /no master key/);
});

test("a region takes on a master key that is given later, and forgets its own", (t) => {
  const { dir, masterKey } = scene(t);
  makeCredentials(dir);
  const before = readCredentials(dir);
  const given = join(dir, "given.key");
  writeFileSync(given, "cd".repeat(32), { mode: 0o600 });
  writeSettings(dir, { ...settle(undefined, {}, () => "198.18.0.0/16"), masterKeyFile: given });
  // A start that was cut short here leaves a region that still opens.
  assert.deepEqual(readCredentials(dir), before);
  makeCredentials(dir);
  assert.equal(existsSync(masterKey), false);
  assert.deepEqual(readCredentials(dir), before);
});

function scene(t: TestContext) {
  const dir = mkdtempSync(join(tmpdir(), "croft-credentials-"));
  t.after(() => rmSync(dir, { recursive: true }));
  return { dir, credentials: join(dir, "credentials.json"), masterKey: join(dir, "master.key") };
}
