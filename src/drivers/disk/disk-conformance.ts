import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import { BLOCK_BYTES, type DiskDriver } from "./disk-driver.ts";
import { LONGEST_CHAIN } from "./next-merge.ts";

export interface DiskSubject {
  /** The same one at every call, without disks at first. */
  readonly driver: () => DiskDriver;
  /** A file to make disks from, of at most 1 GiB. */
  readonly image: string;
  /** Writes a short text to a disk that no machine has, to the beginning of a block: by default of the first. */
  readonly write: (id: string, text: string, block?: number) => Promise<void>;
  /** What was last written there. */
  readonly read: (id: string) => Promise<string>;
}

/** What every disk driver promises. */
export const diskConformance = (name: string, { driver, image, write, read }: DiskSubject): void => {
  const snapshots = async () => (await driver().snapshots()).toSorted();
  describe(name, () => {
    test("a disk is made once, found, and removed; each may be repeated", async () => {
      const disk = { id: "vol-empty", sizeGiB: 1 };
      await driver().ensure(disk);
      const place = await driver().locate(disk.id);
      await driver().ensure(disk);
      assert.deepEqual(await driver().locate(disk.id), place);
      assert.deepEqual(place.below, [], "it is a difference to nothing");
      assert.deepEqual(await driver().list(), [disk.id]);
      await driver().remove(disk.id);
      await driver().remove(disk.id);
      assert.deepEqual(await driver().list(), []);
      await assert.rejects(driver().locate(disk.id), /no disk vol-empty/);
    });

    test("a disk from an image is the difference to it", async () => {
      await driver().ensure({ id: "vol-image", sizeGiB: 2, image });
      assert.deepEqual((await driver().locate("vol-image")).below, [image]);
      await driver().remove("vol-image");
    });

    test("two that ensure one disk at once get the same, and different ones do not meet", async () => {
      const ids = ["vol-a", "vol-b", "vol-a", "vol-b"];
      await Promise.all(ids.map((id) => driver().ensure({ id, sizeGiB: 1 })));
      assert.deepEqual((await driver().list()).toSorted(), ["vol-a", "vol-b"]);
      assert.notEqual((await driver().locate("vol-a")).path, (await driver().locate("vol-b")).path);
      await Promise.all(ids.map((id) => driver().remove(id)));
      assert.deepEqual(await driver().list(), []);
    });

    test("a snapshot holds what its disk held, of which only what was written since is stored again", async () => {
      await driver().ensure({ id: "vol-a", sizeGiB: 2, image });
      await write("vol-a", "first");
      const before = await driver().locate("vol-a");
      await driver().snapshot("snap-1", "vol-a");
      const after = await driver().locate("vol-a");
      await driver().snapshot("snap-1", "vol-a");
      assert.deepEqual(await driver().locate("vol-a"), after);
      assert.notEqual(after.path, before.path, "whoever knows the old place must not write there");
      assert.deepEqual([after.below.length, after.below.at(-1)], [2, image]);
      assert.equal(await read("vol-a"), "first");
      const [written, empty] = await Promise.all(["snap-1", "vol-a"].map((id) => driver().usedBytes(id)));
      assert.ok(Number(empty) < Number(written), `${empty} of ${written} bytes`);
      await write("vol-a", "second");
      await driver().snapshot("snap-2", "vol-a");
      await driver().snapshot("snap-1", "vol-a");
      await write("vol-a", "third");
      for (const [id, snapshot] of Object.entries({ "vol-1": "snap-1", "vol-2": "snap-2" })) {
        await driver().ensure({ id, sizeGiB: 3, snapshot });
        await driver().ensure({ id, sizeGiB: 3, snapshot });
      }
      assert.deepEqual(await Promise.all(["vol-1", "vol-2", "vol-a"].map(read)), [
        "first",
        "second",
        "third",
      ]);
      await write("vol-1", "fourth");
      await driver().ensure({ id: "vol-3", sizeGiB: 2, snapshot: "snap-1" });
      assert.equal(await read("vol-3"), "first");
      assert.deepEqual(await snapshots(), ["snap-1", "snap-2"]);
      assert.deepEqual((await driver().list()).toSorted(), ["vol-1", "vol-2", "vol-3", "vol-a"]);
    });

    test("a snapshot in the midst of others is removed, and nothing is made of it any more; the rest is as it was", async () => {
      await driver().removeSnapshot("snap-1");
      await driver().removeSnapshot("snap-1");
      assert.deepEqual(await snapshots(), ["snap-2"]);
      const source = { snapshot: "snap-1" };
      await assert.rejects(
        driver().ensure({ id: "vol-4", sizeGiB: 2, ...source }),
        /no snapshot snap-1|no disk/,
      );
      await assert.rejects(driver().copySnapshot("snap-3", "snap-1"), /no snapshot snap-1/);
      assert.deepEqual(await Promise.all(["vol-1", "vol-2", "vol-3", "vol-a"].map(read)), [
        "fourth",
        "second",
        "first",
        "third",
      ]);
    });

    test("a copy of a snapshot, and a snapshot of a disk, outlive what they come from", async () => {
      await driver().copySnapshot("snap-copy", "snap-2");
      await driver().copySnapshot("snap-copy", "snap-2");
      await driver().removeSnapshot("snap-2");
      await driver().snapshot("snap-3", "vol-a");
      for (const id of ["vol-a", "vol-1", "vol-2", "vol-3"]) await driver().remove(id);
      await driver().snapshot("snap-3", "vol-a");
      assert.deepEqual(await snapshots(), ["snap-3", "snap-copy"]);
      await driver().ensure({ id: "vol-b", sizeGiB: 2, snapshot: "snap-copy" });
      await driver().ensure({ id: "vol-c", sizeGiB: 2, snapshot: "snap-3" });
      assert.deepEqual(await Promise.all(["vol-b", "vol-c"].map(read)), ["second", "third"]);
      for (const id of ["vol-b", "vol-c"]) await driver().remove(id);
      for (const id of ["snap-3", "snap-copy"]) await driver().removeSnapshot(id);
      assert.deepEqual([await driver().list(), await snapshots()], [[], []]);
    });

    test("what is not there has no snapshot", async () => {
      await assert.rejects(driver().snapshot("snap-4", "vol-none"), /no disk vol-none/);
      await assert.rejects(driver().usedBytes("snap-4"), /no .* snap-4/);
      assert.deepEqual(await snapshots(), []);
    });
  });
};

