import assert from "node:assert/strict";
import { test } from "node:test";
import { plainText } from "./plain-text.ts";

test("nothing of a guest's text commands the operator's terminal", () => {
  assert.equal(plainText("\x1b[31mred\x1b[0m and \x1b]0;title\x07plain"), "red and plain");
  assert.equal(plainText("a\r\nb\tc\x08\x00\x7f\x9b2Jd"), "a\nb\tcd");
  assert.ok(!plainText("\x1bP1;2|secret\x1b\\ \x1b(0 \x1b] \x1b").includes("\x1b"));
});

test("what people write stays", () => {
  assert.equal(plainText("Grüße, 世界 ✓"), "Grüße, 世界 ✓");
});
