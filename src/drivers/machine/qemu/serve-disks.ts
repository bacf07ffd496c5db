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
import { dirname, join } from "node:path";
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
  for (const { id } of disks)
    await qmp.execute("block-export-add", {
      type: "nbd",
      id: `${id}-export`,
      "node-name": id,
      name: id,
      writable: true,
      writethrough: true,
    });
}

/** Those that had disks of the machine `server` before its process ended find the new one by the same name. */
export function serveAgain(directory: string, server: string): void {
  const machines = dirname(directory);
  for (const id of readdirSync(machines))
    if (existsSync(join(machines, id, SERVED_DIRECTORY, server))) reachServer(join(machines, id), server);
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
