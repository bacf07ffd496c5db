import { closeSync } from "node:fs";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { addressOf, check, connect, lastError, recvmsg, sendmsg, shutdown, socket } from "./libc.ts";

/**
 * Writes `data` to a connected Unix socket with `fds` riding on its first byte, after everything written before. The
 * receiver gets copies; the caller still closes its own. Resolves once the kernel has them; throws when the peer is gone.
 */
export const sendWithFds = async (to: Socket, data: Buffer, fds: readonly number[]): Promise<void> => {
  const control = controlMessage(fds);
  const message = messageHeader(data, control, control.length);
  for (;;) {
    while (to.writableLength > 0) await sleep(1);
    const sent = sendmsg(fdOf(to), message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      if (sent < data.length) to.write(data.subarray(sent));
      return;
    }
    const reason = lastError();
    if (reason !== "EAGAIN" && reason !== "EINTR") throw new Error(`sendmsg: ${reason}`);
    await sleep(1);
  }
};

/**
 * Connects to the Unix socket at `path`, says `greeting`, and hands on what arrives, each chunk with the descriptors that
 * came with it (they are the callee's to close). Resolves when the peer closes or `signal` aborts; throws when it cannot connect or
 * `onMessage` throws.
 */
export const receiveWithFds = async (
  path: string,
  onMessage: (data: Buffer, fds: number[]) => void,
  signal: AbortSignal,
  greeting: Buffer = Buffer.alloc(0),
): Promise<void> => {
  const fd = check("socket", socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  // Wakes the thread that waits in recvmsg; at exit, too, since Node joins its threads before it leaves.
  const stop = () => shutdown(fd, SHUT_RDWR);
  signal.addEventListener("abort", stop);
  process.once("exit", stop);
  try {
    const address = unixAddress(path);
    check(`connect ${path}`, connect(fd, address, address.length));
    for (let said = 0; said < greeting.length;)
      said += check(
        "sendmsg",
        sendmsg(fd, messageHeader(greeting.subarray(said), Buffer.alloc(0), 0), MSG_NOSIGNAL),
      );
    const data = Buffer.alloc(64 * 1024);
    const control = Buffer.alloc(CMSG_HEADER + 4 * SCM_MAX_FD);
    while (!signal.aborted) {
      const message = messageHeader(data, control, control.length);
      const received = await recvmsg(fd, message, MSG_CMSG_CLOEXEC);
      if (received <= 0) return;
      onMessage(Buffer.from(data.subarray(0, received)), descriptors(control, controlLength(message)));
    }
  } finally {
    signal.removeEventListener("abort", stop);
    process.off("exit", stop);
    closeSync(fd);
  }
};

/** `struct msghdr` of 64-bit Linux: one piece of data, one control buffer, no address. */
const messageHeader = (data: Buffer, control: Buffer, controlBytes: number): Buffer => {
  const piece = Buffer.alloc(16);
  piece.writeBigUInt64LE(addressOf(data), 0);
  piece.writeBigUInt64LE(BigInt(data.length), 8);
  const header = Buffer.alloc(56);
  header.writeBigUInt64LE(addressOf(piece), 16);
  header.writeBigUInt64LE(1n, 24);
  header.writeBigUInt64LE(controlBytes === 0 ? 0n : addressOf(control), 32);
  header.writeBigUInt64LE(BigInt(controlBytes), 40);
  pieces.set(header, piece);
  return header;
};

/** The header names its piece only by address: this keeps the piece alive as long as the header is. */
const pieces = new WeakMap<Buffer, Buffer>();

const controlLength = (header: Buffer): number => Number(header.readBigUInt64LE(40));

/** `struct cmsghdr` with the descriptors after it, padded to eight bytes. */
const controlMessage = (fds: readonly number[]): Buffer => {
  if (fds.length === 0) return Buffer.alloc(0);
  const length = CMSG_HEADER + 4 * fds.length;
  const control = Buffer.alloc(Math.ceil(length / 8) * 8);
  control.writeBigUInt64LE(BigInt(length), 0);
  control.writeInt32LE(SOL_SOCKET, 8);
  control.writeInt32LE(SCM_RIGHTS, 12);
  for (const [index, fd] of fds.entries()) control.writeInt32LE(fd, CMSG_HEADER + 4 * index);
  return control;
};

const descriptors = (control: Buffer, controlBytes: number): number[] => {
  if (controlBytes < CMSG_HEADER || control.readInt32LE(12) !== SCM_RIGHTS) return [];
  const count = (Number(control.readBigUInt64LE(0)) - CMSG_HEADER) / 4;
  return Array.from({ length: count }, (_, index) => control.readInt32LE(CMSG_HEADER + 4 * index));
};

const unixAddress = (path: string): Buffer => {
  const name = Buffer.from(path);
  if (name.length > 107)
    throw new Error(`connect ${path}: longer than the 107 bytes a socket's path may have`);
  const address = Buffer.alloc(110);
  address.writeUInt16LE(AF_UNIX, 0);
  address.set(name, 2);
  return address;
};

/** Node has no public way to a socket's descriptor. */
export const fdOf = (to: Socket): number => {
  const handle: unknown = Reflect.get(to, "_handle");
  const fd: unknown = typeof handle === "object" && handle !== null ? Reflect.get(handle, "fd") : undefined;
  if (typeof fd !== "number" || fd < 0) throw new Error("sendmsg: the socket is closed");
  return fd;
};

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o200_0000;
const SHUT_RDWR = 2;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
/** Most descriptors the kernel lets one message carry. */
const SCM_MAX_FD = 253;
const CMSG_HEADER = 16;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x4000_0000;
