import { closeSync, writeFileSync } from "node:fs";
import { check, errorName, recv, send } from "../../linux/libc.ts";
import { inNamespace } from "../../linux/namespaces.ts";
import {
  AF_INET,
  attributesIn,
  CTNETLINK,
  headerBytes,
  nested,
  NETLINK_NETFILTER,
  netfilterMessage,
  NLM_F_REQUEST,
  number,
  openNetlink,
} from "../../linux/netlink.ts";
import type { Flow } from "../traffic.ts";

/** A TCP or UDP connection that a namespace follows, by its first packet, with a mark for rules to see. */
interface Connection extends Flow {
  readonly mark: number;
  /** The kernel's own name for it. */
  readonly tuple: Buffer;
}

/**
 * Gives each TCP and UDP connection of a namespace the mark that `markOf` wants it to have; those of other zones than the usual one are
 * left out, and what ended meanwhile is no error. Costs what the namespace follows. Source: `linux/netfilter/nfnetlink_conntrack.h`.
 */
export const markConnections = (namespace: string, markOf: (connection: Connection) => number): void =>
  inNamespace(namespace, () => {
    using stack = new DisposableStack();
    const fd = stack.adopt(openNetlink(NETLINK_NETFILTER), closeSync);
    for (const connection of connections(fd)) {
      const mark = markOf(connection);
      if (mark === connection.mark) continue;
      const attributes = [nested(CTA_TUPLE_ORIG, [connection.tuple]), number(CTA_MARK, mark)];
      ask(fd, netfilterMessage(IPCTNL_MSG_CT_NEW, NLM_F_REQUEST | NLM_F_ACK, AF_INET, 0, attributes));
    }
  });

/** How a namespace follows connections: the kernel's `nf_conntrack_*`, once a rule of it asks for their state. */
export const followConnections = (namespace: string, settings: Readonly<Record<string, string>>): void =>
  inNamespace(namespace, () => {
    for (const [key, value] of Object.entries(settings))
      writeFileSync(`/proc/sys/net/netfilter/nf_conntrack_${key}`, value);
  });

const connections = (fd: number): Connection[] =>
  ask(fd, netfilterMessage(IPCTNL_MSG_CT_GET, NLM_F_REQUEST | NLM_F_DUMP, AF_INET, 0)).flatMap((body) => {
    const given = attributesIn(body, 4);
    const tuple = given.get(CTA_TUPLE_ORIG) ?? none;
    const parts = attributesOf(tuple);
    const [ip, proto] = [attributesOf(parts.get(CTA_TUPLE_IP)), attributesOf(parts.get(CTA_TUPLE_PROTO))];
    const protocol = proto.get(CTA_PROTO_NUM)?.[0] ?? 0;
    const port = proto.get(CTA_PROTO_DST_PORT)?.readUInt16BE();
    if (given.has(CTA_ZONE) || port === undefined || (protocol !== 6 && protocol !== 17)) return [];
    const [from, to] = [CTA_IP_V4_SRC, CTA_IP_V4_DST].map((side) => [...(ip.get(side) ?? [])].join("."));
    return [
      {
        from: from ?? "",
        to: to ?? "",
        protocol,
        port,
        mark: given.get(CTA_MARK)?.readUInt32BE() ?? 0,
        tuple,
      },
    ];
  });

const none: Buffer = Buffer.alloc(0);
const attributesOf = (whole = none): Map<number, Buffer> => attributesIn(whole, 0);

/** The bodies of the answers. */
const ask = (fd: number, request: Buffer): Buffer[] => {
  check("ctnetlink", send(fd, request, request.length, 0));
  const bodies: Buffer[] = [];
  for (;;) {
    const answer = Buffer.alloc(64 * 1024);
    const size = check("ctnetlink", recv(fd, answer, answer.length, 0));
    for (let at = 0; at < size; at += (answer.readUInt32LE(at) + 3) & ~3) {
      const type = answer.readUInt16LE(at + 4);
      if (type === NLMSG_DONE) return bodies;
      if (type === NLMSG_ERROR) {
        const errno = -answer.readInt32LE(at + headerBytes);
        if (errno === 0 || errorName(errno) === "ENOENT") return bodies;
        throw new Error(`ctnetlink: ${errorName(errno)}`);
      }
      bodies.push(answer.subarray(at + headerBytes, at + answer.readUInt32LE(at)));
    }
  }
};

const NLM_F_ACK = 0x4;
const NLM_F_DUMP = 0x300;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const IPCTNL_MSG_CT_NEW = CTNETLINK << 8;
const IPCTNL_MSG_CT_GET = (CTNETLINK << 8) | 1;
const CTA_TUPLE_ORIG = 1;
const CTA_MARK = 8;
const CTA_ZONE = 18;
const CTA_TUPLE_IP = 1;
const CTA_TUPLE_PROTO = 2;
const CTA_IP_V4_SRC = 1;
const CTA_IP_V4_DST = 2;
const CTA_PROTO_NUM = 1;
const CTA_PROTO_DST_PORT = 3;
