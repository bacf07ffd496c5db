import { AF_INET, AF_UNSPEC, attributesIn, headerBytes } from "../../linux/netlink.ts";

/**
 * Messages of rtnetlink(7) about links, and about IPv4's addresses, routes and routing rules, in the words of `ip -json`. Others are
 * left out.
 */
export type RouteMessage = { readonly gone: boolean } & (
  | { readonly of: "link" | "address"; readonly row: LinkRow }
  | { readonly of: "route"; readonly row: RouteRow }
  | { readonly of: "rule"; readonly row: RuleRow }
);

export interface LinkRow {
  readonly ifname: string;
  readonly ifalias?: string;
  readonly address: string;
  readonly mtu: number;
  readonly flags: readonly string[];
  readonly addr_info?: readonly {
    readonly family: string;
    readonly local: string;
    readonly prefixlen: number;
  }[];
}

export interface RouteRow {
  readonly type?: string;
  readonly dst: string;
  readonly gateway?: string;
  readonly dev?: string;
  readonly prefsrc?: string;
  readonly protocol?: string;
  /** Absent: the main one. */
  readonly table?: string;
  readonly metric?: number;
  readonly flags?: readonly string[];
}

export interface RuleRow {
  readonly priority: number;
  readonly iif?: string;
  readonly fwmark?: string;
  readonly table?: string;
  readonly action?: string;
}

/** Undefined: `data` is cut off. `nameOf`: of the link with an index; undefined: it is gone, and so is what was said of it. */
export const routeMessages = (
  data: Buffer,
  nameOf: (index: number) => string | undefined,
): RouteMessage[] | undefined => {
  const messages: RouteMessage[] = [];
  for (let at = 0; at < data.length;) {
    const length = data.length - at < headerBytes ? 0 : data.readUInt32LE(at);
    if (length < headerBytes || at + length > data.length) return undefined;
    const message = routeMessage(
      data.readUInt16LE(at + 4),
      data.subarray(at + headerBytes, at + length),
      nameOf,
    );
    if (message) messages.push(message);
    at += (length + 3) & ~3;
  }
  return messages;
};

/** Of each kind the second number says that it is gone. */
const routeMessage = (
  type: number,
  body: Buffer,
  nameOf: (index: number) => string | undefined,
): RouteMessage | undefined => {
  const gone = type % 2 === 1;
  switch (type - Number(gone)) {
    case RTM_NEWLINK:
      return body[0] === AF_UNSPEC ? { gone, of: "link", row: linkRow(body) } : undefined;
    case RTM_NEWADDR: {
      const ifname = nameOf(body.readUInt32LE(4));
      return body[0] === AF_INET && ifname !== undefined
        ? { gone, of: "address", row: addressRow(body, ifname) }
        : undefined;
    }
    case RTM_NEWROUTE: {
      if (body[0] !== AF_INET) return undefined;
      const link = attributesIn(body, 12).get(RTA_OIF)?.readUInt32LE();
      const dev = link === undefined ? undefined : nameOf(link);
      return link !== undefined && dev === undefined
        ? undefined
        : { gone, of: "route", row: { ...routeRow(body), ...(dev !== undefined && { dev }) } };
    }
    case RTM_NEWRULE:
      return body[0] === AF_INET ? { gone, of: "rule", row: ruleRow(body) } : undefined;
    default:
      return undefined;
  }
};

/** After `struct ifinfomsg`. */
const linkRow = (body: Buffer): LinkRow => {
  const given = attributesIn(body, 16);
  const alias = given.get(IFLA_IFALIAS);
  return {
    ifname: text(given.get(IFLA_IFNAME)),
    ...(alias && { ifalias: text(alias) }),
    address: [...(given.get(IFLA_ADDRESS) ?? [])].map((byte) => byte.toString(16).padStart(2, "0")).join(":"),
    mtu: given.get(IFLA_MTU)?.readUInt32LE() ?? 0,
    flags: body.readUInt32LE(8) & IFF_UP ? ["UP"] : [],
  };
};

