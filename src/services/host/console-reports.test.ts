import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { createFakeMachines } from "#drivers/machine/fake/fake-machines.ts";
import { startFeed } from "#store/feed.ts";
import { FakeClock } from "#testing/fake-clock.ts";
import { openMemoryStore } from "#store/sqlite/memory-store.ts";
import { recordKey } from "../ec2/records.ts";
import { regionalRecords } from "../ec2/regional-records.ts";
import { consoleReports } from "./console-reports.ts";

const limit = { timeout: 10_000 };
const id = "i-1";
const instance = {
  id,
  hostId: "host-1",
  memoryMiB: 1024,
  wanted: { state: "running", generation: 1 },
  so: { generation: 1, state: "running", reboots: 0 },
};

test("what a guest prints is there two seconds later", limit, async (t) => {
  const { machines, clock, output } = await withConsole(t);
  machines.print(id, "hello\n");
  await clock.advance(1_999);
  assert.equal(output(), undefined);
  await clock.advance(1);
  assert.equal(output(), "hello\n");
});

test("a guest that does not stop printing is reported once in two seconds", limit, async (t) => {
  const { machines, clock, output, feed } = await withConsole(t);
  const before = feed.revision;
  for (let n = 0; n < 100; n++) {
    machines.print(id, `line ${n}\n`);
    await clock.advance(100);
  }
  await clock.advance(2_000);
  assert.equal(feed.revision - before, 5);
  assert.match(output() ?? "", /line 99\n$/);
});

test("a change that printed nothing writes nothing", limit, async (t) => {
  const { clock, report, feed } = await withConsole(t);
  const before = feed.revision;
  report(id);
  await clock.advance(2_000);
  assert.equal(feed.revision, before);
});

test("the console of an instance that is gone, or goes, is not kept", limit, async (t) => {
  for (const released of [true, undefined]) {
    const { machines, clock, output, store, feed, errors } = await withConsole(t);
    const key = recordKey("instance", scope, id);
    machines.print(id, "last words\n");
    const gone = released
      ? { put: [{ key, value: { ...instance, so: { ...instance.so, released } } }] }
      : { delete: [key] };
    await feed.reached((await store.commit(gone)).revision);
    await clock.advance(2_000);
    assert.equal(output(), undefined);
    assert.deepEqual(errors, []);
  }
});

const scope = { accountId: "111122223333", region: "eu-central-1" };

/** The console of one running machine. */
async function withConsole(t: TestContext) {
  const ending = new AbortController();
  const store = openMemoryStore();
  t.after(() => store.close());
  t.after(() => ending.abort());
  await store.commit({ put: [{ key: recordKey("instance", scope, id), value: instance }] });
  const feed = await startFeed(store, ending.signal);
  const regions = regionalRecords(feed);
  const records = regions.in(scope);
  const clock = new FakeClock();
  const machines = createFakeMachines({ boots: false });
  const errors: string[] = [];
  const report = consoleReports(machines, regions, store, clock, (line) => void errors.push(line));
  machines.onChange(report);
  await machines.ensure({
    id,
    cpus: 1,
    threadsPerCore: 1,
    memoryMiB: 1,
    identity: { uuid: "", product: "" },
    boot: { by: "bios" },
    disks: [],
    ports: [],
  });
  const output = () => {
    const reported = records.get("console", id)?.output;
    return reported === undefined ? undefined : Buffer.from(reported, "base64").toString();
  };
  return { store, feed, clock, machines, report, output, errors };
}
