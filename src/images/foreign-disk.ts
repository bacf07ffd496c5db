import { jailed, type Jail } from "#drivers/linux/jail.ts";
import { run } from "./command.ts";
import { diskFormats, type DiskFormat } from "./disk-format.ts";
import { ImportRefused } from "./import-refused.ts";

/** A disk whose bytes anyone may have made. Only qemu-img ever follows what they say, in a jail where it sees nothing else. */
export interface ForeignDisk {
  readonly path: string;
  readonly format: DiskFormat;
  /** A user that nothing else on this host has. */
  readonly uid: number;
  readonly signal: AbortSignal;
}

/** Size in bytes of the disk that the file holds. Throws `ImportRefused` when it is damaged, encrypted, or needs other files. */
export const inspectDisk = async (disk: ForeignDisk): Promise<number> => {
  const info = await describe(disk);
  const { extents = [], "data-file": data } = info["format-specific"]?.data ?? {};
  const others = [info["backing-filename"], data, ...extents.map(({ filename }) => filename)];
  if (others.some((name) => name !== undefined && name !== SOURCE)) throw needsOther();
  if (info.encrypted) throw new ImportRefused("it is encrypted");
  await check(disk);
  return info["virtual-size"];
};

/** Writes the disk to the empty file `to`, which `uid` owns, as a qcow2 file of at most `maxBytes` that stands alone. */
export const convertDisk = async (
  disk: ForeignDisk,
  to: string,
  { maxBytes, progress }: { readonly maxBytes: number; readonly progress: (fraction: number) => void },
): Promise<void> => {
  const args = ["convert", "-p", "-f", diskFormats[disk.format], "-O", "qcow2", SOURCE, TARGET];
  const onLine = (line: string) => {
    const percent = percentOf(line);
    if (percent !== undefined) progress(percent / 100);
  };
  await qemuImg(disk, args, { maxBytes, onLine, target: to });
};

/** What a line of `qemu-img convert -p` says. */
export function percentOf(line: string): number | undefined {
  const percent = /\(([\d.]+)\/100%\)/.exec(line)?.[1];
  return percent === undefined ? undefined : Number(percent);
}

export const needsOther = () =>
  new ImportRefused(
    "it needs another file beside it (a backing file, its data or an extent): make it one file first, with qemu-img convert",
  );

/** What `qemu-img info` is documented to print. */
interface ImageInfo {
  readonly "virtual-size": number;
  readonly "backing-filename"?: string;
  readonly encrypted?: boolean;
  readonly "format-specific"?: {
    readonly data?: {
      readonly "data-file"?: string;
      readonly extents?: readonly { readonly filename: string }[];
    };
  };
}

const describe = async (disk: ForeignDisk): Promise<ImageInfo> => {
  const args = ["info", "--output=json", "-f", diskFormats[disk.format], SOURCE];
  // of the process in the jail: only compared
  return JSON.parse((await qemuImg(disk, args)).toString()) as ImageInfo;
};

/** What lies beyond the end of a file reads as zeros: only a check tells a whole disk from one that was cut short. */
const check = async (disk: ForeignDisk): Promise<void> => {
  if (disk.format === "raw" || disk.format === "vhd") return;
  await qemuImg(disk, ["check", "-q", "-f", diskFormats[disk.format], SOURCE], { passes: [0, LEAKS] });
};

/** Clusters that are counted but not used. */
const LEAKS = 3;

interface RunOptions {
  readonly maxBytes?: number;
  readonly onLine?: (line: string) => void;
  readonly target?: string;
  readonly passes?: readonly number[];
}

const qemuImg = async (
  { path, format, uid, signal }: ForeignDisk,
  args: readonly string[],
  { maxBytes = NOTHING_BYTES, onLine, target, passes = [0] }: RunOptions = {},
): Promise<Buffer> => {
  const jail: Jail = {
    uid,
    limits: ["--nofile=64", "--nproc=64", `--as=${MEMORY_BYTES}`, `--cpu=${CPU_S}`, `--fsize=${maxBytes}`],
    shows: [
      { outside: path, inside: SOURCE },
      ...(target === undefined ? [] : [{ outside: target, inside: TARGET, writable: true }]),
    ],
  };
  // Asked for in there: a process that becomes another user no longer dies with its parent.
  const command = jailed(["setpriv", "--pdeathsig", "KILL", "--", "qemu-img", ...args], jail);
  try {
    return await run("env", ["-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", ...command], {
      signal,
      ...(onLine && { onLine }),
    });
  } catch (error) {
    if (signal.aborted) throw error;
    const said = error instanceof Error ? error.message : String(error);
    if (passes.some((code) => said.includes(`failed (${code})`))) return Buffer.alloc(0);
    if (said.includes("File too large")) throw new ImportRefused(`it comes to more than ${maxBytes} bytes`);
    if (said.includes("SIGXCPU")) throw new ImportRefused(`it takes more than ${CPU_S} s to work through`);
    const reason = said.split("\n").at(-1)?.replace("qemu-img: ", "").replace(`'${SOURCE}'`, "it") ?? "";
    const fault = target === undefined ? `it is no whole ${format} disk` : "it cannot be converted";
    throw new ImportRefused(`${fault}: ${reason}`);
  }
};

const SOURCE = "/image/source";
const TARGET = "/image/disk";
const MEMORY_BYTES = 2 * 1024 ** 3;
const CPU_S = 3600;
/** The jail itself is built with less. */
const NOTHING_BYTES = 1024 ** 2;