/** What every disk driver promises of encryption, where it may act as root. */
export const diskKeyConformance = (
  name: string,
  { driver, image, write, read }: DiskSubject,
  [one, other]: readonly [string, string],
): void => {
  const encrypted = async (id: string) => (await driver().locate(id)).encrypted;
  const volumes = ["vol-1", "vol-2", "vol-3", "vol-4"];
  describe(`${name}, with keys`, () => {
    test("a disk, its snapshots and what is made of them have one key; its image stays as it is", async () => {
      await driver().ensure({ id: "vol-a", sizeGiB: 2, image, key: one });
      assert.deepEqual(await encrypted("vol-a"), { key: one, files: 1 });
      await write("vol-a", "secret");
      await driver().snapshot("snap-1", "vol-a");
      assert.deepEqual(await encrypted("vol-a"), { key: one, files: 2 });
      assert.equal(await read("vol-a"), "secret");
      await driver().copySnapshot("snap-copy", "snap-1");
      await driver().ensure({ id: "vol-b", sizeGiB: 2, snapshot: "snap-copy" });
      const { below } = await driver().locate("vol-b");
      assert.deepEqual([below.length, await encrypted("vol-b")], [3, { key: one, files: 3 }]);
      assert.equal(await read("vol-b"), "secret");
      await driver().remove("vol-b");
    });

    test("with another key, or one where there was none, it needs nothing that it was made of", async () => {
      await driver().ensure({ id: "vol-plain", sizeGiB: 2, image });
      await write("vol-plain", "open");
      await driver().snapshot("snap-plain", "vol-plain");
      await driver().copySnapshot("snap-other", "snap-1", other);
      await driver().copySnapshot("snap-first", "snap-plain", one);
      for (const [id, snapshot, key] of [
        ["vol-1", "snap-other", other],
        ["vol-2", "snap-first", one],
        ["vol-3", "snap-1", other],
        ["vol-4", "snap-plain", other],
      ] as const)
        await driver().ensure({ id, sizeGiB: 2, snapshot, key });
      for (const id of ["vol-a", "vol-plain"]) await driver().remove(id);
      for (const id of ["snap-1", "snap-copy", "snap-plain"]) await driver().removeSnapshot(id);
      assert.deepEqual(await Promise.all(volumes.map(read)), ["secret", "open", "secret", "open"]);
      assert.deepEqual(await Promise.all(volumes.map(encrypted)), [
        { key: other, files: 2 },
        { key: one, files: 2 },
        { key: other, files: 1 },
        { key: other, files: 1 },
      ]);
      assert.deepEqual((await driver().locate("vol-3")).below, []);
      assert.equal((await driver().readBlock("snap-other", 0)).toString("latin1", 0, 6), "secret");
      assert.equal((await driver().difference("snap-other", "snap-first")).related, false);
      for (const id of volumes) await driver().remove(id);
      for (const id of ["snap-other", "snap-first"]) await driver().removeSnapshot(id);
      assert.deepEqual([await driver().list(), await driver().snapshots()], [[], []]);
    });

    test("a key that may not be used makes nothing, and leaves nothing behind", async () => {
      await driver().ensure({ id: "vol-plain", sizeGiB: 2, image });
      await driver().snapshot("snap-plain", "vol-plain");
      const made = [await driver().list(), await driver().snapshots()];
      const bad = { id: "vol-a", sizeGiB: 2, key: "disabled" };
      for (const spec of [bad, { ...bad, snapshot: "snap-plain" }])
        await assert.rejects(driver().ensure(spec), /may not be used/);
      await assert.rejects(driver().copySnapshot("snap-a", "snap-plain", "disabled"), /may not be used/);
      assert.deepEqual([await driver().list(), await driver().snapshots()], made);
      await driver().remove("vol-plain");
      await driver().removeSnapshot("snap-plain");
    });
  });
};

