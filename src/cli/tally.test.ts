import assert from "node:assert/strict";
import { test } from "node:test";
import { counted, noTests, succeeded, sum, tallyLine } from "./tally.ts";
import type { Finished } from "./tally.ts";

const tallyOf = (...finished: Finished[]) => finished.reduce(counted, noTests);

test("passed, failed and skipped tests are counted apart", () => {
  const tally = tallyOf(
    { name: "one", outcome: "pass" },
    { name: "two", outcome: "fail", failureType: "testCodeFailure" },
    { name: "three", outcome: "pass", skip: "no KVM here" },
    { name: "four", outcome: "fail", todo: true },
  );
  assert.deepEqual(tally, { passed: 1, failed: 1, skipped: 2 });
});

test("what only holds tests is no test", () => {
  const tally = tallyOf(
    { name: "a describe block", outcome: "pass", type: "suite" },
    { name: "src/a/without.test.ts", outcome: "pass", type: "test" },
    { name: "around a failing test", outcome: "fail", type: "suite", failureType: "subtestsFailed" },
  );
  assert.deepEqual(tally, noTests);
});

test("a file that breaks before its tests is a failure", () => {
  assert.equal(
    tallyOf({ name: "src/a/broken.test.ts", outcome: "fail", failureType: "testCodeFailure" }).failed,
    1,
  );
});

test("the last line names what was skipped only when something was", () => {
  assert.equal(tallyLine({ passed: 12, failed: 0, skipped: 0 }), "12 passed, 0 failed");
  assert.equal(tallyLine({ passed: 12, failed: 1, skipped: 3 }), "12 passed, 1 failed, 3 skipped");
});

test("a run without a single passed test did not succeed", () => {
  assert.equal(succeeded(noTests), false);
  assert.equal(succeeded({ passed: 0, failed: 0, skipped: 4 }), false);
  assert.equal(
    succeeded(
      sum([
        { passed: 1, failed: 0, skipped: 0 },
        { passed: 1, failed: 1, skipped: 0 },
      ]),
    ),
    false,
  );
  assert.equal(succeeded(sum([{ passed: 1, failed: 0, skipped: 0 }, noTests])), true);
});
