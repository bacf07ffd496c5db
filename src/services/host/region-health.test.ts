import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { startFeed } from "#store/feed.ts";
import { FakeClock } from "#testing/fake-clock.ts";
import { openMemoryStore } from "#store/sqlite/memory-store.ts";
import { testHost, testImage } from "#testing/region.ts";
import { recordKey } from "../ec2/records.ts";
import { regionalRecords } from "../ec2/regional-records.ts";
import { hostLease } from "./host.ts";
import { regionHealth } from "./region-health.ts";

const scope = { accountId: "111122223333", region: "eu-central-1" };
const aHost = { key: recordKey("host", scope, testHost.id), value: testHost };
const anImage = { key: recordKey("image", scope, testImage.id), value: testImage };
const leased = (until: string) => ({ key: `lease/${hostLease.name(testHost.id)}`, value: { until } });
const later = leased("2026-01-01T00:00:15Z");

const starting: readonly [what: string, entries: readonly { key: string; value: unknown }[]][] = [
  ["nothing is there", []],
  ["no host has come", [anImage]],
  ["no image has been baked", [aHost, later]],
  ["the host has never renewed its lease", [aHost, anImage]],
  ["the host's lease has run out", [aHost, anImage, leased("2026-01-01T00:00:00Z")]],
];
for (const [what, entries] of starting)
  test(`a region is starting while ${what}`, async (t) => {
    const { status, body } = await health(t, entries);
    assert.equal(status, 503);
    assert.equal(body.status, "starting");
  });

test("a region with a host and an image is ready, and says how it runs machines", async (t) => {
  const { status, body } = await health(t, [aHost, anImage, later]);
  assert.equal(status, 200);
  assert.deepEqual(body, {
    status: "ready",
    version: "1.2.3",
    machines: "qemu",
    acceleration: "tcg",
    accelerationReason: "a test",
    zones: ["eu-central-1a", "eu-central-1b", "eu-central-1c"],
    images: [{ id: testImage.id, name: testImage.name }],
    capped: [],
    credits: {},
    instances: {},
    starting: [],
    queue: 0,
  });
});

test("images are listed oldest first, whatever their ids", async (t) => {
  const older = { ...testImage, id: "ami-0bbbbbbbbbbbbbbbb", createdAt: "2025-01-01T00:00:00.000Z" };
  const { body } = await health(t, [
    aHost,
    anImage,
    later,
    { key: recordKey("image", scope, older.id), value: older },
  ]);
  assert.deepEqual(
    body.images.map(({ id }: { id: string }) => id),
    [older.id, testImage.id],
  );
});

test("what starts is named, what waits is counted", async (t) => {
  const launches = { starting: ["i-1"], waiting: ["i-2", "i-3"] };
  const { body } = await health(t, [{ ...aHost, value: { ...testHost, launches } }, anImage, later]);
  assert.deepEqual([body.starting, body.queue], [["i-1"], 2]);
});

async function health(t: TestContext, put: readonly { key: string; value: unknown }[]) {
  const ending = new AbortController();
  const store = openMemoryStore();
  t.after(() => store.close());
  t.after(() => ending.abort());
  if (put.length > 0) await store.commit({ put });
  const feed = await startFeed(store, ending.signal);
  const regions = regionalRecords(feed);
  const { status, body } = regionHealth("1.2.3", scope, regions, feed, new FakeClock())();
  assert.ok(typeof body === "string");
  return { status, body: JSON.parse(body) };
}