/** What every disk driver promises where it may act as root. */
export const diskGrowthConformance = (
  name: string,
  {
    driver,
    image,
    sizeOf,
  }: Pick<DiskSubject, "driver" | "image"> & { readonly sizeOf: (id: string) => Promise<number | undefined> },
): void => {
  test(`${name}: a disk is made larger, once however often it is told to, and never smaller`, async () => {
    for (const disk of [
      { id: "vol-grows", sizeGiB: 1 },
      { id: "vol-grows", sizeGiB: 2, image },
    ]) {
      await driver().ensure(disk);
      assert.equal(await sizeOf(disk.id), disk.sizeGiB);
      for (const sizeGiB of [700, 700, 1]) await driver().grow(disk.id, sizeGiB);
      assert.equal(await sizeOf(disk.id), 700);
      await driver().remove(disk.id);
    }
    await assert.rejects(driver().grow("vol-grows", 2), /no disk vol-grows/);
  });
};

/** What every disk driver promises of merging, where it may act as root. */
export const diskMergeConformance = (name: string, { driver, image, write, read }: DiskSubject): void => {
  const ids = Array.from({ length: 150 }, (_, n) => `snap-${n}`);
  const textOf = (id: string) => id.replace("snap-", "after ");
  const mergeAll = async (written: readonly string[] = []) => {
    while (await driver().merge(new Set(written)));
  };
  const holds = async (snapshot: string) => {
    const id = `vol-of-${snapshot}`;
    await driver().ensure({ id, sizeGiB: 1, snapshot });
    assert.equal(await read(id), textOf(snapshot));
    const { below } = await driver().locate(id);
    assert.ok(below.length <= LONGEST_CHAIN + 2, `${snapshot} stands on ${below.length} files`);
    await driver().remove(id);
  };

  describe(`${name}, merged`, () => {
    test(`a disk with ${ids.length} snapshots stands on few files, and each holds what it held then`, async () => {
      await driver().ensure({ id: "vol-deep", sizeGiB: 1, image });
      for (const [n, id] of ids.entries()) {
        await write("vol-deep", textOf(id));
        await driver().snapshot(id, "vol-deep");
        if (n % 25 === 24) await mergeAll();
      }
      await mergeAll();
      assert.equal(await read("vol-deep"), textOf(ids.at(-1) ?? ""));
      const { below } = await driver().locate("vol-deep");
      assert.ok(below.length <= LONGEST_CHAIN + 1, `${below.length} files`);
      assert.equal(below.at(-1), image);
      assert.deepEqual((await driver().snapshots()).toSorted(), ids.toSorted());
      for (const id of ids.filter((_, n) => n % 7 === 2)) await holds(id);
    });

    test("any of them is removed, and the rest is as it was; what nothing needs any more goes", async () => {
      const kept = ids.filter((_, n) => n % 30 === 7);
      for (const id of ids) if (!kept.includes(id)) await driver().removeSnapshot(id);
      await mergeAll();
      for (const id of kept) await holds(id);
      assert.equal(await read("vol-deep"), textOf(ids.at(-1) ?? ""));
      const { below } = await driver().locate("vol-deep");
      assert.ok(below.length <= kept.length + 4, `${below.length} files for ${kept.length} snapshots`);
      await driver().remove("vol-deep");
      for (const id of kept) await driver().removeSnapshot(id);
      assert.deepEqual([await driver().list(), await driver().snapshots()], [[], []]);
    });

    test("what a machine may still write is not merged until it does no longer", async () => {
      await driver().ensure({ id: "vol-a", sizeGiB: 1, image });
      for (const id of ["snap-0", "snap-1"]) {
        await write("vol-a", textOf(id));
        await driver().snapshot(id, "vol-a");
      }
      await driver().removeSnapshot("snap-0");
      const before = await driver().locate("vol-a");
      for (const written of ["snap-0", "snap-1"]) await mergeAll([written]);
      assert.deepEqual(await driver().locate("vol-a"), before);
      assert.equal(await driver().merge(new Set()), true);
      assert.equal((await driver().locate("vol-a")).below.length, before.below.length - 1);
      await holds("snap-1");
      await driver().removeSnapshot("snap-1");
      await driver().remove("vol-a");
      assert.deepEqual([await driver().list(), await driver().snapshots()], [[], []]);
    });
  });
};

