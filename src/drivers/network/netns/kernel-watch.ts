import { closeSync } from "node:fs";
import { check, ioctl, lastError, recv, send } from "../../linux/libc.ts";
import { inNamespace, namespaceOfSocket } from "../../linux/namespaces.ts";
import {
  AF_UNSPEC,
  MSG_DONTWAIT,
  NETLINK_NETFILTER,
  netfilterMessage,
  NETLINK_ROUTE,
  NFTABLES,
  NLM_F_REQUEST,
  openNetlink,
} from "../../linux/netlink.ts";
import { routeMessages, type RouteMessage } from "./route-messages.ts";

/** Two netlink sockets in one namespace, or on this host, asked now and then: cheaper than two `monitor` processes for every network. */
export interface KernelWatch extends Disposable {
  /** How often anyone has changed nft rules here: each transaction adds one. */
  generation(): number;
  /** A descriptor of the namespace, which lives for as long as it is watched, whether or not it has a name. */
  namespace(): number;
  /** What became of links, addresses, routes and routing rules since the last call, in order; undefined: more than can be told. */
  news(): readonly RouteMessage[] | undefined;
}

export const openKernelWatch = (namespace?: string): KernelWatch => {
  const stack = new DisposableStack();
  const open = (protocol: number, groups: number) => {
    const here = () => openNetlink(protocol, groups);
    return stack.adopt(namespace === undefined ? here() : inNamespace(namespace, here), closeSync);
  };
  const rules = open(NETLINK_NETFILTER, 0);
  const links = open(NETLINK_ROUTE, RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV4_RULE);
  const request = netfilterMessage(NFT_MSG_GETGEN, NLM_F_REQUEST, AF_UNSPEC, 0);
  const answer = Buffer.alloc(32 * 1024);
  return {
    generation() {
      check("NFT_MSG_GETGEN", send(rules, request, request.length, 0));
      const size = check("NFT_MSG_GETGEN", recv(rules, answer, answer.length, MSG_DONTWAIT));
      return generationIn(answer.subarray(0, size));
    },
    namespace: () => namespaceOfSocket(links),
    news() {
      const news: RouteMessage[] = [];
      let complete = true;
      for (;;) {
        const size = recv(links, answer, answer.length, MSG_DONTWAIT);
        if (size >= 0) {
          const messages = routeMessages(answer.subarray(0, size), (index) => linkName(links, index));
          if (messages) news.push(...messages);
          else complete = false;
        } else if (lastError() === "EAGAIN") return complete ? news : undefined;
        // More happened than the socket could hold.
        else if (lastError() === "ENOBUFS") complete = false;
        else throw new Error(`rtnetlink: ${lastError()}`);
      }
    },
    [Symbol.dispose]: () => stack.dispose(),
  };
};

/** In the namespace of socket `fd`; undefined: there is no such link. */
const linkName = (fd: number, index: number): string | undefined => {
  const request = Buffer.alloc(40);
  request.writeUInt32LE(index, 16);
  if (ioctl(fd, SIOCGIFNAME, request) === -1) return undefined;
  return request.toString("utf8", 0, 16).replace(/\0.*$/s, "");
};

/** The first attribute of the answer, NFTA_GEN_ID, big-endian. */
const generationIn = (message: Buffer): number => {
  if (message.readUInt16LE(4) !== NFT_MSG_NEWGEN)
    throw new Error("NFT_MSG_GETGEN: the kernel answered something else");
  return message.readUInt32BE(24);
};

const SIOCGIFNAME = 0x8910;
const NFT_MSG_NEWGEN = (NFTABLES << 8) | 15;
const NFT_MSG_GETGEN = (NFTABLES << 8) | 16;
const RTMGRP_LINK = 0x1;
const RTMGRP_IPV4_IFADDR = 0x10;
const RTMGRP_IPV4_ROUTE = 0x40;
const RTMGRP_IPV4_RULE = 0x80;
