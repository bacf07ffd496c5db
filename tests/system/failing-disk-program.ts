import { openSqliteStore } from "#store/sqlite/sqlite-store.ts";

/** For `store.test.ts`, which lets no file grow far: commits to the store in argv[2] until the disk fails, and says what then. */
process.on("SIGXFSZ", () => {}); // the write fails instead
const store = await openSqliteStore(process.argv[2] ?? "");
const { signal } = new AbortController();

async function watch(): Promise<void> {
  for await (const changes of store.watch("", 0, signal)) void changes;
}

async function commitForEver(): Promise<never> {
  for (let n = 0; ; n++) await store.commit({ put: [{ key: `a/${n}`, value: "x".repeat(100_000) }] });
}

const [watched, committed] = await Promise.allSettled([watch(), commitForEver()]);
const [got] = await Promise.allSettled([store.get("a/0")]);
await store.close();
console.log(
  [watched, committed, got]
    .map((end) => (end.status === "rejected" ? String(end.reason) : "went on"))
    .join("\n"),
);
