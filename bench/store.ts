import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { startFeed } from "#store/feed.ts";
import { connectStore } from "#store/socket/connect-store.ts";
import { serveStore } from "#store/socket/serve-store.ts";
import { openSqliteStore } from "#store/sqlite/sqlite-store.ts";
import type { Store } from "#store/store.ts";
import { comparePairs, median, round } from "./pairs.ts";

/**
 * Durable commits per second with 1 and 32 callers, against one caller that commits to bare SQLite with the same settings
 * and waits for each; how long after a commit has returned a feed holds it; what a listing of a tenth of a kind costs.
 * `node bench/store.ts [DIR]`: DIR is on the disk to measure.
 */
const directory = await mkdtemp(join(process.argv[2] ?? tmpdir(), "croft-bench-"));
const store = await openSqliteStore(join(directory, "store"));
const bare = openBare(join(directory, "bare.sqlite"));
const record = { state: "running", text: "x".repeat(1000) };
const measureMs = 300;

const ending = new AbortController();
try {
  const bareCommits = async () => perSecond(() => bare.commit(record));
  for (const callers of [1, 32])
    await comparePairs(
      `durable commits, callers: ${callers}`,
      "commits/s",
      { ours: () => storeCommits(callers), bare: bareCommits },
      15,
    );

  await printLag("commit to feed", store, store);
  const server = await serveStore(store, join(directory, "store.sock"));
  const remote = connectStore(join(directory, "store.sock"));
  await printLag("commit to feed over the socket", store, remote);
  await printListing();
  ending.abort();
  await remote.close();
  await server.close();
} finally {
  ending.abort();
  bare.close();
  await store.close();
  await rm(directory, { recursive: true });
}

async function storeCommits(callers: number): Promise<number> {
  const start = performance.now();
  let commits = 0;
  async function commitOn(caller: number): Promise<void> {
    for (; performance.now() - start < measureMs; commits++)
      await store.commit({ put: [{ key: `instance/${caller}`, value: record }] });
  }
  await Promise.all(Array.from({ length: callers }, (_, caller) => commitOn(caller)));
  return (commits / (performance.now() - start)) * 1000;
}

function perSecond(act: () => void): number {
  const start = performance.now();
  let times = 0;
  for (; performance.now() - start < measureMs; times++) act();
  return (times / (performance.now() - start)) * 1000;
}

function openBare(file: string) {
  const db = new DatabaseSync(file);
  db.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  db.exec("CREATE TABLE entry (key TEXT PRIMARY KEY, value TEXT) STRICT");
  const put = db.prepare("INSERT OR REPLACE INTO entry VALUES ('instance/0', ?)");
  return { commit: (value: unknown) => put.run(JSON.stringify(value)), close: () => db.close() };
}

/** How long after a commit has returned the reader's feed holds it. */
async function printLag(name: string, writer: Store, reader: Store): Promise<void> {
  const feed = await startFeed(reader, ending.signal);
  const lags: number[] = [];
  for (let n = 0; n < 500; n++) {
    const { revision } = await writer.commit({ put: [{ key: "instance/0", value: record }] });
    const returned = performance.now();
    await feed.reached(revision);
    lags.push(performance.now() - returned);
  }
  const p99 = lags.toSorted((a, b) => a - b)[Math.floor(lags.length * 0.99)] ?? NaN;
  console.log(`${name}: median ${round(median(lags))} ms, p99 ${round(p99)} ms`);
}

async function printListing(): Promise<void> {
  const accounts = Array.from({ length: 10 }, (_, n) => `interface/${n}/here`);
  const puts = accounts.flatMap((account) =>
    Array.from({ length: 1000 }, (_, n) => ({ key: `${account}/eni-${n}`, value: record })),
  );
  for (let n = 0; n < puts.length; n += 100) await store.commit({ put: puts.slice(n, n + 100) });
  const feed = await startFeed(store, ending.signal);
  const times = Array.from({ length: 200 }, () => {
    const start = performance.now();
    feed.list("interface/5/here/");
    return performance.now() - start;
  });
  console.log(`feed, 1,000 of 10,000 listed: median ${round(median(times))} ms`);
}
