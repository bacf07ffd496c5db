import { closeSync, fstatSync, openSync, readFileSync, statSync } from "node:fs";
import { check, interfaceIndex, ioctl, ioctlNumber, openProcess, takeDescriptor } from "./libc.ts";
import { inNamespace, namespaceOfSocket } from "./namespaces.ts";

/** The far end of tap `device` in `namespace` (made if absent), with virtio-net headers. One process at a time can hold it. */
export const openTap = (namespace: string, device: string): number =>
  inNamespace(namespace, () => {
    const fd = openSync("/dev/net/tun", "r+");
    try {
      attach(fd, device);
      return fd;
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  });

/** What is agreed with whoever holds the far end of a tap about each packet. */
export interface TapTerms {
  /** Of the virtio-net header before it. */
  readonly headerBytes: number;
  /** What its checksum or length may be left to the far end for: `TUN_F_…` of linux/if_tun.h. */
  readonly offloads: number;
}

/**
 * Whether descriptor `fd` of process `pid`, a tap's far end, leads nowhere: someone removed its device, or took from its namespace the
 * name `namespace`.
 */
export const hasLostTap = (pid: number, fd: number, namespace: string): boolean => {
  if (/^iff:\t$/m.test(readFileSync(`/proc/${pid}/fdinfo/${fd}`, "utf8"))) return true;
  using stack = new DisposableStack();
  return !isOf(namespace, stack.adopt(descriptorOf(pid, fd), closeSync));
};

/**
 * Gives descriptor `fd` of process `pid`, which has lost its tap, the one that was made in its place, and the process goes on with it
 * unaware. Whether there is one, in the namespace that the descriptor is of.
 */
export const giveTap = (
  { pid, fd }: { readonly pid: number; readonly fd: number },
  { namespace, device }: { readonly namespace: string; readonly device: string },
  { headerBytes, offloads }: TapTerms,
): boolean => {
  if (inNamespace(namespace, () => interfaceIndex(device)) === 0) return false;
  using stack = new DisposableStack();
  const own = stack.adopt(descriptorOf(pid, fd), closeSync);
  if (!isOf(namespace, own)) return false;
  attach(own, device);
  const size = Buffer.alloc(4);
  size.writeInt32LE(headerBytes);
  check("TUNSETVNETHDRSZ", ioctl(own, TUNSETVNETHDRSZ, size));
  check("TUNSETOFFLOAD", ioctlNumber(own, TUNSETOFFLOAD, offloads));
  return true;
};

/** One of our own for what `fd` of process `pid` is open to. */
const descriptorOf = (pid: number, fd: number): number => {
  using stack = new DisposableStack();
  const process = stack.adopt(check("pidfd_open", openProcess(pid, 0)), closeSync);
  return check("pidfd_getfd", takeDescriptor(process, fd, 0));
};

/** Whether the namespace of that name, if there is one, is the tap's. */
const isOf = (namespace: string, tap: number): boolean => {
  using stack = new DisposableStack();
  const own = stack.adopt(namespaceOfSocket(tap), closeSync);
  return statSync(`/run/netns/${namespace}`, { throwIfNoEntry: false })?.ino === fstatSync(own).ino;
};

const attach = (fd: number, device: string): void => {
  const request = Buffer.alloc(40);
  request.write(device, 0, 15);
  request.writeUInt16LE(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, 16);
  check(`TUNSETIFF ${device}`, ioctl(fd, TUNSETIFF, request));
};

const TUNSETIFF = 0x4004_54ca;
const TUNSETOFFLOAD = 0x4004_54d0;
const TUNSETVNETHDRSZ = 0x4004_54d8;
const IFF_TAP = 0x0002;
const IFF_NO_PI = 0x1000;
const IFF_VNET_HDR = 0x4000;
