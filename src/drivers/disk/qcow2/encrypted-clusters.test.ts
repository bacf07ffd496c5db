import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { encryptedClusters, laidOver } from "./encrypted-clusters.ts";
import { CLUSTER } from "./encrypted-file.ts";

const scratch = mkdtempSync(join(tmpdir(), "croft-clusters-"));
after(() => rmSync(scratch, { recursive: true }));

/** A qcow2 file of four clusters: its header, its first table, one second table, and one of data. */
async function read(change: (file: Buffer) => void) {
  const file = Buffer.alloc(4 * CLUSTER);
  file.writeUInt32BE(3, 4);
  file.writeUInt32BE(16, 20);
  file.writeUInt32BE(2, 36);
  file.writeBigUInt64BE(BigInt(CLUSTER), 40);
  file.writeBigUInt64BE(BigInt(2 * CLUSTER), CLUSTER);
  change(file);
  const path = join(scratch, "file");
  writeFileSync(path, file);
  await using handle = await open(path, "r");
  return await encryptedClusters(handle);
}

test("a file tells where its clusters are, and which are zeros; of the others it says nothing", async () => {
  const pieces = await read((file) => {
    file.writeBigUInt64BE(BigInt(3 * CLUSTER), 2 * CLUSTER + 8);
    file.writeBigUInt64BE(1n, 2 * CLUSTER + 16);
  });
  assert.deepEqual(pieces, [
    { start: CLUSTER, length: CLUSTER, offset: 3 * CLUSTER },
    { start: 2 * CLUSTER, length: CLUSTER },
  ]);
});

for (const [what, change] of [
  ["another version", (file) => file.writeUInt32BE(2, 4)],
  ["features of others", (file) => file.writeBigUInt64BE(1n << 4n, 72)],
  ["a table that is larger than it", (file) => file.writeUInt32BE(0xffff_ffff, 36)],
  ["a compressed cluster", (file) => file.writeBigUInt64BE(1n << 62n, 2 * CLUSTER)],
  [
    "more clusters than it has",
    (file) => {
      for (let n = 0; n < 8192; n++) file.writeBigUInt64BE(BigInt(3 * CLUSTER), 2 * CLUSTER + 8 * n);
    },
  ],
] as const satisfies [string, (file: Buffer) => unknown][])
  test(`a file with ${what} is refused`, async () => {
    await assert.rejects(read(change), /not as it was made/);
  });

test("what lies over another hides it, zeros too, and leaves the rest", () => {
  const below = [
    { start: 0, length: 100, layer: 1, offset: 1000 },
    { start: 200, length: 100, layer: 1, offset: 2000 },
  ];
  const over = [
    { start: 10, length: 10, offset: 5000 },
    { start: 50, length: 200 },
  ];
  assert.deepEqual(laidOver(over, 0, below), [
    { start: 0, length: 10, layer: 1, offset: 1000 },
    { start: 10, length: 10, layer: 0, offset: 5000 },
    { start: 20, length: 30, layer: 1, offset: 1020 },
    { start: 250, length: 50, layer: 1, offset: 2050 },
  ]);
  assert.deepEqual(laidOver([], 0, below), below);
});
