import assert from "node:assert/strict";
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { run } from "#drivers/linux/commands.ts";
import { makeFileSystem } from "#images/file-system.ts";

const scratch = mkdtempSync(join(tmpdir(), "croft-ext4-"));
after(() => rm(scratch, { recursive: true }));
const madeAt = 1_750_000_000;
const earlier = 1_600_000_000;

/** A disk with the same files each time, of which one is of a package and the others are made now. */
const diskOf = async (name: string, text: string): Promise<string> => {
  const root = join(scratch, name);
  mkdirSync(join(root, "etc"), { recursive: true });
  writeFileSync(join(root, "etc/packaged"), "packaged\n");
  utimesSync(join(root, "etc/packaged"), earlier, earlier);
  writeFileSync(join(root, "etc/made"), text);
  linkSync(join(root, "etc/made"), join(root, "etc/linked"));
  symlinkSync("made", join(root, "etc/link"));
  const path = `${root}.raw`;
  writeFileSync(path, "");
  truncateSync(path, 34 * 1024 * 1024);
  await makeFileSystem(path, root, {
    offsetMiB: 1,
    sizeMiB: 32,
    uuid: "00000000-0000-8000-8000-000000000001",
    hashSeed: "00000000-0000-8000-8000-000000000002",
    madeAt,
    signal: AbortSignal.timeout(60_000),
  });
  return path;
};

test("a file system of the same tree is the same, byte by byte, whenever it is made", async () => {
  const first = await diskOf("first", "made\n");
  await sleep(1100);
  const second = await diskOf("second", "made\n");
  assert.ok(readFileSync(first).equals(readFileSync(second)));
  const other = await diskOf("other", "else\n");
  assert.ok(!readFileSync(first).equals(readFileSync(other)));
});

test("in it, what a package brought keeps its time, and what was made has the one that is given", async () => {
  const disk = `${join(scratch, "first.raw")}?offset=1048576`;
  const times = async (file: string) => {
    const said = await run("debugfs", ["-R", `stat ${file}`, disk]);
    return Object.fromEntries(
      [...said.matchAll(/^ *(\w+time): 0x([\da-f]+)/gm)].map(([, of, at]) => [of, Number(`0x${at}`)]),
    );
  };
  assert.deepEqual(await times("/etc/packaged"), {
    ctime: madeAt,
    atime: earlier,
    mtime: earlier,
    crtime: madeAt,
  });
  assert.deepEqual(await times("/etc/link"), { ctime: madeAt, atime: madeAt, mtime: madeAt, crtime: madeAt });
  await run("e2fsck", ["-fn", disk]);
});
