import {
  chmodSync,
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { MachineDisk } from "../machine-driver.ts";
import { listenOn, socketPath } from "./qemu-process.ts";
import type { Qmp } from "./qmp.ts";

/**
 * One QEMU has a disk's files, and others have the disk of it by NBD. It lays down what each write needs, tables too, before it
 * answers it (`writethrough`): otherwise what it was killed with would be lost to machines that go on, which ask for nothing twice.
 *
 * The socket is in its directory, where nobody but root gets at it; a machine that has a disk of it has a second name for it in its
 * own `served`, which its jail shows. Commands follow QEMU 7.2's QMP reference.
 */
export async function serveDisks(qmp: Qmp, directory: string, disks: readonly MachineDisk[]): Promise<void> {
  const socket = socketPath(directory, "served-disks");
  const fd = listenOn(socket, BACKLOG);
  chmodSync(socket, 0o666); // each machine is a user of its own
  try {
    await qmp.execute("getfd", { fdname: LISTENING }, { fds: [fd] });
  } finally {
    closeSync(fd);
  }
  const addr = { type: "fd", data: { str: LISTENING } };
  await qmp.execute("nbd-server-start", { addr, "max-connections": 0 });
  await giveDisks(qmp, disks);
}

/** To whoever asks for them, also what whoever was cut short had taken back. */
export async function giveDisks(qmp: Qmp, disks: readonly Pick<MachineDisk, "id">[]): Promise<void> {
  const given = await exportsNow(qmp);
  for (const { id } of disks)
    if (!given.has(exportOf(id)))
      await qmp.execute("block-export-add", {
        type: "nbd",
        id: exportOf(id),
        "node-name": id,
        name: id,
        writable: true,
        writethrough: true,
      });
}

/**
 * From nobody: QEMU resizes nothing that it gives. What it was asked for and has not answered is asked of it again once it gives it
 * again.
 */
export async function takeDiskBack(qmp: Qmp, id: string): Promise<void> {
  if (!(await exportsNow(qmp)).has(exportOf(id))) return;
  await qmp.execute("block-export-del", { id: exportOf(id), mode: "hard" });
  // It is gone when the last who had it has been hung up on.
  for (const deadline = performance.now() + TAKEN_BACK_MS; (await exportsNow(qmp)).has(exportOf(id));) {
    if (performance.now() > deadline) throw new Error(`${id} is still given to somebody`);
    await sleep(1);
  }
}

async function exportsNow(qmp: Qmp): Promise<ReadonlySet<string>> {
  const exports = (await qmp.execute("query-block-exports")) as { readonly id: string }[];
  return new Set(exports.map(({ id }) => id));
}

const exportOf = (id: string): string => `${id}-export`;

/** The ids of the machines that have disks of the machine in `directory`, running or not. */
export function usersOf(directory: string): string[] {
  const machines = dirname(directory);
  const server = basename(directory);
  return readdirSync(machines).filter((id) => existsSync(join(machines, id, SERVED_DIRECTORY, server)));
}

/** Those that had disks of the machine in `directory` before its process ended find the new one by the same name. */
export function serveAgain(directory: string): void {
  for (const id of usersOf(directory)) reachServer(join(dirname(directory), id), basename(directory));
}

/** The machine in `directory` finds the socket of the machine `server`. */
export function reachServer(directory: string, server: string): void {
  const socket = socketPath(join(dirname(directory), server), "served-disks");
  const name = join(directory, SERVED_DIRECTORY, server);
  mkdirSync(dirname(name), { recursive: true, mode: 0o755 });
  if (existsSync(name) && statSync(name).ino === statSync(socket).ino) return;
  rmSync(`${name}.next`, { force: true });
  linkSync(socket, `${name}.next`);
  renameSync(`${name}.next`, name);
}

export const leaveServer = (directory: string, server: string): void =>
  rmSync(join(directory, SERVED_DIRECTORY, server), { force: true });

export const SERVED_DIRECTORY = "served";
const LISTENING = "served-disks";
/** Of connections that are not taken yet. */
const BACKLOG = 64;
const TAKEN_BACK_MS = 5000;
