import { bind, check, socket } from "./libc.ts";

/** A socket of netlink(7) in this thread's namespace, which hears of what `groups` are about. */
export const openNetlink = (protocol: number, groups = 0): number => {
  const fd = check("socket", socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
  const address = Buffer.alloc(12);
  address.writeUInt16LE(AF_NETLINK, 0);
  address.writeUInt32LE(groups, 8);
  check("bind", bind(fd, address, address.length));
  return fd;
};

/** `struct nlmsghdr` and `struct nfgenmsg`, and attributes. */
export const netfilterMessage = (
  type: number,
  flags: number,
  family: number,
  resource: number,
  attributes: readonly Buffer[] = [],
): Buffer => {
  const header = Buffer.alloc(headerBytes + 4);
  const whole = Buffer.concat([header, ...attributes]);
  whole.writeUInt32LE(whole.length, 0);
  whole.writeUInt16LE(type, 4);
  whole.writeUInt16LE(flags, 6);
  whole.writeUInt8(family, headerBytes);
  whole.writeUInt16BE(resource, headerBytes + 2);
  return whole;
};

export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;
/** Subsystem of NETLINK_NETFILTER. */
export const NFTABLES = 10;
/** `struct nlmsghdr`. */
export const headerBytes = 16;
export const NLM_F_REQUEST = 1;
export const MSG_DONTWAIT = 0x40;

export const AF_UNSPEC = 0;
const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o200_0000;
