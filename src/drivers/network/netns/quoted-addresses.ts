import { closeSync } from "node:fs";
import { check, errorName, recv, send } from "../../linux/libc.ts";
import { inNamespace } from "../../linux/namespaces.ts";
import {
  AF_UNSPEC,
  attribute,
  headerBytes,
  MSG_DONTWAIT,
  nested,
  NETLINK_NETFILTER,
  netfilterMessage,
  NFTABLES,
  NLM_F_REQUEST,
  number,
  openNetlink,
} from "../../linux/netlink.ts";

/** A rule that gives a chain's ICMP errors, in the packet they quote, the address that a map of the same table has for one of its two. */
export interface QuoteRule {
  readonly chain: string;
  readonly side: "source" | "destination";
  readonly map: string;
}

/**
 * Adds them to a namespace's table `ip croft`, in one transaction. nft has no words for such a rule: it writes what a packet quotes
 * without the checksum that the quoted header (RFC 792) has of itself. With it the ICMP message's own checksum stays right. Source:
 * `linux/netfilter/nf_tables.h` and `nfnetlink.h`.
 */
export const addQuoteRules = (namespace: string, rules: readonly QuoteRule[]): void =>
  inNamespace(namespace, () => {
    using stack = new DisposableStack();
    const fd = stack.adopt(openNetlink(NETLINK_NETFILTER), closeSync);
    const batch = Buffer.concat([
      netfilterMessage(NFNL_MSG_BATCH_BEGIN, NLM_F_REQUEST, AF_UNSPEC, NFTABLES),
      ...rules.map((rule) =>
        netfilterMessage(NFT_MSG_NEWRULE, newRule, NFPROTO_IPV4, 0, ruleAttributes(rule)),
      ),
      netfilterMessage(NFNL_MSG_BATCH_END, NLM_F_REQUEST, AF_UNSPEC, NFTABLES),
    ]);
    check("NFT_MSG_NEWRULE", send(fd, batch, batch.length, 0));
    const answer = Buffer.alloc(8 * 1024);
    for (let answered = 0; answered < rules.length;) {
      const size = check("NFT_MSG_NEWRULE", recv(fd, answer, answer.length, MSG_DONTWAIT));
      for (let at = 0; at < size; at += answer.readUInt32LE(at), answered++) {
        const errno = -answer.readInt32LE(at + headerBytes);
        if (errno !== 0) throw new Error(`NFT_MSG_NEWRULE: ${errorName(errno)}`);
      }
    }
  });

const ruleAttributes = ({ chain, side, map }: QuoteRule): Buffer[] => {
  const place = [
    number(NFTA_PAYLOAD_BASE, NFT_PAYLOAD_TRANSPORT_HEADER),
    number(NFTA_PAYLOAD_OFFSET, icmpHeaderBytes + (side === "source" ? 12 : 16)),
    number(NFTA_PAYLOAD_LEN, 4),
  ];
  return [
    text(NFTA_RULE_TABLE, "croft"),
    text(NFTA_RULE_CHAIN, chain),
    nested(NFTA_RULE_EXPRESSIONS, [
      expression("payload", [...place, number(NFTA_PAYLOAD_DREG, register)]),
      expression("lookup", [
        text(NFTA_LOOKUP_SET, map),
        number(NFTA_LOOKUP_SREG, register),
        number(NFTA_LOOKUP_DREG, register),
      ]),
      expression("payload", [
        ...place,
        number(NFTA_PAYLOAD_SREG, register),
        number(NFTA_PAYLOAD_CSUM_TYPE, NFT_PAYLOAD_CSUM_INET),
        number(NFTA_PAYLOAD_CSUM_OFFSET, icmpHeaderBytes + 10),
      ]),
    ]),
  ];
};

const expression = (name: string, data: readonly Buffer[]): Buffer =>
  nested(NFTA_LIST_ELEM, [text(NFTA_EXPR_NAME, name), nested(NFTA_EXPR_DATA, data)]);

const text = (type: number, value: string): Buffer => attribute(type, Buffer.from(`${value}\0`));

/** Of ICMP, before what it quotes. */
const icmpHeaderBytes = 8;
/** NLM_F_REQUEST, NLM_F_ACK, NLM_F_CREATE and NLM_F_APPEND. */
const newRule = 0x1 | 0x4 | 0x400 | 0x800;
const NFNL_MSG_BATCH_BEGIN = 16;
const NFNL_MSG_BATCH_END = 17;
const NFT_MSG_NEWRULE = (NFTABLES << 8) | 6;
const NFPROTO_IPV4 = 2;
const NFTA_LIST_ELEM = 1;
const NFTA_RULE_TABLE = 1;
const NFTA_RULE_CHAIN = 2;
const NFTA_RULE_EXPRESSIONS = 4;
const NFTA_EXPR_NAME = 1;
const NFTA_EXPR_DATA = 2;
const NFTA_PAYLOAD_DREG = 1;
const NFTA_PAYLOAD_BASE = 2;
const NFTA_PAYLOAD_OFFSET = 3;
const NFTA_PAYLOAD_LEN = 4;
const NFTA_PAYLOAD_SREG = 5;
const NFTA_PAYLOAD_CSUM_TYPE = 6;
const NFTA_PAYLOAD_CSUM_OFFSET = 7;
const NFT_PAYLOAD_TRANSPORT_HEADER = 2;
const NFT_PAYLOAD_CSUM_INET = 1;
const NFTA_LOOKUP_SET = 1;
const NFTA_LOOKUP_SREG = 2;
const NFTA_LOOKUP_DREG = 3;
/** NFT_REG_1 */
const register = 1;
