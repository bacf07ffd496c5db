import { withKeyFiles } from "#drivers/disk/qcow2/key-file.ts";
import { jailed, type Jail } from "#drivers/linux/jail.ts";
import { run } from "./command.ts";
import { diskFormats, type DiskFormat } from "./disk-format.ts";
import { ImportRefused } from "./import-refused.ts";
import type { Seal } from "./import-source.ts";

/** A disk whose bytes anyone may have made. Only qemu-img ever follows what they say, in a jail where it sees nothing else. */
export interface ForeignDisk {
  readonly path: string;
  readonly format: DiskFormat;
  /** Absent: the file's bytes are the disk's format's as they are. */
  readonly seal: Seal | undefined;
  /** A user that nothing else on this host has. */
  readonly uid: number;
  readonly signal: AbortSignal;
}

/** Size in bytes of the disk that the file holds. Throws `ImportRefused` when it is damaged, encrypted, or needs other files. */
export const inspectDisk = async (disk: ForeignDisk): Promise<number> => {
  const info = await describe(disk);
  const { extents = [], "data-file": data } = info["format-specific"]?.data ?? {};
  const others = [info["backing-filename"], data, ...extents.map(({ filename }) => filename)];
  if (others.some((name) => name !== undefined && name !== SOURCE && name !== UNSEALED)) throw needsOther();
  if (info.encrypted) throw new ImportRefused("it is encrypted");
  await check(disk);
  return info["virtual-size"];
};

/** Writes the disk to the new qcow2 file `to`, which `uid` owns, is at least as large and opens with `secret`, until it takes `maxBytes`. */
export const convertDisk = async (
  disk: ForeignDisk,
  to: string,
  options: {
    readonly secret: string | undefined;
    readonly maxBytes: number;
    readonly progress: (fraction: number) => void;
  },
): Promise<void> => {
  const { secret, maxBytes, progress } = options;
  const opened = secret === undefined ? "" : ",encrypt.format=luks,encrypt.key-secret=target";
  const target = `driver=qcow2,file.driver=file,file.filename=${TARGET}${opened}`;
  const args = ["-p", "-n", "--target-is-zero", "--target-image-opts", sourceOf(disk), target];
  const onLine = (line: string) => {
    const percent = percentOf(line);
    if (percent !== undefined) progress(percent / 100);
  };
  await qemuImg(disk, "convert", args, { maxBytes, onLine, target: to, secret });
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
  const printed = await qemuImg(disk, "info", ["--output=json", sourceOf(disk)]);
  // of the process in the jail: only compared
  return JSON.parse(printed.toString()) as ImageInfo;
};

/** What lies beyond the end of a file reads as zeros: only a check tells a whole disk from one that was cut short. */
const check = async (disk: ForeignDisk): Promise<void> => {
  if (disk.format === "raw" || disk.format === "vhd") return;
  await qemuImg(disk, "check", ["-q", sourceOf(disk)], { passes: [0, LEAKS] });
};

/** Clusters that are counted but not used. */
const LEAKS = 3;

interface RunOptions {
  readonly maxBytes?: number;
  readonly onLine?: (line: string) => void;
  readonly target?: string;
  /** The target's. */
  readonly secret?: string | undefined;
  readonly passes?: readonly number[];
}

const qemuImg = async (
  disk: ForeignDisk,
  verb: "info" | "check" | "convert",
  args: readonly string[],
  { maxBytes = NOTHING_BYTES, onLine, target, secret, passes = [0] }: RunOptions = {},
): Promise<Buffer> => {
  const { path, format, seal, uid, signal } = disk;
  const limits = [
    "--nofile=64",
    "--nproc=64",
    `--as=${MEMORY_BYTES}`,
    `--cpu=${CPU_S}`,
    `--fsize=${maxBytes}`,
  ];
  try {
    return await withKeyFiles({ source: seal?.passphrase, target: secret }, uid, (keys) => {
      const shows: Jail["shows"] = [
        { outside: path, inside: SOURCE },
        ...keys.shows,
        ...(target === undefined ? [] : [{ outside: target, inside: TARGET, writable: true }]),
      ];
      const argv = ["qemu-img", verb, ...keys.objects, "--image-opts", ...args];
      // Asked for in there: a process that becomes another user no longer dies with its parent.
      const command = jailed(["setpriv", "--pdeathsig", "KILL", "--", ...argv], { uid, limits, shows });
      return run("env", ["-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", ...command], {
        signal,
        ...(onLine && { onLine }),
      });
    });
  } catch (error) {
    if (signal.aborted) throw error;
    const said = error instanceof Error ? error.message : String(error);
    if (passes.some((code) => said.includes(`failed (${code})`))) return Buffer.alloc(0);
    if (said.includes("File too large")) throw new ImportRefused(`it comes to more than ${maxBytes} bytes`);
    if (said.includes("SIGXCPU")) throw new ImportRefused(`it takes more than ${CPU_S} s to work through`);
    const reason =
      said
        .split("\n")
        .at(-1)
        ?.replace("qemu-img: ", "")
        .replace(`'${sourceOf(disk)}'`, "it") ?? "";
    const fault = target === undefined ? `it is no whole ${format} disk` : "it cannot be converted";
    throw new ImportRefused(`${fault}: ${reason}`);
  }
};

/** As `--image-opts` have it. */
const sourceOf = ({ format, seal }: ForeignDisk): string =>
  `driver=${diskFormats[format]},` +
  (seal
    ? `file.driver=luks,file.key-secret=source,file.file.driver=file,file.file.filename=${SOURCE}`
    : `file.driver=file,file.filename=${SOURCE}`);

const SOURCE = "/image/source";
/** What qemu-img calls it when it is sealed. */
const UNSEALED = `json:{"driver": "luks", "file": {"driver": "file", "filename": "${SOURCE}"}, "key-secret": "source"}`;
const TARGET = "/image/disk";
const MEMORY_BYTES = 2 * 1024 ** 3;
const CPU_S = 3600;
/** The jail itself is built with less. */
const NOTHING_BYTES = 1024 ** 2;
