import { existsSync, readFileSync } from "node:fs";
import { mkdir, readdir, rm } from "node:fs/promises";
import { release } from "node:os";
import { join } from "node:path";
import { checkout } from "#checkout.ts";
import { type Architecture, hostArchitecture } from "./architecture.ts";
import { run } from "./command.ts";

/** A command put behind it runs programs of the image that is made, in mount and process namespaces of their own. */
export type Room = readonly [string, ...string[]];

/**
 * The room for an image of `architecture`. Programs that are not this host's are emulated, by Debian's emulator taken out of its
 * package into `dir`, and in the room only: were the package installed, this host's kernel would be told of its emulators.
 * Throws, saying what is missing, when this host cannot do it.
 */
export const openRoom = async (
  architecture: Architecture,
  dir: string,
  signal: AbortSignal,
): Promise<Room> => {
  if (architecture === hostArchitecture || (architecture === "arm64" && isRegistered())) return plain;
  if (architecture !== "arm64")
    throw new Error(`an image of ${architecture} is made on a host that is ${architecture} itself`);
  const args = [script, `:${NAME}:M::${magic}:${mask}:${await fetchEmulator(dir, signal)}:F`];
  try {
    await run("sh", [...args, "true"], { signal });
  } catch (error) {
    signal.throwIfAborted();
    const why = error instanceof Error ? error.message.split("\n").at(-1) : "";
    throw new Error(
      `programs of ${architecture} cannot be run here without a change to this host: a user namespace has no binfmt_misc of its own ` +
        `(${why}), which Linux gives it from 6.7 on, and this is ${release()}. Start a newer kernel (bookworm-backports has one), ` +
        "or let all of this host run such programs: apt install qemu-user-static binfmt-support",
      { cause: error },
    );
  }
  return ["sh", ...args];
};

const plain: Room = [
  "unshare",
  "--mount",
  "--propagation",
  "private",
  "--pid",
  "--fork",
  "--kill-child",
  "--mount-proc",
  "--",
];

/** Whether this host's operator has all of its programs run them, wherever the emulator is out of sight (F). */
const isRegistered = (): boolean => {
  const rule = `/proc/sys/fs/binfmt_misc/${NAME}`;
  return existsSync(rule) && /^enabled$[^]*^flags: \w*F/m.test(readFileSync(rule, "utf8"));
};

/** As apt has it, whose signatures vouch for it. */
const fetchEmulator = async (dir: string, signal: AbortSignal): Promise<string> => {
  await mkdir(dir);
  const download = () => run("env", ["-C", dir, "apt-get", "-q", "download", PACKAGE], { signal });
  await download().catch(async () => {
    // The lists were never fetched, or are out of date.
    await run("apt-get", ["-q", "update"], { signal });
    await download();
  });
  const [file = ""] = await readdir(dir);
  await run("dpkg-deb", ["--extract", join(dir, file), dir], { signal });
  await rm(join(dir, file));
  return join(dir, "usr/bin/qemu-aarch64-static");
};

const script = join(checkout, "src/images/room.sh");
const PACKAGE = "qemu-user-static";
/** The rule's name is Debian's, by which mmdebstrap knows that no emulator is needed in the image. */
const NAME = "qemu-aarch64";
/** An ELF file of 64 bits, least significant byte first: a program or a shared object, for AArch64. */
const magic = String.raw`\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00`;
const mask = String.raw`\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff`;
