import assert from "node:assert/strict";
import { readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { layout } from "#config.ts";
import { temporaryDirectory } from "#testing/temporary-directory.ts";
import { makeCredentials } from "./credentials.ts";
import { settle, writeSettings } from "./region-settings.ts";
import { makeSealingKey, readSealingKey } from "./sealing-key.ts";

test("is made once, readable by whoever runs the region only, and stays the same under another master key", async (t) => {
  const dir = await temporaryDirectory(t);
  makeSealingKey(dir);
  makeCredentials(dir);
  const key = readSealingKey(dir);
  assert.equal(key.length, 32);
  assert.equal(statSync(layout(dir).sealingKey).mode & 0o777, 0o600);
  assert.ok(!readFileSync(layout(dir).sealingKey, "utf8").includes(key.toString("hex")));
  makeSealingKey(dir);
  assert.deepEqual(readSealingKey(dir), key);

  const given = join(dir, "given.key");
  writeFileSync(given, "ab".repeat(32), { mode: 0o600 });
  writeSettings(dir, { ...settle(undefined, {}, () => "198.18.0.0/16"), masterKeyFile: given });
  makeSealingKey(dir);
  makeCredentials(dir);
  assert.deepEqual(readSealingKey(dir), key);
  rmSync(given);
  writeFileSync(given, "cd".repeat(32), { mode: 0o600 });
  const kept = readFileSync(layout(dir).sealingKey, "utf8");
  assert.throws(() => readSealingKey(dir), /sealed with another master key/);
  assert.throws(() => makeSealingKey(dir), /sealed with another master key/);
  rmSync(given);
  assert.throws(() => makeSealingKey(dir), /the master key \S+ is not there/);
  assert.equal(readFileSync(layout(dir).sealingKey, "utf8"), kept);
});
