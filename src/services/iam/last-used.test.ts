import assert from "node:assert/strict";
import { test } from "node:test";
import { nobody, rootCaller } from "#api/caller.ts";
import { startFeed } from "#store/feed.ts";
import { openMemoryStore } from "#store/sqlite/memory-store.ts";
import type { Transaction } from "#store/store.ts";
import { Accounts } from "./accounts.ts";
import { notedUse } from "./last-used.ts";

const accountId = "111122223333";

test("a key's use is noted once a minute, and of a call that nobody signed nothing is", async (t) => {
  const store = openMemoryStore();
  const ending = new AbortController();
  t.after(async () => {
    ending.abort();
    await store.close();
  });
  const accounts = new Accounts(await startFeed(store, ending.signal), accountId);
  const committed: Transaction[] = [];
  const counting = {
    async commit(transaction: Transaction) {
      committed.push(transaction);
      return store.commit(transaction);
    },
  };
  const note = notedUse(accounts, counting, assert.fail);
  const signed = { service: "iam", region: "eu-west-1" };
  const by = (caller: ReturnType<typeof nobody>, second: number) =>
    note({
      signedIn: { ...signed, caller, accessKeyId: caller.accessKeyId },
      at: new Date(`2026-01-01T00:00:${second}Z`),
    });
  by(nobody(accountId), 10);
  assert.deepEqual(committed, []);
  by(rootCaller(accountId, "AKIAROOT"), 11);
  by(rootCaller(accountId, "AKIAROOT"), 59);
  assert.deepEqual(
    committed.map(({ put }) => put),
    [
      [
        {
          key: `iam-access-key-use/${accountId}/*/AKIAROOT`,
          value: { id: "AKIAROOT", at: "2026-01-01T00:00:00.000Z", ...signed },
        },
      ],
    ],
  );
});
