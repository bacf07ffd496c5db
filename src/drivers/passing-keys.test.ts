import assert from "node:assert/strict";
import { readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryDirectory } from "#testing/temporary-directory.ts";
import { KeyRefused } from "./open-key.ts";
import { passingKeys } from "./passing-keys.ts";

test("a key is the same for its disk, also to the next program, until it is forgotten; then there is no such key", async (t) => {
  const directory = join(await temporaryDirectory(t), "keys");
  const keys = passingKeys(directory);
  const open = keys.openBeside((key) => `of others: ${key}`);
  assert.equal(keys.has("AWS1"), false);
  const secret = open(keys.key("AWS1"));
  assert.match(secret, /^[0-9a-f]{128}$/);
  assert.equal(passingKeys(directory).openBeside(open)(keys.key("AWS1")), secret);
  assert.notEqual(open(keys.key("AWS2")), secret);
  assert.ok(!keys.key("AWS1").includes(secret));
  assert.equal(statSync(directory).mode & 0o777, 0o700);
  assert.deepEqual(
    readdirSync(directory).map((name) => [name, statSync(join(directory, name)).mode & 0o777]),
    [
      ["AWS1", 0o600],
      ["AWS2", 0o600],
    ],
  );
  const forgotten = keys.key("AWS1");
  keys.forget("AWS1");
  keys.forget("AWS1");
  assert.throws(() => open(forgotten), KeyRefused);
  assert.notEqual(open(keys.key("AWS1")), secret);
  assert.equal(open("eu-central-1:vol-1:x"), "of others: eu-central-1:vol-1:x");
});

test("after the host's boot there is none", async (t) => {
  const directory = join(await temporaryDirectory(t), "keys");
  const keys = passingKeys(directory);
  const key = keys.key("AWS1");
  rmSync(directory, { recursive: true });
  assert.equal(keys.has("AWS1"), false);
  assert.throws(() => keys.openBeside(() => "")(key), KeyRefused);
});
