import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { array, assert as holds, nat, option, property, record } from "fast-check";
import { BLOCK_BYTES } from "../disk-driver.ts";
import { blocksOf, differingBlocks, extentsOf, type Extent } from "./snapshot-extents.ts";

const KiB64 = 64 * 1024;
const row = (start: number, depth: number, offset?: number, length = KiB64) => ({
  start,
  length,
  depth,
  present: true,
  zero: false,
  data: true,
  ...(offset !== undefined && { offset }),
});
const printed = (...rows: readonly object[]) => JSON.stringify(rows);

describe("where a snapshot's bytes are", () => {
  test("is what qemu-img says of its chain, without what is zeros", () => {
    const zeros = { start: KiB64, length: 2 * KiB64, depth: 0, present: true, zero: true, data: false };
    assert.deepEqual(extentsOf(printed(row(0, 1, 327_680), zeros, row(3 * KiB64, 0, 0)), 2), [
      { start: 0, length: KiB64, layer: 1, offset: 327_680 },
      { start: 3 * KiB64, length: KiB64, layer: 0, offset: 0 },
    ]);
  });

  test("is refused when it cannot be: in no file, in no order, nowhere", () => {
    for (const rows of [
      [row(0, 0)],
      [row(0, 2, 0)],
      [row(0, 0, -1)],
      [row(KiB64, 0, 0), row(0, 0, KiB64)],
      [row(0, 0, 0, 2 * KiB64), row(KiB64, 0, 0)],
      [row(0, 0, 0.5)],
    ])
      assert.throws(() => extentsOf(printed(...rows), 2), /cannot be found/);
  });

  test("makes blocks of the extents, each once", () => {
    const at = (start: number, length: number): Extent => ({ start, length, layer: 0, offset: start });
    assert.deepEqual(
      blocksOf([
        at(0, KiB64),
        at(KiB64 * 2, KiB64),
        at(BLOCK_BYTES - KiB64, 2 * KiB64),
        at(5 * BLOCK_BYTES, 3 * BLOCK_BYTES),
      ]),
      [
        [0, 2],
        [5, 3],
      ],
    );
  });
});

test("two snapshots differ in the blocks of which a byte is at another place, and in no other", () => {
  const clusters = 64;
  const cluster = option(record({ layer: nat(2), place: nat(3) }), { nil: undefined });
  const snapshot = array(cluster, { minLength: clusters, maxLength: clusters });
  const mapped = (places: readonly ({ layer: number; place: number } | undefined)[]) => ({
    files: ["a", "b", "c"],
    extents: places.flatMap((it, n) =>
      it ? [{ start: n * KiB64, length: KiB64, layer: it.layer, offset: (n + it.place) * KiB64 }] : [],
    ),
  });
  holds(
    property(snapshot, snapshot, (one, other) => {
      const inRuns = differingBlocks(mapped(one), mapped(other)).flatMap(([first, count]) =>
        Array.from({ length: count }, (_, n) => first + n),
      );
      const perBlock = BLOCK_BYTES / KiB64;
      const expected = Array.from({ length: clusters / perBlock }, (_, block) => block).filter((block) =>
        one.slice(block * perBlock, (block + 1) * perBlock).some((it, n) => {
          const that = other[block * perBlock + n];
          return it?.layer !== that?.layer || it?.place !== that?.place;
        }),
      );
      assert.deepEqual(inRuns, expected);
    }),
  );
});

test("extents that are cut differently are the same bytes all the same", () => {
  const files = ["a"];
  const whole = { files, extents: [{ start: 0, length: 4 * BLOCK_BYTES, layer: 0, offset: 4096 }] };
  const halves = {
    files,
    extents: [0, 2].map((n) => ({
      start: n * BLOCK_BYTES,
      length: 2 * BLOCK_BYTES,
      layer: 0,
      offset: n * BLOCK_BYTES + 4096,
    })),
  };
  assert.deepEqual(differingBlocks(whole, halves), []);
});
