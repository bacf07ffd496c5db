import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { joinCache, leaveCache, openCache, regionsUsing } from "./image-cache.ts";

const scene = (t: TestContext) => {
  const dir = mkdtempSync(join(tmpdir(), "croft-cache-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const cacheDir = join(dir, "cache");
  const region = (name: string) => {
    mkdirSync(join(dir, name));
    writeFileSync(join(dir, name, "region.json"), "{}");
    return join(dir, name);
  };
  return { cacheDir, region };
};

test("the cache goes with the last region that uses it", (t) => {
  const { cacheDir, region } = scene(t);
  const [one, other] = [region("one"), region("other")];
  openCache(cacheDir);
  joinCache(cacheDir, one);
  joinCache(cacheDir, other);
  leaveCache(cacheDir, one, { keepImages: false });
  assert.deepEqual(regionsUsing(cacheDir), [other]);
  leaveCache(cacheDir, other, { keepImages: false });
  assert.equal(existsSync(cacheDir), false);
});

test("a region that was removed by hand keeps no cache alive", (t) => {
  const { cacheDir, region } = scene(t);
  const [one, gone] = [region("one"), region("gone")];
  openCache(cacheDir);
  joinCache(cacheDir, one);
  joinCache(cacheDir, gone);
  rmSync(gone, { recursive: true });
  leaveCache(cacheDir, one, { keepImages: false });
  assert.equal(existsSync(cacheDir), false);
});

test("images are kept when the operator says so", (t) => {
  const { cacheDir, region } = scene(t);
  const one = region("one");
  openCache(cacheDir);
  joinCache(cacheDir, one);
  leaveCache(cacheDir, one, { keepImages: true });
  assert.equal(existsSync(cacheDir), true);
});

test("a directory that holds other things is never made a cache", (t) => {
  const { cacheDir } = scene(t);
  mkdirSync(cacheDir);
  writeFileSync(join(cacheDir, "letters.txt"), "dear");
  assert.throws(() => openCache(cacheDir), /holds other things/);
});