/** After `struct ifaddrmsg`. */
const addressRow = (body: Buffer, ifname: string): LinkRow => {
  const local = address(attributesIn(body, 8).get(IFA_LOCAL)) ?? "";
  return {
    ifname,
    address: "",
    mtu: 0,
    flags: [],
    addr_info: [{ family: "inet", local, prefixlen: body.readUInt8(1) }],
  };
};

/** After `struct rtmsg`. */
const routeRow = (body: Buffer): RouteRow => {
  const given = attributesIn(body, 12);
  const [bits, number, protocol, type] = [1, 4, 5, 7].map((at) => body.readUInt8(at));
  const to = address(given.get(RTA_DST));
  const [gateway, prefsrc] = [given.get(RTA_GATEWAY), given.get(RTA_PREFSRC)].map(address);
  const table = given.get(RTA_TABLE)?.readUInt32LE() ?? number ?? 0;
  const [metric, kind] = [given.get(RTA_PRIORITY)?.readUInt32LE(), routeTypes.get(type ?? 0)];
  return {
    dst: to === undefined ? "default" : bits === 32 ? to : `${to}/${bits}`,
    ...(kind !== undefined && { type: kind }),
    ...(gateway !== undefined && { gateway }),
    ...(prefsrc !== undefined && { prefsrc }),
    ...(protocol === RTPROT_KERNEL && { protocol: "kernel" }),
    ...(table !== RT_TABLE_MAIN && { table: tableName(table) }),
    ...(metric !== undefined && { metric }),
    flags: body.readUInt32LE(8) & RTNH_F_ONLINK ? ["onlink"] : [],
  };
};

/** After `struct fib_rule_hdr`. */
const ruleRow = (body: Buffer): RuleRow => {
  const given = attributesIn(body, 12);
  const [number, action] = [body.readUInt8(4), body.readUInt8(7)];
  // Mark 0 is told by its mask alone.
  const mark = given.has(FRA_FWMASK) ? (given.get(FRA_FWMARK)?.readUInt32LE() ?? 0) : undefined;
  const iif = given.get(FRA_IIFNAME);
  const kind = routeTypes.get(action);
  return {
    priority: given.get(FRA_PRIORITY)?.readUInt32LE() ?? 0,
    ...(iif && { iif: text(iif) }),
    ...(mark !== undefined && { fwmark: mark === 0 ? "0" : `0x${mark.toString(16)}` }),
    ...(action === FR_ACT_TO_TBL
      ? { table: tableName(given.get(FRA_TABLE)?.readUInt32LE() ?? number) }
      : kind !== undefined && { action: kind }),
  };
};

const text = (bytes: Buffer | undefined): string => bytes?.toString().replace(/\0.*$/s, "") ?? "";
const address = (bytes: Buffer | undefined): string | undefined => bytes && [...bytes].join(".");
const tableName = (number: number): string => tableNames.get(number) ?? String(number);

const RTM_NEWLINK = 16;
const RTM_NEWADDR = 20;
const RTM_NEWROUTE = 24;
const RTM_NEWRULE = 32;
const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_IFALIAS = 20;
const IFF_UP = 1;
const IFA_LOCAL = 2;
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PRIORITY = 6;
const RTA_PREFSRC = 7;
const RTA_TABLE = 15;
const RTPROT_KERNEL = 2;
const RTNH_F_ONLINK = 4;
const FRA_IIFNAME = 3;
const FRA_PRIORITY = 6;
const FRA_FWMARK = 10;
const FRA_TABLE = 15;
const FRA_FWMASK = 16;
const FR_ACT_TO_TBL = 1;
const RT_TABLE_MAIN = 254;
const tableNames = new Map([
  [253, "default"],
  [RT_TABLE_MAIN, "main"],
  [255, "local"],
]);
/** Of routes, and, by the same numbers, of what rules do. `ip` has no word for a usual one. */
const routeTypes = new Map([
  [2, "local"],
  [3, "broadcast"],
  [6, "blackhole"],
  [7, "unreachable"],
  [8, "prohibit"],
  [9, "throw"],
]);
