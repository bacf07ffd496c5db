import assert from "node:assert/strict";
import { test } from "node:test";
import { WrongTries } from "./wrong-tries.ts";

test("after five wrong tries none is taken for a while that doubles, up to an hour; another's do not count", () => {
  const tries = new WrongTries();
  const at = (seconds: number) => new Date(seconds * 1000);
  for (let tried = 0; tried < 5; tried++) {
    assert.ok(tries.mayTry("a", at(0)));
    tries.wrong("a", at(0));
  }
  assert.ok(!tries.mayTry("a", at(29)) && tries.mayTry("a", at(30)) && tries.mayTry("b", at(0)));
  tries.wrong("a", at(30));
  assert.ok(!tries.mayTry("a", at(89)) && tries.mayTry("a", at(90)));
  for (let tried = 0; tried < 100; tried++) tries.wrong("a", at(90));
  assert.ok(!tries.mayTry("a", at(3689)) && tries.mayTry("a", at(3690)));
  tries.right("a");
  assert.ok(tries.mayTry("a", at(0)));
});
