import { open, type FileHandle } from "node:fs/promises";
import { BLOCK_BYTES, type DiskPlace } from "../disk-driver.ts";
import { encryptedClusters, laidOver } from "./encrypted-clusters.ts";
import { masterKeyOf } from "./encrypted-file.ts";
import { jailedQemuImg } from "./jailed-qemu-img.ts";
import type { LentFiles } from "./lent-files.ts";
import { chainOf } from "./qcow2-layout.ts";
import { decryptSectors } from "./luks.ts";
import { extentsOf, type Extent, type Mapped } from "./snapshot-extents.ts";

/**
 * A snapshot's files, held open, and where in them its bytes are. What their metadata leads to is followed in a jail; here bytes are
 * copied from these files and no others, wherever it says that they are.
 */
export class OpenSnapshot implements Mapped {
  readonly extents: readonly Extent[];
  readonly files: readonly string[];
  readonly #handles: readonly FileHandle[];
  /** Of its first files, which are encrypted. */
  readonly #masterKeys: readonly Buffer[];

  /** Nobody may put other files in their places until this has resolved. `secret`: of those that are encrypted. */
  static open(
    { path, below, encrypted }: DiskPlace,
    secret: string | undefined,
    lent: LentFiles,
  ): Promise<OpenSnapshot> {
    const paths = [path, ...below];
    const count = encrypted?.files ?? 0;
    const plain = paths.slice(count);
    const map = async (): Promise<readonly Extent[]> => {
      if (plain.length === 0) return [];
      const shows = plain.map((outside, index) => ({ outside, inside: `/layer${index}` }));
      const chain = chainOf(shows.map(({ inside }) => inside));
      const limits = { uid: lent.uid, shows, memoryBytes: 2 * 1024 ** 3 };
      const printed = await lent.during(plain, () =>
        jailedQemuImg(["map", "--force-share", "--output=json", chain], limits, { timeoutMs: 120_000 }),
      );
      return extentsOf(printed, plain.length).map((it) => ({ ...it, layer: it.layer + count }));
    };
    const keys = paths.slice(0, count).map((file) => masterKeyOf(file, secret ?? ""));
    return OpenSnapshot.of(paths, map, Promise.all(keys));
  }

  static async of(
    paths: readonly string[],
    map: () => Promise<readonly Extent[]>,
    keys: Promise<readonly Buffer[]> = Promise.resolve([]),
  ): Promise<OpenSnapshot> {
    const masterKeys = await keys;
    await using opened = new AsyncDisposableStack();
    const handles: FileHandle[] = [];
    const files: string[] = [];
    for (const path of paths) {
      const handle = opened.use(await open(path, "r"));
      const { dev, ino } = await handle.stat();
      handles.push(handle);
      files.push(`${dev}:${ino}`);
    }
    let extents = await map();
    for (const [layer, handle] of [...handles.slice(0, masterKeys.length).entries()].toReversed())
      extents = laidOver(await encryptedClusters(handle), layer, extents);
    opened.move();
    return new OpenSnapshot(extents, files, handles, masterKeys);
  }

  private constructor(
    extents: readonly Extent[],
    files: readonly string[],
    handles: readonly FileHandle[],
    masterKeys: readonly Buffer[],
  ) {
    this.extents = extents;
    this.files = files;
    this.#handles = handles;
    this.#masterKeys = masterKeys;
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
    const masterKey = this.#masterKeys[layer];
    if (masterKey) target.set(decryptSectors(masterKey, target, offset + into));
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
