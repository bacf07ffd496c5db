import type { GuestInterface } from "./guest-snapshot.ts";
import type { NetworkView } from "./network-view.ts";

/** Where a DHCP client listens, whatever port it sent from. */
export const dhcpClientPort = 68;
const leaseSeconds = 3600;

/**
 * The DHCP answer (RFC 2131, 2132) to `request`, and the leased address it goes to: the network's route and permanent neighbour
 * deliver it to that one client, and its rules turn it into a broadcast where the flag asks for one. Undefined when there is
 * nothing to say: malformed, relayed, not of this network, meant for another server, DECLINE or RELEASE (addresses are never
 * given away).
 */
export const answerDhcp = (
  request: Buffer,
  network: NetworkView,
): { readonly message: Buffer; readonly to: string } | undefined => {
  const asked = parse(request);
  const client = asked && network.byMac(asked.mac);
  const kind = asked && client && answerKind(asked, client);
  if (!kind) return undefined;
  return { message: compose(kind, asked, client, network), to: client.address };
};

type AnswerKind = "offer" | "ack" | "inform-ack" | "nak";

const answerKind = (asked: DhcpRequest, client: GuestInterface): AnswerKind | undefined => {
  switch (asked.type) {
    case DISCOVER:
      return "offer";
    case INFORM:
      return "inform-ack";
    case REQUEST: {
      if (asked.server !== undefined && asked.server !== client.gateway) return undefined;
      // RFC 2131, 4.3.2: a client that has an address names it in ciaddr, one that wants one in the option.
      const wanted = asked.requested ?? asked.clientAddress;
      return wanted === client.address ? "ack" : "nak";
    }
    default:
      return undefined;
  }
};

interface DhcpRequest {
  readonly bytes: Buffer;
  readonly type: number;
  readonly mac: string;
  /** 0.0.0.0 while the client has none. */
  readonly clientAddress: string;
  readonly requested: string | undefined;
  readonly server: string | undefined;
  readonly clientId: Buffer | undefined;
}

const parse = (bytes: Buffer): DhcpRequest | undefined => {
  if (bytes.length < OPTIONS || bytes[0] !== BOOTREQUEST || bytes[1] !== ETHERNET || bytes[2] !== 6)
    return undefined;
  if (bytes.readUInt32BE(MAGIC) !== MAGIC_COOKIE || bytes.readUInt32BE(GIADDR) !== 0) return undefined;
  const options = parseOptions(bytes.subarray(OPTIONS));
  const type = options?.get(MESSAGE_TYPE);
  if (!options || type?.length !== 1) return undefined;
  return {
    bytes,
    type: type.readUInt8(0),
    mac: [...bytes.subarray(CHADDR, CHADDR + 6)].map((byte) => byte.toString(16).padStart(2, "0")).join(":"),
    clientAddress: bytes.subarray(CIADDR, CIADDR + 4).join("."),
    requested: options.get(REQUESTED_ADDRESS)?.join("."),
    server: options.get(SERVER_ID)?.join("."),
    clientId: options.get(CLIENT_ID),
  };
};

const parseOptions = (bytes: Buffer): Map<number, Buffer> | undefined => {
  const options = new Map<number, Buffer>();
  for (let at = 0; at < bytes.length && bytes[at] !== END;) {
    const code = bytes.readUInt8(at);
    if (code === PAD) {
      at += 1;
      continue;
    }
    const value = at + 2;
    const end = value + (bytes[at + 1] ?? Infinity);
    if (end > bytes.length) return undefined;
    options.set(code, bytes.subarray(value, end));
    at = end;
  }
  return options;
};

