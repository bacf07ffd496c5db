import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { BLOCK_BYTES } from "../disk-driver.ts";
import { OpenSnapshot } from "./open-snapshot.ts";
import { Qcow2SnapshotReader } from "./qcow2-snapshot-reader.ts";
import type { Extent } from "./snapshot-extents.ts";

/** Snapshots of files that hold their own first letter, a block each, without qemu-img. */
function scene(t: TestContext, options: { readonly idleMs?: number } = {}) {
  const directory = mkdtempSync(join(tmpdir(), "croft-reader-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const places = new Map<string, { files: readonly string[]; extents: readonly Extent[] }>();
  const opened: string[] = [];
  const file = (name: string): string => {
    const path = join(directory, name);
    writeFileSync(path, Buffer.alloc(2 * BLOCK_BYTES, name));
    return path;
  };
  /** Block n is in `files[layers[n]]`, where it is block n too. */
  const place = (id: string, files: readonly string[], layers: readonly number[]) =>
    places.set(id, {
      files,
      extents: layers.map((layer, n) => ({
        start: n * BLOCK_BYTES,
        length: BLOCK_BYTES,
        layer,
        offset: n * BLOCK_BYTES,
      })),
    });
  const reader = new Qcow2SnapshotReader(async (id) => {
    opened.push(id);
    const found = places.get(id);
    if (!found) throw new Error(`there is no snapshot ${id}`);
    return OpenSnapshot.of(found.files, async () => found.extents);
  }, options);
  const letter = async (id: string, index: number) =>
    (await reader.readBlock(id, index)).toString("latin1", 0, 1);
  return { reader, opened, file, place, places, letter };
}

test("a snapshot is opened once, and anew when files were changed", async (t) => {
  const { reader, opened, file, place, letter } = scene(t);
  place("snap-1", [file("a"), file("b")], [0, 1]);
  assert.deepEqual(
    [await letter("snap-1", 0), await letter("snap-1", 1), await letter("snap-1", 2)],
    ["a", "b", "\0"],
  );
  assert.deepEqual(opened, ["snap-1"]);
  place("snap-1", [file("c")], [0]);
  reader.forget();
  assert.deepEqual([await letter("snap-1", 0), await letter("snap-1", 1)], ["c", "\0"]);
  assert.deepEqual(opened, ["snap-1", "snap-1"]);
});

test(
  "what nobody reads for a while is closed, and opened again by the next",
  { timeout: 10_000 },
  async (t) => {
    const { opened, file, place, letter } = scene(t, { idleMs: 1 });
    const path = file("a");
    place("snap-1", [path], [0]);
    assert.equal(await letter("snap-1", 0), "a");
    const isOpen = () => readdirSync("/proc/self/fd").some((fd) => targetOf(fd) === path);
    while (isOpen()) await new Promise((resolve) => setTimeout(resolve, 1));
    assert.equal(await letter("snap-1", 0), "a");
    assert.deepEqual(opened, ["snap-1", "snap-1"]);
  },
);

test("whoever reads while files are changed reads all the same", async (t) => {
  const { reader, file, place, letter } = scene(t);
  place("snap-1", [file("a")], [0, 0]);
  const reads = Array.from({ length: 50 }, async (_, n) => {
    const read = letter("snap-1", n % 2);
    if (n % 5 === 0) setImmediate(() => reader.forget());
    return read;
  });
  assert.deepEqual(new Set(await Promise.all(reads)), new Set(["a"]));
});

test("more snapshots are read at once than stay open", async (t) => {
  const { file, place, letter } = scene(t);
  const ids = Array.from({ length: 40 }, (_, n) => `snap-${n}`);
  const [a, b] = [file("a"), file("b")];
  ids.forEach((id, n) => place(id, [n % 2 ? b : a], [0]));
  for (let round = 0; round < 3; round++)
    assert.deepEqual(
      await Promise.all(ids.map((id) => letter(id, 0))),
      ids.map((_, n) => (n % 2 ? "b" : "a")),
    );
});

test("what cannot be opened is told, and tried again", async (t) => {
  const { reader, file, place, letter } = scene(t);
  await assert.rejects(reader.blocks("snap-1"), /no snapshot snap-1/);
  place("snap-1", [file("a")], [0]);
  assert.equal(await letter("snap-1", 0), "a");
});

test("between two that stand on each other, what was written counts, elsewhere what it is", async (t) => {
  const { reader, file, place } = scene(t);
  const [base, top] = [file("a"), file("b")];
  place("snap-1", [base], [0, 0]);
  place("snap-2", [top, base], [0, 1]);
  place("snap-copy", [file("a2"), file("a3")], [0, 1]);
  assert.deepEqual(await reader.difference("snap-2", "snap-1"), { runs: [[0, 1]], related: true });
  const { runs, related } = await reader.difference("snap-copy", "snap-1");
  assert.deepEqual([runs, related], [[[0, 2]], false]);
  place("snap-same", [file("a4")], [0]);
  assert.deepEqual((await reader.difference("snap-same", "snap-copy")).runs, [[0, 2]]);
});

/** The descriptors that are listed may be gone by now. */
function targetOf(fd: string): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return undefined;
  }
}
