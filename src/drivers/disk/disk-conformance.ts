import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { DiskDriver } from "./disk-driver.ts";

export interface DiskSubject {
  /** The same one at every call, without disks at first. */
  readonly driver: () => DiskDriver;
  /** A file to make disks from, of at most 1 GiB. */
  readonly image: string;
}

/** What every disk driver promises. */
export const diskConformance = (name: string, { driver, image }: DiskSubject): void => {
  describe(name, () => {
    test("a disk is made once, found, and removed; each may be repeated", async () => {
      const disk = { id: "vol-empty", sizeGiB: 1 };
      await driver().ensure(disk);
      const place = await driver().locate(disk.id);
      await driver().ensure(disk);
      assert.deepEqual(await driver().locate(disk.id), place);
      assert.equal("backing" in place, false, "it is a difference to nothing");
      assert.deepEqual(await driver().list(), [disk.id]);
      await driver().remove(disk.id);
      await driver().remove(disk.id);
      assert.deepEqual(await driver().list(), []);
      await assert.rejects(driver().locate(disk.id), /no disk vol-empty/);
    });

    test("a disk from an image is the difference to it", async () => {
      await driver().ensure({ id: "vol-image", sizeGiB: 2, image });
      assert.equal((await driver().locate("vol-image")).backing, image);
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
  });
};

/** What every disk driver promises where it may act as root. */
export const diskGrowthConformance = (
  name: string,
  { driver, image, sizeOf }: DiskSubject & { readonly sizeOf: (id: string) => Promise<number | undefined> },
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
