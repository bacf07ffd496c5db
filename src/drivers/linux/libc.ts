import { constants } from "node:os";
import koffi from "koffi";
import type { KoffiFunc } from "koffi";

/** The system calls Node has no function for, as typed functions that answer -1 on failure. */
const libc = koffi.load("libc.so.6");

export const setns: (fd: number, type: number) => number = libc.func("int setns(int fd, int type)");
export const ioctl: (fd: number, request: number, argument: Buffer) => number = libc.func(
  "int ioctl(int fd, unsigned long request, void *argument)",
);
/** For requests whose argument is no pointer. */
export const ioctlNumber: (fd: number, request: number, argument: number) => number = libc.func(
  "int ioctl(int fd, unsigned long request, unsigned long argument)",
);
/** 0: there is none in this thread's namespace. */
export const interfaceIndex: (name: string) => number = libc.func(
  "unsigned int if_nametoindex(const char *name)",
);
export const openProcess: (pid: number, flags: number) => number = libc.func(
  "int pidfd_open(int pid, unsigned int flags)",
);
/** Another process's open file, as a descriptor here. */
export const takeDescriptor: (process: number, fd: number, flags: number) => number = libc.func(
  "int pidfd_getfd(int pidfd, int fd, unsigned int flags)",
);
export const socket: (domain: number, type: number, protocol: number) => number = libc.func(
  "int socket(int domain, int type, int protocol)",
);
export const setsockopt: (fd: number, level: number, name: number, value: Buffer, size: number) => number =
  libc.func("int setsockopt(int fd, int level, int name, const void *value, uint32_t size)");
export const bind: (fd: number, address: Buffer, size: number) => number = libc.func(
  "int bind(int fd, const void *address, uint32_t size)",
);
export const connect: (fd: number, address: Buffer, size: number) => number = libc.func(
  "int connect(int fd, const void *address, uint32_t size)",
);
export const listen: (fd: number, backlog: number) => number = libc.func("int listen(int fd, int backlog)");
export const prctl: (option: number, a: number, b: number, c: number, d: number) => number = libc.func(
  "int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)",
);
/** The connecting side's address is not wanted: both are null. */
export const accept: (fd: number, address: null, size: null) => number = libc.func(
  "int accept(int fd, void *address, void *size)",
);
export const shutdown: (fd: number, how: number) => number = libc.func("int shutdown(int fd, int how)");
export const sendmsg: (fd: number, message: Buffer, flags: number) => number = libc.func(
  "long sendmsg(int fd, const void *message, int flags)",
);
export const send: (fd: number, data: Buffer, size: number, flags: number) => number = libc.func(
  "long send(int fd, const void *data, size_t size, int flags)",
);
export const recv: (fd: number, data: Buffer, size: number, flags: number) => number = libc.func(
  "long recv(int fd, void *data, size_t size, int flags)",
);

/** Two files or directories of one file system take each other's names in one moment. */
export const exchangeNames = (one: string, other: string): void => {
  check("renameat2", renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE));
};
const renameat2: (from: number, one: string, to: number, other: string, flags: number) => number = libc.func(
  "int renameat2(int olddirfd, const char *oldpath, int newdirfd, const char *newpath, unsigned int flags)",
);
const AT_FDCWD = -100;
const RENAME_EXCHANGE = 2;

type Receive = (fd: number, message: Buffer, flags: number) => number;
const blockingRecvmsg: KoffiFunc<Receive> = libc.func("long recvmsg(int fd, void *message, int flags)");

/** Blocks a worker thread, not the event loop. */
export const recvmsg = (fd: number, message: Buffer, flags: number): Promise<number> =>
  new Promise((resolve, reject) => {
    blockingRecvmsg.async(fd, message, flags, (error, received) => {
      if (error) reject(error instanceof Error ? error : new Error(String(error)));
      else resolve(received);
    });
  });

/** Before a child is started that others must not reach through us: Node closes its own descriptors in it, but not those it inherited. */
export const hideDescriptors = (): void => {
  check("close_range", closeRange(3, 0x7fff_ffff, CLOSE_RANGE_CLOEXEC));
};
const closeRange: (first: number, last: number, flags: number) => number = libc.func(
  "int close_range(unsigned int first, unsigned int last, int flags)",
);
const CLOSE_RANGE_CLOEXEC = 4;

/** Where a buffer's bytes are; it must be kept referenced while the address is in use. */
export const addressOf = (buffer: Buffer): bigint => koffi.address(buffer);

/** The name of the last failed call's reason: "EAGAIN". */
export const lastError = (): string => errorName(koffi.errno());

export const errorName = (number: number): string => {
  const known = Object.entries(constants.errno).find(([, value]) => value === number);
  return known?.[0] ?? `errno ${number}`;
};

/** `result`, unless it is -1: then throws, naming the call and the reason. */
export const check = (call: string, result: number): number => {
  if (result === -1) throw new Error(`${call}: ${lastError()}`);
  return result;
};
