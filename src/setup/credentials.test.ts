import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { makeCredentials, newCredentials, readCredentials } from "./credentials.ts";

test("an access key looks like one of AWS's, and no two are alike", () => {
  const [one, other] = [newCredentials(), newCredentials()];
  assert.match(one.accessKeyId, /^AKIA[A-Z2-7]{16}$/);
  assert.match(one.secretAccessKey, /^[A-Za-z0-9]{40}$/);
  assert.notEqual(one.secretAccessKey, other.secretAccessKey);
});

test("the key is made once and is its owner's alone", (t) => {
  const dir = mkdtempSync(join(tmpdir(), "croft-credentials-"));
  t.after(() => rmSync(dir, { recursive: true }));
  assert.throws(() => readCredentials(dir), /no access key/);
  makeCredentials(dir);
  const first = readCredentials(dir);
  makeCredentials(dir);
  assert.deepEqual(readCredentials(dir), first);
  assert.equal(statSync(join(dir, "credentials.json")).mode & 0o777, 0o600);
});
