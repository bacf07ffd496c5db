import assert from "node:assert/strict";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { layout } from "#config.ts";
import { makeIdentityKey, readIdentityKey } from "./identity-key.ts";
import { settle, writeSettings } from "./region-settings.ts";

test("a region has one identity for life, and its certificate is for everybody", (t) => {
  const { dir, identity } = scene(t);
  makeIdentityKey(dir, "us-east-1");
  const made = readIdentityKey(dir);
  const certificate = new X509Certificate(made.certificate);
  assert.ok(certificate.checkPrivateKey(createPrivateKey(made.privateKey)));
  assert.equal(certificate.publicKey.asymmetricKeyDetails?.modulusLength, 2048);
  assert.ok(Date.parse(certificate.validTo) > Date.now() + 90 * 365 * 24 * 3_600_000);

  rmSync(identity.certificate);
  makeIdentityKey(dir, "us-east-1");
  assert.deepEqual(readIdentityKey(dir), made);
  assert.equal(readFileSync(identity.certificate, "utf8"), made.certificate);
  assert.deepEqual(
    [identity.sealed, identity.certificate].map((file) => statSync(file).mode & 0o777),
    [0o600, 0o644],
  );
});

test("its key opens with the master key only, and follows it to another", (t) => {
  const { dir, identity, masterKey } = scene(t);
  makeIdentityKey(dir, "us-east-1");
  const made = readIdentityKey(dir);
  assert.doesNotMatch(readFileSync(identity.sealed, "utf8"), /PRIVATE KEY/);

  const given = join(dir, "given.key");
  writeFileSync(given, "ab".repeat(32), { mode: 0o600 });
  writeSettings(dir, { ...settings, masterKeyFile: given });
  makeIdentityKey(dir, "us-east-1");
  rmSync(masterKey);
  assert.deepEqual(readIdentityKey(dir), made);
  writeFileSync(given, "cd".repeat(32));
  assert.throws(() => readIdentityKey(dir), /another master key/);
});

const settings = settle(undefined, {}, () => "198.18.0.0/16");

const scene = (t: TestContext) => {
  const dir = mkdtempSync(join(tmpdir(), "croft-identity-"));
  t.after(() => rmSync(dir, { recursive: true }));
  writeSettings(dir, settings);
  return layout(dir);
};
