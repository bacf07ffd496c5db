import assert from "node:assert/strict";
import { test } from "node:test";
import { LONGEST_CHAIN, nextMerge, type Layer } from "./next-merge.ts";

/** Each on the one before; the last is a disk. */
const chain = (...layers: readonly [kind: Layer["kind"], bytes: number][]): Layer[] =>
  layers.map(([kind, bytes], n) => ({ id: `${n}`, kind, bytes, parent: n === 0 ? undefined : `${n - 1}` }));
const merge = (layers: readonly Layer[], mayNot: readonly string[] = []) =>
  nextMerge(layers, (id) => mayNot.includes(id))?.map(({ id }) => id);
const removed = ["removed", 10] as const;
const snapshot = ["snapshot", 10] as const;
const disk = ["disk", 0] as const;

test("removed snapshots that one other is a difference to are merged into it, all at once; never into a disk", () => {
  assert.deepEqual(merge(chain([...snapshot], [...removed], [...removed], [...snapshot], [...disk])), [
    "1",
    "2",
    "3",
  ]);
  assert.deepEqual(merge(chain([...removed], [...removed], [...disk])), ["0", "1"]);
  assert.equal(merge(chain([...snapshot], [...removed], [...disk])), undefined);
});

test("what is much larger than what is on it is not written again for that; nor what two are a difference to, or a machine may write", () => {
  assert.equal(merge(chain(["removed", 21], [...snapshot], [...disk])), undefined);
  assert.deepEqual(merge(chain(["removed", 20], [...snapshot], [...disk])), ["0", "1"]);
  const layers = chain([...removed], [...snapshot], [...disk]);
  assert.equal(merge([...layers, { id: "9", kind: "disk", parent: "0", bytes: 0 }]), undefined);
  assert.equal(merge(layers, ["0"]), undefined);
  assert.equal(merge(layers, ["1"]), undefined);
});

test("of a chain that is too long, the run that takes the least room is merged, though all of its snapshots are there", () => {
  const long = Array.from({ length: LONGEST_CHAIN }, (): [Layer["kind"], number] => [...snapshot]);
  assert.equal(merge(chain(...long, [...disk])), undefined);
  const tooLong = chain(["snapshot", 11], ...long, [...disk]);
  assert.deepEqual(
    merge(tooLong),
    Array.from({ length: 16 }, (_, n) => `${n + 1}`),
  );
  assert.deepEqual(merge(tooLong, ["3"])?.[0], "4");
});
