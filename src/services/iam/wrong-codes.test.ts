import assert from "node:assert/strict";
import { test } from "node:test";
import { WrongCodes } from "./wrong-codes.ts";

test("after five wrong codes a device takes none for a while that doubles, up to an hour; another's do not count", () => {
  const codes = new WrongCodes();
  const at = (seconds: number) => new Date(seconds * 1000);
  for (let tried = 0; tried < 5; tried++) {
    assert.ok(codes.mayTry("a", at(0)));
    codes.wrong("a", at(0));
  }
  assert.ok(!codes.mayTry("a", at(29)) && codes.mayTry("a", at(30)) && codes.mayTry("b", at(0)));
  codes.wrong("a", at(30));
  assert.ok(!codes.mayTry("a", at(89)) && codes.mayTry("a", at(90)));
  for (let tried = 0; tried < 100; tried++) codes.wrong("a", at(90));
  assert.ok(!codes.mayTry("a", at(3689)) && codes.mayTry("a", at(3690)));
  codes.right("a");
  assert.ok(codes.mayTry("a", at(0)));
});
