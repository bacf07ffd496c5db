import assert from "node:assert/strict";
import { test } from "node:test";
import { LONGEST_CHAIN, nextMerge, SHORT_CHAIN, type Layer } from "./next-merge.ts";

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

test("of a chain that is not short, the four that take the least are merged, when that is little of what it takes", () => {
  const short = Array.from({ length: SHORT_CHAIN }, (): [Layer["kind"], number] => [...snapshot]);
  assert.equal(merge(chain(["snapshot", 240], ...short.slice(1), [...disk])), undefined);
  assert.deepEqual(merge(chain(["snapshot", 240], ...short, [...disk])), ["1", "2", "3", "4"]);
  assert.equal(merge(chain(["snapshot", 239], ...short, [...disk])), undefined);
});

test("snapshots that are all kept take a few times what changed, and what stands on 50 of them reads of eight", () => {
  // Of 100 parts, each snapshot changes another.
  const made = (count: number) => {
    let layers: (Layer & { readonly parts: ReadonlySet<number> })[] = [];
    for (let n = 0; n < count; n++) {
      const parts = new Set(n === 0 ? Array.from({ length: 100 }, (_, part) => part) : [(n * 37) % 100]);
      const parent = n === 0 ? undefined : `${n - 1}`;
      layers.push({ id: `${n}`, kind: "snapshot", parent, bytes: parts.size, parts });
      for (let run = merge([...layers, diskOn(n)]); run; run = merge([...layers, diskOn(n)])) {
        const merged = layers.filter(({ id }) => run?.includes(id));
        const whole = new Set(merged.flatMap((it) => [...it.parts]));
        const lowest = merged[0]?.parent;
        layers = layers.map((it) =>
          it.id === run?.at(-1) ? { ...it, parent: lowest, bytes: whole.size, parts: whole } : it,
        );
      }
    }
    const byId = new Map(layers.map((it) => [it.id, it]));
    let depth = 0;
    for (let it = layers.at(-1); it; it = byId.get(it.parent ?? "")) depth++;
    return { depth, room: layers.reduce((sum, { bytes }) => sum + bytes, 0) };
  };
  const diskOn = (n: number): Layer => ({ id: "disk", kind: "disk", parent: `${n}`, bytes: 0 });
  const [fifty, many] = [made(50), made(300)];
  assert.ok(fifty.depth <= SHORT_CHAIN && fifty.room < 2 * 149, JSON.stringify(fifty));
  assert.ok(many.depth <= 2 * SHORT_CHAIN && many.room < 8 * 399, JSON.stringify(many));
});

test("no chain stays too long, whatever its layers take, though all of its snapshots are there", () => {
  const sizes = Array.from({ length: LONGEST_CHAIN }, (_, n): [Layer["kind"], number] => [
    "snapshot",
    1 + (n % 5),
  ]);
  const tooLong = chain(...sizes, [...disk]);
  assert.equal(merge(tooLong)?.length, 4);
  const least = merge(chain(...sizes.with(9, ["snapshot", 0]), [...disk])) ?? [];
  assert.ok(least.includes("9"), String(least));
  assert.ok(!merge(tooLong, ["3"])?.includes("3"));
});
