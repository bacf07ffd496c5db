import { open, type FileHandle } from "node:fs/promises";
import { BLOCK_BYTES } from "../disk-driver.ts";
import { jailedQemuImg } from "./jailed-qemu-img.ts";
import type { LentFiles } from "./lent-files.ts";
import { chainOf } from "./qcow2-layout.ts";
import { extentsOf, type Extent, type Mapped } from "./snapshot-extents.ts";

/**
 * A snapshot's files, held open, and where in them its bytes are. What their metadata leads to is followed in a jail; here bytes are
 * copied from these files and no others, wherever it says that they are.
 */
export class OpenSnapshot implements Mapped {
  readonly extents: readonly Extent[];
  readonly files: readonly string[];
  readonly #handles: readonly FileHandle[];

  /** Nobody may put other files in their places until this has resolved. */
  static open(paths: readonly string[], lent: LentFiles): Promise<OpenSnapshot> {
    return OpenSnapshot.of(paths, async () => {
      const shows = paths.map((outside, index) => ({ outside, inside: `/layer${index}` }));
      const chain = chainOf(shows.map(({ inside }) => inside));
      const limits = { uid: lent.uid, shows, memoryBytes: 2 * 1024 ** 3 };
      const printed = await lent.during(paths, () =>
        jailedQemuImg(["map", "--force-share", "--output=json", chain], limits, { timeoutMs: 120_000 }),
      );
      return extentsOf(printed, paths.length);
    });
  }

  static async of(paths: readonly string[], map: () => Promise<readonly Extent[]>): Promise<OpenSnapshot> {
    await using opened = new AsyncDisposableStack();
    const handles: FileHandle[] = [];
    const files: string[] = [];
    for (const path of paths) {
      const handle = opened.use(await open(path, "r"));
      const { dev, ino } = await handle.stat();
      handles.push(handle);
      files.push(`${dev}:${ino}`);
    }
    const extents = await map();
    opened.move();
    return new OpenSnapshot(extents, files, handles);
  }

  private constructor(extents: readonly Extent[], files: readonly string[], handles: readonly FileHandle[]) {
    this.extents = extents;
    this.files = files;
    this.#handles = handles;
  }

  /** Exactly `BLOCK_BYTES`. */
  async readBlock(index: number): Promise<Buffer> {
    const [start, end] = [index * BLOCK_BYTES, (index + 1) * BLOCK_BYTES];
    const block = Buffer.alloc(BLOCK_BYTES);
    const reads: Promise<void>[] = [];
    for (let n = this.#firstAfter(start); n < this.extents.length; n++) {
      const extent = this.extents[n];
      if (!extent || extent.start >= end) break;
      const from = Math.max(start, extent.start);
      const length = Math.min(end, extent.start + extent.length) - from;
      const target = block.subarray(from - start, from - start + length);
      reads.push(this.#fill(target, extent, from - extent.start));
    }
    await Promise.all(reads);
    return block;
  }

  async close(): Promise<void> {
    await Promise.all(this.#handles.map((handle) => handle.close()));
  }

  /** A file may end within its last cluster; the rest of that is zeros. */
  async #fill(target: Buffer, { layer, offset }: Extent, into: number): Promise<void> {
    await this.#handles[layer]?.read(target, 0, target.length, offset + into);
  }

  /** The place of the first extent that ends after this byte. */
  #firstAfter(byte: number): number {
    let [low, high] = [0, this.extents.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const { start = 0, length = 0 } = this.extents[middle] ?? {};
      if (start + length <= byte) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