const compose = (
  kind: AnswerKind,
  asked: DhcpRequest,
  client: GuestInterface,
  network: NetworkView,
): Buffer => {
  const fixed = Buffer.alloc(OPTIONS);
  asked.bytes.copy(fixed, 0, 0, MAGIC);
  fixed.writeUInt8(BOOTREPLY, 0);
  fixed.fill(0, HOPS, HOPS + 1);
  fixed.fill(0, SECS, SECS + 2);
  fixed.fill(0, YIADDR, CHADDR);
  fixed.fill(0, SNAME, MAGIC);
  if (kind === "offer" || kind === "nak") fixed.fill(0, CIADDR, CIADDR + 4);
  if (kind === "offer" || kind === "ack") fixed.set(ipv4(client.address), YIADDR);
  fixed.writeUInt32BE(MAGIC_COOKIE, MAGIC);
  const options = [
    option(MESSAGE_TYPE, [kind === "offer" ? OFFER : kind === "nak" ? NAK : ACK]),
    option(SERVER_ID, ipv4(client.gateway)),
    // RFC 6842: whoever names itself is answered by that name.
    ...(asked.clientId ? [option(CLIENT_ID, asked.clientId)] : []),
    ...(kind === "offer" || kind === "ack" ? [option(LEASE_TIME, uint32(leaseSeconds))] : []),
    ...(kind === "nak" ? [] : configuration(client, network)),
    Buffer.from([END]),
  ];
  const message = Buffer.concat([fixed, ...options]);
  // RFC 951 clients refuse less than a whole BOOTP message.
  return Buffer.concat([message], Math.max(message.length, 300));
};

const configuration = (client: GuestInterface, { lease }: NetworkView): Buffer[] => {
  const mask = (0xffff_ffff << (32 - client.prefixLength)) >>> 0;
  const broadcast = (Buffer.from(ipv4(client.address)).readUInt32BE() | ~mask) >>> 0;
  return [
    option(SUBNET_MASK, uint32(mask)),
    option(BROADCAST_ADDRESS, uint32(broadcast)),
    option(ROUTER, ipv4(client.gateway)),
    ...addresses(DNS_SERVER, lease.nameServers),
    option(HOST_NAME, Buffer.from(client.hostName)),
    ...(lease.domain === undefined ? [] : [option(DOMAIN_NAME, Buffer.from(lease.domain))]),
    option(MTU, [client.mtu >> 8, client.mtu & 0xff]),
    ...addresses(NTP_SERVER, lease.timeServers),
    ...addresses(NETBIOS_NAME_SERVER, lease.netbiosNameServers),
    ...(lease.netbiosNodeType === undefined ? [] : [option(NETBIOS_NODE_TYPE, [lease.netbiosNodeType])]),
  ];
};

const addresses = (code: number, list: readonly string[]): Buffer[] =>
  list.length === 0 ? [] : [option(code, list.flatMap(ipv4))];

const option = (code: number, value: Uint8Array | number[]) => Buffer.from([code, value.length, ...value]);
const ipv4 = (address: string) => address.split(".").map(Number);
const uint32 = (value: number) => [value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff];

const BOOTREQUEST = 1;
const BOOTREPLY = 2;
const ETHERNET = 1;

/** Offsets in the message. */
const HOPS = 3;
const SECS = 8;
const CIADDR = 12;
const YIADDR = 16;
const GIADDR = 24;
const CHADDR = 28;
const SNAME = 44;
const MAGIC = 236;
const OPTIONS = 240;
const MAGIC_COOKIE = 0x6382_5363;

const DISCOVER = 1;
const OFFER = 2;
const REQUEST = 3;
const ACK = 5;
const NAK = 6;
const INFORM = 8;

const PAD = 0;
const SUBNET_MASK = 1;
const ROUTER = 3;
const DNS_SERVER = 6;
const HOST_NAME = 12;
const DOMAIN_NAME = 15;
const MTU = 26;
const BROADCAST_ADDRESS = 28;
const NTP_SERVER = 42;
const NETBIOS_NAME_SERVER = 44;
const NETBIOS_NODE_TYPE = 46;
const REQUESTED_ADDRESS = 50;
const LEASE_TIME = 51;
const MESSAGE_TYPE = 53;
const SERVER_ID = 54;
const CLIENT_ID = 61;
const END = 255;
