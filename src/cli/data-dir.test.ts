import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { readCacheDir, readDataDir, requireWayIn, takeDataDir } from "./data-dir.ts";

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

test("a folder on the way that lets nobody else in is named, and nothing is made", (t) => {
  const top = mkdtempSync(join(tmpdir(), "croft-way-"));
  t.after(() => rmSync(top, { recursive: true }));
  const [closed, link] = [join(top, "closed"), join(top, "link")];
  mkdirSync(closed, { mode: 0o700 });
  chmodSync(top, 0o711);
  symlinkSync(closed, link);
  for (const dataDir of [join(closed, "region"), join(closed, "a/b/region"), join(link, "region")])
    assert.throws(() => requireWayIn(dataDir), {
      name: "Error",
      message:
        `${dataDir} is out of reach for the region's programs, whose users may not enter ${closed}: ` +
        `choose another --data-dir, or let them in with chmod o+x ${closed}`,
    });
  assert.ok(!existsSync(join(closed, "a")));
  chmodSync(closed, 0o711);
  requireWayIn(join(link, "a/b/region"));
  // Its own mode is the region's to set.
  mkdirSync(join(closed, "region"), { mode: 0o700 });
  requireWayIn(join(closed, "region"));
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
