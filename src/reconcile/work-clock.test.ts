import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "#testing/fake-clock.ts";
import { workClock } from "./work-clock.ts";

test("a deadline counts from when it was first asked for, anew once forgotten, and not while the host sleeps", async () => {
  const clock = new FakeClock();
  const worked = workClock(clock);
  assert.equal(worked.since("a launch"), 0);
  await clock.advance(1_000);
  clock.sleep(3_600_000);
  assert.equal(clock.now().toISOString(), "2026-01-01T01:00:01.000Z");
  assert.equal(worked.since("a launch"), 1_000);
  assert.equal(worked.since("another"), 0);
  worked.forget("a launch");
  assert.equal(worked.since("a launch"), 0);
});
