import { createHash } from "node:crypto";

/** Links have 15 bytes for a name: the id goes into the link's alias, a digest of it into its name. */
const linkName = (kind: string, id: string): string =>
  kind + createHash("sha256").update(id).digest("hex").slice(0, 12);

/** An interface's link in its network's namespace. Rules mean all of them by `eni*`. */
export const interfaceLink = (interfaceId: string): string => linkName("eni", interfaceId);
/** What several groups together are called. */
export const groupsName = (groupIds: readonly string[]): string => linkName("all", groupIds.join());
/** When an interface's link is a veth: what its other end is called. */
export const otherEnd = (link: string): string => link.replace("eni", "far");
/**
 * A routing table's number in its network's namespace, which packets that are to be routed by it are marked with. Past the numbers
 * that mean something else: 0 is "not admitted", 1 and 2 are below, 253 to 255 the kernel's own.
 */
export const tableNumber = (tableId: string): number =>
  256 + (createHash("sha256").update(tableId).digest().readUInt32BE() % 0x7fff_0000);
/** The mark of what is routed to the network's own interfaces only. */
export const insideOnly = 1;
/** The mark of what the main table, as far as it knows a way, is asked about first, and in networks of what is for an interface's address. */
export const straight = 2;

/**
 * The priority of a prerouting chain that sees fragments as they came. After it connection tracking puts them together: what arrives last
 * then says which link all of it is from.
 */
export const beforeReassembly = -450;

/** A peering's link, in each of its two networks; parked in the edge while one of them is not there. Rules mean all of them by `pcx*`. */
export const peeringLink = (peeringId: string): string => linkName("pcx", peeringId);
/** What either network takes for its neighbour on a peering's link. */
export const peeringEnd = { address: "169.254.4.1", mac: "02:00:00:00:00:08" } as const;

/** A network's link in the edge namespace; its other end is `igw` in the network's own. */
export const networkLink = (networkId: string): string => linkName("net", networkId);
/** A network's link to the edge, in the network's namespace. */
export const uplink = "igw";
/** The edge's link to the host, in the edge's namespace. */
export const hostLink = "host";
/** The edge's link to everywhere else: a tap, whose far end is pasta. */
export const outboundLink = "world";

export const namespaceOf = (prefix: string, networkId: string): string => `${prefix}-${networkId}`;
/** Of the NAT gateway behind an interface; no id has a dot. */
export const natNamespace = (networkNamespace: string, interfaceId: string): string =>
  `${networkNamespace}.${interfaceId}`;
/** A NAT gateway's link to its network, in its own namespace. */
export const natLink = "nat";
export const edgeNamespace = (prefix: string): string => namespaceOf(prefix, "edge");

/** What guests take for their neighbour, on every link. */
export const routerMac = "02:00:00:00:00:01";
/** The two ends of every link between a network and the edge. Neighbours are permanent: nothing on it asks by ARP. */
export const uplinkEnds = {
  edge: { address: "169.254.1.1", mac: "02:00:00:00:00:02" },
  network: { address: "169.254.1.2", mac: "02:00:00:00:00:03" },
} as const;

/** The two ends of the link to everywhere else. */
export const outboundEnds = {
  pasta: { address: "169.254.2.1", mac: "02:00:00:00:00:06" },
  edge: { address: "169.254.2.2", mac: "02:00:00:00:00:07" },
} as const;

export const guestMtu = 9001;
/** Packets that may wait for pasta, which recovers badly from lost ones: with the usual 1,000 an upload comes to a crawl. */
export const outboundQueue = 10_000;
/** pasta's largest: a datagram longer than `uplinkMtu` leaves in one piece. */
export const outboundMtu = 65_520;
/** What a NAT gateway takes for its network's router. */
export const natGateway = { address: "169.254.3.1", mac: routerMac } as const;

/** What AWS carries to and from the internet. */
export const uplinkMtu = 1500;

/** Where guests find the services of their network; DNS answers at the resolver of each range as well. */
export const serviceAddresses = {
  metadata: "169.254.169.254",
  resolver: "169.254.169.253",
  time: "169.254.169.123",
  api: "169.254.169.240",
} as const;
