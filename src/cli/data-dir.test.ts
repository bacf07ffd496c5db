import assert from "node:assert/strict";
import { test } from "node:test";
import { readCacheDir, readDataDir, takeDataDir } from "./data-dir.ts";

test("without the option the region is where the system keeps such things", () => {
  assert.equal(readDataDir(undefined), "/var/lib/croft");
  assert.equal(readCacheDir(undefined), "/var/cache/croft");
});

test("a directory is named in one way", () => {
  assert.equal(readDataDir("/srv//croft/"), "/srv/croft");
});

test("a path that would change meaning on its way is refused", () => {
  for (const path of ["croft", "./croft", "/srv/a b", "/srv/a,b", "/", "/srv/..", ""]) {
    assert.throws(() => readDataDir(path), /--data-dir is an absolute path/, path);
  }
  assert.throws(() => readDataDir(`/${"d".repeat(64)}`), /at most 64 characters/);
});

test("a leading --data-dir is croft's, a later one is the passed command's", () => {
  assert.deepEqual(takeDataDir(["--data-dir", "/srv/croft", "ec2", "x"]), {
    dataDir: "/srv/croft",
    rest: ["ec2", "x"],
  });
  assert.deepEqual(takeDataDir(["--data-dir=/srv/croft"]), { dataDir: "/srv/croft", rest: [] });
  const later = ["s3", "sync", "--data-dir", "/srv"];
  assert.deepEqual(takeDataDir(later), { dataDir: "/var/lib/croft", rest: later });
});
