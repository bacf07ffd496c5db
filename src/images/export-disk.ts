import { chmod, chown, writeFile } from "node:fs/promises";
import type { LentDisk } from "#drivers/disk/qcow2/qcow2-disks.ts";
import { chainOf } from "#drivers/disk/qcow2/qcow2-layout.ts";
import { jailed } from "#drivers/linux/jail.ts";
import { run } from "./command.ts";
import { percentOf } from "./foreign-disk.ts";

/** What a disk may be exported as, and how `qemu-img convert` is told so. */
const exportFormats = {
  /** As it is. */
  raw: ["-O", "raw"],
  vmdk: ["-O", "vmdk", "-o", "subformat=streamOptimized"],
  /** Of exactly the disk's size, which the format's cylinders would round up. */
  vhd: ["-O", "vpc", "-o", "subformat=dynamic,force_size=on"],
  qcow2: ["-c", "-O", "qcow2"],
} as const satisfies Record<string, readonly string[]>;
export type ExportFormat = keyof typeof exportFormats;

export interface ExportedFiles extends LentDisk {
  /** The user that follows what their bytes lead to; a machine may have written them. */
  readonly uid: number;
  readonly signal: AbortSignal;
}

/** How many bytes are to be written at most when a disk is exported, but for what a format needs beside them. */
export async function measureDisk(disk: ExportedFiles): Promise<number> {
  const args = ["-U", "--output=json", "-O", "raw", chain(disk)];
  const printed = await qemuImg(disk, "measure", args, { maxBytes: 0 });
  // of the process in the jail: only compared
  return (JSON.parse(printed.toString()) as { readonly required: number }).required;
}

/** Writes what the disk holds, decrypted, to the new file `to`, for root's eyes only, which then needs no other. */
export async function exportDisk(
  disk: ExportedFiles,
  to: string,
  format: ExportFormat,
  { maxBytes, progress }: { readonly maxBytes: number; readonly progress: (fraction: number) => void },
): Promise<void> {
  await writeFile(to, "", { mode: 0o600 });
  await chown(to, disk.uid, disk.uid);
  const onLine = (line: string) => {
    const percent = percentOf(line);
    if (percent !== undefined) progress(percent / 100);
  };
  const args = ["-U", "-p", ...exportFormats[format], chain(disk), TARGET];
  await qemuImg(disk, "convert", args, { maxBytes, onLine, target: to });
  await chown(to, 0, 0);
  await chmod(to, 0o400);
}

const chain = ({ files, encrypted }: ExportedFiles) =>
  chainOf(
    files.map((_, n) => inside(n)),
    encrypted,
  );
const inside = (n: number) => `/layer${n}`;
const TARGET = "/exported";

function qemuImg(
  { files, keys, uid, signal }: ExportedFiles,
  verb: "measure" | "convert",
  args: readonly string[],
  options: { readonly maxBytes: number; readonly onLine?: (line: string) => void; readonly target?: string },
): Promise<Buffer> {
  const { maxBytes, onLine, target } = options;
  // Asked for in there: a process that becomes another user no longer dies with its parent.
  const command = jailed(
    ["setpriv", "--pdeathsig", "KILL", "--", "qemu-img", verb, ...(keys?.objects ?? []), ...args],
    {
      uid,
      // The jail itself is built with a little.
      limits: [
        "--nofile=512",
        "--nproc=64",
        `--as=${2 * 1024 ** 3}`,
        `--fsize=${Math.max(maxBytes, 1024 ** 2)}`,
      ],
      shows: [
        ...files.map((outside, n) => ({ outside, inside: inside(n) })),
        ...(keys?.shows ?? []),
        ...(target === undefined ? [] : [{ outside: target, inside: TARGET, writable: true }]),
      ],
    },
  );
  return run("env", ["-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", ...command], {
    signal,
    ...(onLine && { onLine }),
  });
}