/** What every disk driver promises of snapshots' blocks, where it may act as root. */
export const diskBlockConformance = (name: string, { driver, write }: DiskSubject): void => {
  const textIn = (block: Buffer) => block.toString("latin1", 0, 16).replaceAll("\0", " ").trim();
  const read = async (id: string, index: number) => textIn(await driver().readBlock(id, index));

  describe(`${name}, block by block`, () => {
    test("a snapshot tells which blocks were written, and what they hold, whatever became of its disk", async () => {
      await driver().ensure({ id: "vol-a", sizeGiB: 1 });
      await driver().snapshot("snap-0", "vol-a");
      for (const block of [0, 3, 4, 2047]) await write("vol-a", `block ${block}`, block);
      await driver().snapshot("snap-1", "vol-a");
      await write("vol-a", "another", 3);
      await write("vol-a", "new", 9);
      await driver().snapshot("snap-2", "vol-a");
      await driver().remove("vol-a");
      assert.deepEqual(await driver().blocks("snap-0"), []);
      const written = [
        [0, 1],
        [3, 2],
        [2047, 1],
      ];
      assert.deepEqual(await driver().blocks("snap-1"), written);
      assert.deepEqual(await driver().blocks("snap-2"), [...written.slice(0, 2), [9, 1], [2047, 1]]);
      assert.deepEqual(await Promise.all([0, 3, 4, 5, 2047].map((index) => read("snap-1", index))), [
        "block 0",
        "block 3",
        "block 4",
        "",
        "block 2047",
      ]);
      assert.deepEqual(await Promise.all([3, 9, 4].map((index) => read("snap-2", index))), [
        "another",
        "new",
        "block 4",
      ]);
      for (const index of [3, 5, 2047, 5000])
        assert.equal((await driver().readBlock("snap-1", index)).length, BLOCK_BYTES);
    });

    test("what was written between two snapshots of a disk is exactly what tells them apart", async () => {
      const changed = [
        [3, 1],
        [9, 1],
      ];
      assert.deepEqual(await driver().difference("snap-2", "snap-1"), { runs: changed, related: true });
      assert.deepEqual(await driver().difference("snap-1", "snap-2"), { runs: changed, related: true });
      assert.deepEqual(await driver().difference("snap-1", "snap-1"), { runs: [], related: true });
      const all = await driver().difference("snap-2", "snap-0");
      assert.deepEqual(all, { runs: await driver().blocks("snap-2"), related: true });
      await driver().copySnapshot("snap-copy", "snap-1");
      assert.deepEqual(await driver().difference("snap-2", "snap-copy"), { runs: changed, related: true });
    });

    test("so it is when what is between them was removed and merged", async () => {
      await driver().ensure({ id: "vol-b", sizeGiB: 1, snapshot: "snap-2" });
      for (let n = 3; n < 6; n++) {
        await write("vol-b", `block ${n}`, 100 + n);
        await driver().snapshot(`snap-${n}`, "vol-b");
      }
      for (const n of [2, 3, 4]) await driver().removeSnapshot(`snap-${n}`);
      while (await driver().merge(new Set()));
      assert.deepEqual((await driver().difference("snap-5", "snap-1")).runs, [
        [3, 1],
        [9, 1],
        [103, 3],
      ]);
      assert.equal(await read("snap-5", 104), "block 4");
      assert.equal(await read("snap-1", 3), "block 3");
      await driver().remove("vol-b");
    });

    test("disks that come from nowhere have nothing in common, and alike is not different", async () => {
      await driver().ensure({ id: "vol-c", sizeGiB: 1 });
      await write("vol-c", "block 0", 0);
      await driver().snapshot("snap-other", "vol-c");
      assert.deepEqual(await driver().difference("snap-other", "snap-1"), {
        runs: [
          [3, 2],
          [2047, 1],
        ],
        related: false,
      });
      await driver().remove("vol-c");
    });

    test("what was removed, or never was, is not read", async () => {
      for (const id of ["snap-other", "snap-0", "snap-1", "snap-5", "snap-copy"])
        await driver().removeSnapshot(id);
      for (const id of ["snap-1", "snap-never"]) {
        await assert.rejects(driver().blocks(id), new RegExp(`no snapshot ${id}`));
        await assert.rejects(driver().readBlock(id, 0), new RegExp(`no snapshot ${id}`));
        await assert.rejects(driver().difference(id, id), new RegExp(`no snapshot ${id}`));
      }
      assert.deepEqual([await driver().list(), await driver().snapshots()], [[], []]);
    });
  });
};

