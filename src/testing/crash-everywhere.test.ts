import assert from "node:assert/strict";
import { test } from "node:test";
import { moved, type Reconciler, settled, wait } from "#reconcile/outcome.ts";
import type { Feed } from "#store/feed.ts";
import { type CrashScene, crashEverywhere } from "./crash-everywhere.ts";
import { openMemoryStore } from "#store/sqlite/memory-store.ts";

class Disks {
  readonly present: string[] = [];
  failures = 0;
  async ensure(id: string): Promise<void> {
    if (this.failures-- > 0) throw new Error("disk busy");
    if (!this.present.includes(id)) this.present.push(id);
  }
  async make(id: string): Promise<void> {
    this.present.push(id);
  }
  has(id: string): boolean {
    return this.present.includes(id);
  }
}

type Drivers = { disks: Disks };

async function scene(
  volumes: (program: { feed: Feed; drivers: Drivers }) => Reconciler,
): Promise<CrashScene<Drivers>> {
  const store = openMemoryStore();
  await store.commit({ put: [{ key: "volume/1", value: "creating" }] });
  return { store, drivers: { disks: new Disks() }, reconcilers: (program) => [volumes(program)] };
}

test("a reconciler whose steps may be repeated comes out the same from every crash", async () => {
  const crashes = await crashEverywhere(
    () =>
      scene(({ feed, drivers: { disks } }) => ({
        kind: "volume",
        async step(key) {
          if (feed.get(key)?.value === "available") return settled;
          if (disks.has(key)) return moved({ put: [{ key, value: "available" }] });
          await disks.ensure(key);
          return wait(5000);
        },
      })),
    ({ drivers, feed }) => {
      assert.equal(feed.get("volume/1")?.value, "available");
      assert.deepEqual(drivers.disks.present, ["volume/1"]);
    },
  );
  assert.equal(crashes, 6); // before has, twice; before and after ensure and the commit
});

test("one that does something twice is found, with the crash that shows it", async () => {
  const careless = crashEverywhere(
    () =>
      scene(({ feed, drivers: { disks } }) => ({
        kind: "volume",
        async step(key) {
          if (feed.get(key)?.value === "available") return settled;
          await disks.make(key);
          return moved({ put: [{ key, value: "available" }] });
        },
      })),
    ({ drivers }) => assert.deepEqual(drivers.disks.present, ["volume/1"]),
  );
  await assert.rejects(careless, /^Error: crashed after call 1 of disks.make/);
});

test("one that remembers what it should read is found", async () => {
  const forgetful = crashEverywhere(
    () =>
      scene(({ feed, drivers: { disks } }) => {
        const begun = new Set<string>();
        return {
          kind: "volume",
          async step(key) {
            if (feed.get(key)?.value === "available") return settled;
            if (begun.has(key)) return moved({ put: [{ key, value: "available" }] });
            if (disks.has(key)) return wait(1000);
            await disks.ensure(key);
            begun.add(key);
            return wait(0);
          },
        };
      }),
    () => {},
  );
  await assert.rejects(forgetful, /crashed after call 1 of disks.ensure: Error: never came to rest/);
});

test("one that swallows the crash gains nothing by it", async () => {
  const swallowing = crashEverywhere(
    () =>
      scene(({ feed, drivers: { disks } }) => ({
        kind: "volume",
        async step(key) {
          if (feed.get(key)?.value !== "creating") return settled;
          const made = await disks.ensure(key).then(
            () => "available",
            () => "error",
          );
          return moved({ put: [{ key, value: made }] });
        },
      })),
    ({ feed }) => assert.equal(feed.get("volume/1")?.value, "available"),
  );
  assert.equal(await swallowing, 4);
});

test("a driver that fails for a while is asked again", async () => {
  await crashEverywhere(
    async () => {
      const built = await scene(({ feed, drivers: { disks } }) => ({
        kind: "volume",
        async step(key) {
          if (feed.get(key)?.value === "available") return settled;
          await disks.ensure(key);
          return moved({ put: [{ key, value: "available" }] });
        },
      }));
      built.drivers.disks.failures = 3;
      return built;
    },
    ({ feed }) => assert.equal(feed.get("volume/1")?.value, "available"),
  );
});
