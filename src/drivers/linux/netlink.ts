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

/** `struct nlattr` and what it holds, up to a multiple of four bytes. */
export const attribute = (type: number, value: Buffer): Buffer => {
  const whole = Buffer.alloc(4 + ((value.length + 3) & ~3));
  whole.writeUInt16LE(4 + value.length, 0);
  whole.writeUInt16LE(type, 2);
  whole.set(value, 4);
  return whole;
};
export const nested = (type: number, inside: readonly Buffer[]): Buffer =>
  attribute(type | NLA_F_NESTED, Buffer.concat(inside));
/** Big-endian, as netfilter has them. */
export const number = (type: number, value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return attribute(type, bytes);
};

/** The attributes after a header of `from` bytes, by their types. */
export const attributesIn = (body: Buffer, from: number): Map<number, Buffer> => {
  const found = new Map<number, Buffer>();
  for (let at = from; at + 4 <= body.length;) {
    const length = body.readUInt16LE(at);
    if (length < 4) break;
    found.set(body.readUInt16LE(at + 2) & NLA_TYPE_MASK, body.subarray(at + 4, at + length));
    at += (length + 3) & ~3;
  }
  return found;
};

export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;
/** Subsystems of NETLINK_NETFILTER. */
export const CTNETLINK = 1;
export const NFTABLES = 10;
/** `struct nlmsghdr`. */
export const headerBytes = 16;
export const NLM_F_REQUEST = 1;
export const MSG_DONTWAIT = 0x40;

export const AF_UNSPEC = 0;
export const AF_INET = 2;
const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o200_0000;
const NLA_F_NESTED = 0x8000;
const NLA_TYPE_MASK = 0x3fff;
