import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { run } from "#drivers/linux/commands.ts";
import { until } from "../until.ts";

/** A file system on a disk of which every write and flush is noted, in the order in which they were done. */
export interface NotedDisk extends AsyncDisposable {
  /** Where it is mounted, until it is disposed of. */
  readonly directory: string;
  /** How far the notes go: what is flushed by now was noted before. */
  position(): number;
  /**
   * The same file system as a power cut at that position would have left it: with all that was written before the last flush, and of what
   * was written since what chance leaves, each sector whole. `look` finds it mounted.
   */
  cut(
    position: number,
    random: (below: number) => number,
    look: (directory: string) => Promise<void>,
  ): Promise<void>;
}

/** Its files are in `scratch`: a `qemu-storage-daemon` notes (`blklogwrites`) what the kernel writes to a loop device. */
export async function notedDisk(scratch: string, mib: number): Promise<NotedDisk> {
  const file = (name: string) => join(scratch, name);
  const [first, disk, notes, shown, directory] = ["first.raw", "disk.raw", "notes", "shown", "mounted"].map(
    file,
  ) as [string, string, string, string, string];
  await run("truncate", ["--size", `${mib}M`, first]);
  await run("mkfs.ext4", ["-q", first]);
  await run("cp", ["--sparse=always", first, disk]);
  for (const path of [notes, shown]) writeFileSync(path, "");
  mkdirSync(directory);
  const daemon = spawn(
    "qemu-storage-daemon",
    [
      ["--blockdev", `driver=file,node-name=disk,filename=${disk}`],
      ["--blockdev", `driver=file,node-name=notes,filename=${notes}`],
      ["--blockdev", "driver=blklogwrites,node-name=noted,file=disk,log=notes"],
      ["--export", `type=fuse,id=shown,node-name=noted,mountpoint=${shown},writable=on`],
    ].flat(),
    { stdio: ["ignore", "inherit", "inherit"] },
  );
  const ended = once(daemon, "exit");
  await until(
    async () => statSync(shown).size,
    (size) => size > 0,
  );
  const loop = (await run("losetup", ["--find", "--show", shown])).trim();
  await run("mount", [loop, directory]);

  return {
    directory,
    position: () => statSync(notes).size,
    cut: async (position, random, look) => {
      const [left, place] = [file("left.raw"), file("cut")];
      await run("cp", ["--sparse=always", first, left]);
      await replay(readFileSync(notes).subarray(0, position), left, random);
      mkdirSync(place, { recursive: true });
      await run("mount", ["-o", "loop", left, place]);
      try {
        await look(place);
      } finally {
        await run("umount", [place]);
      }
    },
    [Symbol.asyncDispose]: async () => {
      await run("umount", [directory]);
      await run("losetup", ["--detach", loop]);
      daemon.kill();
      await ended;
    },
  };
}

/** Format: the kernel's Documentation/admin-guide/device-mapper/log-writes.rst. */
async function replay(notes: Buffer, disk: string, random: (below: number) => number): Promise<void> {
  const writes: { readonly at: number; readonly data: Buffer; readonly entry: number }[] = [];
  let [flushed, entry] = [0, 0];
  for (let offset = SECTOR; offset + SECTOR <= notes.length; entry++) {
    const word = (at: number) => Number(notes.readBigUInt64LE(offset + at));
    const [sector, sectors, flags] = [word(0), word(8), word(16)];
    const bytes = (flags & DISCARD) === 0 ? sectors * SECTOR : 0;
    const data = notes.subarray(offset + SECTOR, offset + SECTOR + bytes);
    if ((flags & FLUSH) !== 0) flushed = entry;
    if (data.length < bytes) break;
    if (bytes > 0) writes.push({ at: sector * SECTOR, data, entry });
    offset += SECTOR + bytes;
  }
  await using file = await open(disk, "r+");
  for (const { at, data, entry: written } of writes) {
    if (written <= flushed) await file.write(data, 0, data.length, at);
    else
      for (let n = 0; n < data.length; n += SECTOR)
        if (random(2) === 0) await file.write(data, n, SECTOR, at + n);
  }
}

const SECTOR = 512;
const [FLUSH, DISCARD] = [1, 4];
