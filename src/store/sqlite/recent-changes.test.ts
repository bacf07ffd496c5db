import assert from "node:assert/strict";
import { test } from "node:test";
import { RecentChanges } from "./recent-changes.ts";

const changes = (revision: number) => ({ revision, put: [], deleted: [] });
const revisions = (recent: RecentChanges, after: number) =>
  recent.after(after)?.map(({ revision }) => revision);

test("it has what came since it was made, and knows what it never had", () => {
  const recent = new RecentChanges(5, 10_000);
  assert.deepEqual(revisions(recent, 5), []);
  recent.add(changes(6), 10);
  recent.add(changes(7), 10);
  assert.deepEqual(revisions(recent, 5), [6, 7]);
  assert.deepEqual(revisions(recent, 7), []);
  assert.equal(revisions(recent, 4), undefined);
  assert.equal(revisions(recent, 8), undefined);
});

test("it forgets the oldest when it grows too big, and always has the newest", () => {
  const recent = new RecentChanges(0, 10_000);
  for (let revision = 1; revision <= 10; revision++) recent.add(changes(revision), 2800);
  assert.deepEqual(revisions(recent, 7), [8, 9, 10]);
  assert.equal(revisions(recent, 6), undefined);
  recent.add(changes(11), 20_000);
  assert.deepEqual(revisions(recent, 10), [11]);
});

test("whoever waits is woken by the next one", async () => {
  const recent = new RecentChanges(0, 10_000);
  const woken = Promise.all([recent.arrival(), recent.arrival()]);
  recent.add(changes(1), 10);
  await woken;
});
