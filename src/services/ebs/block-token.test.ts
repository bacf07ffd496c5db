import assert from "node:assert/strict";
import { test } from "node:test";
import { blockToken, opensBlock } from "./block-token.ts";

const key = Buffer.alloc(32, 1);
const block = { snapshotId: "snap-0123456789abcdef0", index: 7 };
const until = new Date("2026-06-01T00:00:00Z");
const token = blockToken(block, until, key);

test("a block's token is good until its time, and in AWS's letters", () => {
  assert.match(token, /^[A-Za-z0-9+/=]{1,256}$/);
  assert.equal(opensBlock(token, block, new Date("2026-05-31T23:59:59.999Z"), key), true);
  assert.equal(opensBlock(token, block, until, key), false);
});

test("it is good for no other block, and of no other region's key", () => {
  const now = new Date("2026-05-01T00:00:00Z");
  for (const [other, by] of [
    [{ ...block, index: 8 }, key],
    [{ ...block, snapshotId: "snap-0123456789abcdef1" }, key],
    [block, Buffer.alloc(32, 2)],
  ] as const)
    assert.equal(opensBlock(token, other, now, by), false);
  for (const spoilt of ["", "AAAA", token.slice(4), `${token}AAAA`])
    assert.equal(opensBlock(spoilt, block, now, key), false, spoilt);
});