/** What every disk driver promises of blocks that are put on a disk, where it may act as root. */
export const diskWriteConformance = (name: string, { driver }: Pick<DiskSubject, "driver">): void => {
  const block = (text: string) => {
    const bytes = Buffer.alloc(BLOCK_BYTES);
    bytes.write(text);
    return bytes;
  };
  const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest();
  const nothing = { count: 0, checksum: sha256(Buffer.alloc(0)).toString("base64") };

  describe(`${name}, written block by block`, () => {
    test("tells what was put on a disk: its last state, in the blocks' order", async () => {
      await driver().ensure({ id: "vol-put", sizeGiB: 1 });
      assert.deepEqual(await driver().written("vol-put"), nothing);
      for (const [index, text] of [
        [9, "nine"],
        [0, "at first"],
        [2047, "last"],
        [0, "zero"],
      ] as const)
        await driver().writeBlock("vol-put", index, block(text));
      const { count, checksum, lastAt = "" } = await driver().written("vol-put");
      const sums = ["zero", "nine", "last"].map((text) => sha256(block(text)));
      assert.deepEqual([count, checksum], [3, sha256(Buffer.concat(sums)).toString("base64")]);
      assert.ok(Math.abs(Date.parse(lastAt) - Date.now()) < 60_000, lastAt);
    });

    test("the next snapshot has them, and no other block", async () => {
      await driver().snapshot("snap-put", "vol-put");
      assert.deepEqual(await driver().written("vol-put"), nothing);
      const runs = [
        [0, 1],
        [9, 1],
        [2047, 1],
      ];
      assert.deepEqual(await driver().blocks("snap-put"), runs);
      for (const [index, text] of [
        [0, "zero"],
        [1, ""],
        [9, "nine"],
        [2047, "last"],
      ] as const)
        assert.deepEqual(await driver().readBlock("snap-put", index), block(text));
      await driver().snapshot("snap-put", "vol-put");
      await driver().remove("vol-put");
    });

    test("over a snapshot they hide what it had there, zeros too, and it stays as it was", async () => {
      await driver().ensure({ id: "vol-over", sizeGiB: 2, snapshot: "snap-put" });
      for (const [index, text] of [
        [9, "other"],
        [0, ""],
        [4095, "beyond"],
      ] as const)
        await driver().writeBlock("vol-over", index, block(text));
      await driver().snapshot("snap-over", "vol-over");
      await driver().remove("vol-over");
      const read = (id: string) =>
        Promise.all([0, 9, 2047, 4095].map((index) => driver().readBlock(id, index)));
      assert.deepEqual(await read("snap-over"), ["", "other", "last", "beyond"].map(block));
      assert.deepEqual(await read("snap-put"), ["zero", "nine", "last", ""].map(block));
      const { runs } = await driver().difference("snap-over", "snap-put");
      assert.deepEqual(runs, [
        [0, 1],
        [9, 1],
        [4095, 1],
      ]);
    });

    test("what was put on a disk goes with it, and nothing is put where none is", async () => {
      await driver().ensure({ id: "vol-put", sizeGiB: 1 });
      await driver().writeBlock("vol-put", 0, block("gone"));
      await driver().remove("vol-put");
      assert.deepEqual(await driver().written("vol-put"), nothing);
      await assert.rejects(driver().writeBlock("vol-put", 0, block("nowhere")), /no disk vol-put/);
      await driver().ensure({ id: "vol-put", sizeGiB: 1 });
      assert.deepEqual(await driver().written("vol-put"), nothing);
      await driver().remove("vol-put");
      for (const id of ["snap-over", "snap-put"]) await driver().removeSnapshot(id);
      assert.deepEqual([await driver().list(), await driver().snapshots()], [[], []]);
    });
  });
};
