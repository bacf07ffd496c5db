import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { writeRunning } from "#cli/supervise/programs-file.ts";
import { layout } from "#config.ts";
import { identify } from "#drivers/linux/host-process.ts";
import { findBaked, withoutBakes, type BakedImage } from "#images/bake.ts";
import type { ProvidedImage } from "#services/ec2/image/image.ts";
import { imageInRegion } from "#services/ec2/image/provided-image.ts";
import { recordKey } from "#services/ec2/records.ts";
import { reportImage } from "#services/host/host-reports.ts";
import { openMemoryStore } from "#store/sqlite/memory-store.ts";
import { serveStore } from "#store/socket/serve-store.ts";
import type { Store } from "#store/store.ts";
import { joinCache, openCache } from "./image-cache.ts";
import { BakedImageStays, pruneBaked, removeBaked } from "./remove-baked.ts";

const limit = { timeout: 20_000 };
const scope = { accountId: "111122223333", region: "eu-central-1" };
const elsewhere = { ...scope, region: "us-west-2" };

/** A cache with small files for images, and regions that are files, too, or a store that is served. */
const scene = (t: TestContext) => {
  const dir = mkdtempSync(join(tmpdir(), "croft-unbake-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const cacheDir = join(dir, "cache");
  openCache(cacheDir);

  const bake = (hash: string, name = "debian-12-amd64"): BakedImage => {
    const facts = {
      name: `${name}-20260101`,
      architecture: "x86_64",
      sizeGiB: 8,
      loginUser: "admin",
      kernel: { commandLine: "" },
      bakedAt: "2026-01-01T00:00:00.000Z",
      recipe: { name, hash },
      packages: {},
    };
    mkdirSync(join(cacheDir, "images", hash), { recursive: true });
    writeFileSync(join(cacheDir, "images", hash, "image.json"), JSON.stringify(facts));
    const image = findBaked(cacheDir, { hash });
    assert.ok(image);
    return image;
  };
  const region = (name: string): string => {
    const dataDir = join(dir, name);
    mkdirSync(layout(dataDir).disksDir, { recursive: true });
    writeFileSync(layout(dataDir).settings, "{}");
    joinCache(cacheDir, dataDir);
    return dataDir;
  };
  const disk = (dataDir: string, id: string, image: BakedImage) => {
    mkdirSync(join(layout(dataDir).disksDir, id));
    symlinkSync(image.disk, join(layout(dataDir).disksDir, id, "image"));
  };
  const start = async (dataDir: string, store: Store) => {
    const { runDir, storeSocket } = layout(dataDir);
    for (const made of [runDir, dirname(storeSocket)]) mkdirSync(made);
    const self = identify(process.pid);
    assert.ok(self);
    writeRunning(dataDir, { supervisor: self, cacheDir, programs: {} });
    const server = await serveStore(store, storeSocket);
    t.after(() => server.close());
  };
  const running = async (name: string, ...offered: readonly BakedImage[]) => {
    const [dataDir, store] = [region(name), openMemoryStore()];
    t.after(() => store.close());
    for (const image of offered) {
      await reportImage(image, scope, store);
      const [home] = (await imagesIn(store)).filter((it) => it.cacheEntry === image.recipe.hash);
      assert.ok(home);
      const away = imageInRegion(home, elsewhere.region);
      await store.commit({ put: [{ key: recordKey("image", elsewhere, away.id), value: away }] });
    }
    return { dataDir, store };
  };
  const isThere = ({ recipe }: BakedImage) => existsSync(join(cacheDir, "images", recipe.hash));
  return { cacheDir, bake, region, disk, start, running, isThere };
};

const imagesIn = async (store: Store): Promise<ProvidedImage[]> =>
  (await store.list("image/")).entries.map(({ value }) => value as ProvidedImage);
const offeredIn = async (store: Store): Promise<string[]> =>
  (await imagesIn(store)).filter((it) => !it.deregistered).map((it) => it.cacheEntry);

/** As RunInstances records it before there is a disk. */
const launch = async (store: Store) => {
  const [image] = await imagesIn(store);
  const value = { id: "vol-1", image: { imageId: image?.id, snapshotId: image?.snapshotId } };
  await store.commit({ put: [{ key: recordKey("volume", scope, "vol-1"), value }] });
};

const stays = (sentence: RegExp) => (error: unknown) =>
  error instanceof BakedImageStays && sentence.test(error.message);

test(
  "a baked image that nothing is made of goes from the cache and from every region that runs",
  limit,
  async (t) => {
    const { cacheDir, bake, region, disk, start, running, isThere } = scene(t);
    const [image, other] = [bake("aaaaaaaaaaaa"), bake("bbbbbbbbbbbb")];
    disk(region("stopped"), "vol-1", other);
    const { dataDir, store } = await running("running", image, other);
    await start(dataDir, store);
    await removeBaked(cacheDir, image);
    assert.deepEqual([isThere(image), isThere(other)], [false, true]);
    assert.deepEqual(await offeredIn(store), ["bbbbbbbbbbbb", "bbbbbbbbbbbb"]);
    await reportImage(image, scope, store);
    assert.equal((await offeredIn(store)).includes("aaaaaaaaaaaa"), true, "baked anew, it is offered anew");
  },
);

test("it stays while a disk of any region is made of it, and is said to be whose", limit, async (t) => {
  const { cacheDir, bake, region, disk, start, running, isThere } = scene(t);
  const image = bake("aaaaaaaaaaaa");
  const stopped = region("stopped");
  disk(stopped, "vol-1", image);
  disk(stopped, "vol-2.5e2c", image); // not finished yet
  const { dataDir, store } = await running("running", image);
  await start(dataDir, store);
  const sentence = new RegExp(`^the region at ${stopped} has volumes made of it: vol-1, vol-2$`);
  await assert.rejects(removeBaked(cacheDir, image), stays(sentence));
  assert.equal(isThere(image), true);
  assert.equal((await offeredIn(store)).length, 2);
});

test("it stays for a launch whose disk is not made yet", limit, async (t) => {
  const { cacheDir, bake, start, running, isThere } = scene(t);
  const image = bake("aaaaaaaaaaaa");
  const { dataDir, store } = await running("running", image);
  await launch(store);
  await start(dataDir, store);
  await assert.rejects(removeBaked(cacheDir, image), stays(/volumes made of it: vol-1$/));
  assert.equal(isThere(image), true);
});

test("it stays, and is offered on, for a launch that comes in between", limit, async (t) => {
  const { cacheDir, bake, start, running, isThere } = scene(t);
  const image = bake("aaaaaaaaaaaa");
  const { dataDir, store } = await running("running", image);
  let launched = false;
  await start(dataDir, {
    ...store,
    async commit(transaction) {
      if (!launched) await launch(store);
      launched = true;
      return store.commit(transaction);
    },
  });
  await assert.rejects(removeBaked(cacheDir, image), stays(/volumes made of it: vol-1$/));
  assert.equal(isThere(image), true);
  assert.equal((await offeredIn(store)).length, 2);
});

test("it stays while a region on the list cannot be looked into", limit, async (t) => {
  for (const lacking of ["settings", "disksDir", "dir"] as const) {
    const { cacheDir, bake, region, isThere } = scene(t);
    const image = bake("aaaaaaaaaaaa");
    rmSync(layout(region("away"))[lacking], { recursive: true });
    const sentence =
      /^whether the region at .*\/away needs it cannot be told .*, remove .*\/regions\/[0-9a-f]{4}$/;
    await assert.rejects(removeBaked(cacheDir, image), stays(sentence));
    assert.equal(isThere(image), true);
  }
});

test("nothing is removed during a bake", limit, async (t) => {
  const { cacheDir, bake, isThere } = scene(t);
  const image = bake("aaaaaaaaaaaa");
  const options = { waiting: assert.fail, signal: new AbortController().signal };
  await withoutBakes(cacheDir, options, () =>
    assert.rejects(removeBaked(cacheDir, image), stays(/being baked/)),
  );
  assert.equal(isThere(image), true);
});

test("a new bake takes those of the recipe before it changed that nothing needs", limit, async (t) => {
  const { cacheDir, bake, region, disk, start, running, isThere } = scene(t);
  const [baked, unused, used] = [bake("aaaaaaaaaaaa"), bake("bbbbbbbbbbbb"), bake("cccccccccccc")];
  const [other, ours, theirs] = [bake("dddddddddddd", "other"), bake("eeeeeeeeeeee"), bake("ffffffffffff")];
  disk(region("stopped"), "vol-1", used);
  const [here, there] = [await running("here", ours), await running("there", theirs)];
  for (const { dataDir, store } of [here, there]) await start(dataDir, store);
  await pruneBaked(cacheDir, baked, here.dataDir);
  assert.deepEqual([baked, unused, used, other, ours, theirs].map(isThere), [
    true,
    false,
    true,
    true,
    false,
    true,
  ]);
  assert.deepEqual([await offeredIn(here.store), (await offeredIn(there.store)).length], [[], 2]);
});
