import assert from "node:assert/strict";
import { test } from "node:test";
import { comparePairs, median, orderStatistic } from "./pairs.ts";

test("the interval leaves out what the binomial tables say", () => {
  assert.deepEqual([6, 8, 9, 11, 12, 15, 20].map(orderStatistic), [0, 0, 1, 1, 2, 3, 5]);
});

test("a median of an even number lies between the two in the middle", () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 3, 2]), 2.5);
});

test("both sides are measured equally often, in turns, and the first pair does not count", async (t) => {
  t.mock.method(console, "log", () => {});
  const order: string[] = [];
  const side = (name: string, values: number[]) => async () => {
    order.push(name);
    return values.shift() ?? NaN;
  };
  const ours = side("ours", [100, 2, 4, 6, 8, 10, 12]);
  const bare = side("bare", [1, 1, 2, 3, 4, 5, 6]);
  const { ratio, interval } = await comparePairs("test", "s", { ours, bare }, 6);
  assert.deepEqual([ratio, ...interval], [2, 2, 2]);
  assert.equal(order.slice(0, 4).join(), "ours,bare,bare,ours");
});
