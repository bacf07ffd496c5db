import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { FakeClock } from "#testing/fake-clock.ts";
import { CallsUnderWay } from "./calls-under-way.ts";

test("what lets calls pass goes on when the last is answered, however it was, and at once when there is none", async () => {
  const calls = new CallsUnderWay(new FakeClock());
  await calls.letPass(250);
  const [first, last] = [Promise.withResolvers<string>(), Promise.withResolvers<string>()];
  const answers = Promise.allSettled([calls.add(first.promise), calls.add(last.promise)]);
  let passed = false;
  const waiting = calls.letPass(250).then(() => (passed = true));
  first.resolve("an answer");
  await turn();
  assert.equal(passed, false);
  last.reject(new Error("no answer"));
  await waiting;
  assert.deepEqual(
    (await answers).map(({ status }) => status),
    ["fulfilled", "rejected"],
  );
});

test("however many call, what waits for them goes on after a while", async () => {
  const clock = new FakeClock();
  const calls = new CallsUnderWay(clock);
  void calls.add(new Promise(() => {}));
  let passed = false;
  void calls.letPass(250).then(() => (passed = true));
  await clock.advance(249);
  assert.equal(passed, false);
  await clock.advance(1);
  assert.equal(passed, true);
});
