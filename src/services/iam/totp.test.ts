import assert from "node:assert/strict";
import { test } from "node:test";
import { base32, codeAt, stepAt, stepOf } from "./totp.ts";

const seed = Buffer.from("12345678901234567890");

test("codes are those of RFC 6238's table, of which these are the last six digits", () => {
  const codes = [59, 1_111_111_109, 1_111_111_111, 1_234_567_890, 2_000_000_000, 20_000_000_000].map((it) =>
    codeAt(stepAt(new Date(it * 1000)), seed),
  );
  assert.deepEqual(codes, ["287082", "081804", "050471", "005924", "279037", "353130"]);
});

test("the steps of codes are found within bounds, and only of codes that follow one another", () => {
  const [first, second, third] = [codeAt(100, seed), codeAt(101, seed), codeAt(102, seed)];
  assert.equal(stepOf([first, second], seed, 90, 110), 100);
  assert.equal(stepOf([first, third], seed, 90, 110), undefined);
  assert.equal(stepOf([first], seed, 101, 110), undefined);
  assert.equal(stepOf(["é7082"], seed, 0, 3), undefined);
  assert.equal(stepOf([""], seed, 0, 3), undefined);
});

test("seeds are written in base 32", () => {
  assert.equal(base32(seed), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
  assert.equal(base32(Buffer.from([0xff, 0, 0xff, 0, 0xff])), "74AP6AH7");
});
