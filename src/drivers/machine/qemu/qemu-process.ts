import { execFileSync, spawn } from "node:child_process";
import {
  closeSync,
  existsSync,
  fchmodSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { once } from "node:events";
import { join } from "node:path";
import { bind, check, hideDescriptors, listen, socket } from "#drivers/linux/libc.ts";
import { openTap } from "#drivers/linux/taps.ts";
import type { Opened, SocketName } from "./command-line.ts";
import { identify } from "../../linux/host-process.ts";
import type { HostProcess } from "../../linux/host-process.ts";

/**
 * Starts `command` in a session of its own, which neither our end nor our terminal's touches, with `opens` as its
 * descriptors 3, 4, … and no other of ours. What it complains of goes to `stderr` in `directory`. `ending` tells, in words,
 * how the process ended.
 */
export const startProcess = (
  directory: string,
  command: readonly string[],
  opens: readonly Opened[],
): { readonly process: HostProcess; readonly ending: Promise<string> } => {
  const [file = "", ...args] = command;
  using closing = new DisposableStack();
  const own = (fd: number) => closing.adopt(fd, closeSync);
  writeFileSync(stderrPath(directory), "", { mode: 0o600 });
  // Appending, so that the file can be cut short while it is written.
  const stderr = own(openSync(stderrPath(directory), "a"));
  const handed = opens.map((what) => own(openHere(directory, what)));
  hideDescriptors();
  const child = spawn(file, args, {
    cwd: "/",
    detached: true,
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", [MARK]: directory },
    stdio: ["ignore", "ignore", stderr, ...handed],
  });
  child.unref();
  const ending = once(child, "exit").then(
    ([code, signal]) =>
      signal === null ? `exited with code ${String(code)}` : `was killed by ${String(signal)}`,
    (error: unknown) => String(error),
  );
  const process = child.pid === undefined ? undefined : identify(child.pid);
  if (process === undefined) throw new Error(`${file} cannot be started`);
  preferAsVictim(process.pid);
  return { process, ending };
};

/** When this host's memory runs out, a machine is ended before the programs that would start it again. */
const preferAsVictim = (pid: number): void => {
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, "500");
  } catch {
    // It has ended already, and tells why.
  }
};

/** What every process started for the machine carries in its environment. */
export const startMark = (directory: string): string => `${MARK}=${directory}`;
const MARK = "CROFT_MACHINE";

/** Where QEMU listens. Nobody but root gets at it. */
export const socketPath = (directory: string, name: SocketName | "served-disks"): string =>
  join(directory, name);

export const stderrPath = (directory: string): string => join(directory, "stderr");

/** The last thing QEMU complained of, with the hint it may add in a second line; or nothing. */
export const lastComplaint = (directory: string): string => {
  try {
    return readFileSync(stderrPath(directory), "utf8").trimEnd().split("\n").slice(-2).join(" ");
  } catch {
    return "";
  }
};

const openHere = (directory: string, what: Opened): number => {
  switch (what.kind) {
    case "socket":
      return listenOn(socketPath(directory, what.name));
    case "variables":
      return openVariables(join(directory, "uefi-variables"), what.from);
    case "file":
      return openSync(what.path, what.mode);
    case "tap":
      return openTap(what.namespace, what.device);
  }
};

/** Made at the first start, whole or not at all; nobody but root gets at them but by this descriptor. */
const openVariables = (path: string, from: string): number => {
  if (!existsSync(path)) {
    const next = `${path}.next`;
    // Most of them is nothing: 64 MiB of it for arm64.
    execFileSync("cp", ["--sparse=always", from, next]);
    const fd = openSync(next, "r+");
    fchmodSync(fd, 0o600);
    fsyncSync(fd);
    closeSync(fd);
    renameSync(next, path);
  }
  return openSync(path, "r+");
};

/** Node would unlink the path as soon as it lets go of the socket, hence by hand. */
export const listenOn = (path: string, backlog = 1): number => {
  const name = Buffer.from(path);
  if (name.length > 107) throw new Error(`${path}: longer than the 107 bytes a socket's path may have`);
  const address = Buffer.alloc(110);
  address.writeUInt16LE(AF_UNIX, 0);
  address.set(name, 2);
  rmSync(path, { force: true });
  const fd = check("socket", socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  try {
    // Linux gives the path the mode of the socket's inode.
    fchmodSync(fd, 0o600);
    check(`bind ${path}`, bind(fd, address, address.length));
    check(`listen ${path}`, listen(fd, backlog));
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
};

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o200_0000;
