/**
 * Networks of this host. A network's whole desired state is a keyed set of elements; `apply` compares it with what it last
 * applied and changes only the difference, rules before links come up and after they are gone. Elements that did not change
 * keep their identity, so comparing is cheap.
 */
export interface NetworkDriver {
  /** An empty set removes the network. Atomic: when it throws, the next `apply` starts from what is really there. */
  apply(networkId: string, desired: ReadonlyMap<string, NetworkElement>): Promise<void>;
  /** Networks present here, each with the ids of its interfaces. */
  observe(): Promise<ReadonlyMap<string, readonly string[]>>;
  /** Where a machine plugs in. */
  port(networkId: string, interfaceId: string): { readonly namespace: string; readonly device: string };
  /**
   * Packets that NAT gateways dropped because they had no port left for a new connection to their destination, by the gateways'
   * interfaces; since a gateway last changed.
   */
  portErrors(): Promise<ReadonlyMap<string, number>>;
  /** Called when someone else changed a network's rules or links: apply it again. The driver then reads the kernel back. */
  onForeignChange(listener: (networkId: string) => void): void;
}

export type NetworkElement =
  | NetworkRange
  | SubnetElement
  | TableElement
  | RouteElement
  | FilterElement
  | InterfaceElement
  | GatewayElement
  | PeeringElement
  | GroupElement
  | MemberElement;

/** `range/CIDR`: an address range of the network. Its unused addresses answer nothing. */
export interface NetworkRange {
  readonly kind: "range";
  readonly cidr: string;
}

/** `subnet/ID`: the router answers at the subnet's first address. */
export interface SubnetElement {
  readonly kind: "subnet";
  readonly id: string;
  readonly cidr: string;
  /** By which what its interfaces send is routed; absent: to the network's own interfaces only. */
  readonly table?: string;
  /** What passes the subnet's edge; absent: everything. */
  readonly filter?: string;
}

/** `table/ID`: a routing table. What none of its routes is for goes nowhere. */
export interface TableElement {
  readonly kind: "table";
  readonly id: string;
}

/** `route/TABLE/CIDR`: one way of a table; the longest prefix wins. */
export interface RouteElement {
  readonly kind: "route";
  readonly table: string;
  readonly to: string;
  readonly via: RouteTarget;
}

export type RouteTarget =
  /** To whichever interface has the address. */
  | "network"
  /** To where public addresses are: the host, other networks, and beyond. */
  | "outside"
  | "nowhere"
  /** To the network at the other end of a peering, and there to whichever interface has the address. */
  | { readonly peering: string }
  /** To an interface of this host, whoever the packet is for; unless that interface forwards for others, it is dropped there. */
  | { readonly interface: string; readonly address: string };

/**
 * `peering/ID`: a link to another network of this host, which passes packets once both networks have it. Only what comes from the
 * other network's ranges passes, only to this network's own interfaces.
 */
export interface PeeringElement {
  readonly kind: "peering";
  readonly id: string;
  /** The other network. */
  readonly network: string;
  /** The other network's. */
  readonly ranges: readonly string[];
}

/** `gateway`: the table by which what comes from outside is routed; absent: to whichever interface has the address. */
export interface GatewayElement {
  readonly kind: "gateway";
  readonly table: string;
}

/** `filter/ID`: what passes the edge of a subnet. Stateless, in order, the first that fits decides; none: nothing passes. */
export interface FilterElement {
  readonly kind: "filter";
  readonly id: string;
  readonly ingress: readonly FilterRule[];
  readonly egress: readonly FilterRule[];
}

export interface FilterRule extends Omit<TrafficRule, "peer"> {
  readonly peer: { readonly cidr: string };
  readonly passes: boolean;
}

/** An address, and the public one it is mapped to one to one at the way out; absent: no way out. */
export interface InterfaceAddress {
  readonly address: string;
  readonly publicAddress?: string;
  /**
   * What comes to its public address goes by way of an interface that forwards it, as what it sends must: the kernel follows the
   * way outside and the way inside apart.
   */
  readonly inspected?: true;
  /** Of a NAT gateway: connections go on by it, but none begins. Not its primary one. */
  readonly draining?: true;
}

/** For how many seconds a connection is known while nothing passes; absent: as AWS does by itself. Those under way keep theirs. */
export interface IdleTimeouts {
  readonly tcpEstablished?: number;
  /** Of datagrams that went both ways more than once. */
  readonly udpStream?: number;
  readonly udp?: number;
}

/**
 * `interface/ID`: a tap device here, or a NAT gateway. Traffic passes when any group of each end allows it; none: nothing passes.
 */
export interface InterfaceElement extends InterfaceAddress {
  readonly kind: "interface";
  readonly id: string;
  readonly subnet: string;
  readonly mac: string;
  readonly secondary?: readonly InterfaceAddress[];
  readonly groups: readonly string[];
  /** Drop what does not come from, or go to, one of its addresses. */
  readonly sourceCheck: boolean;
  /** Of connections between two interfaces those of the one called, if it has any. */
  readonly idle?: IdleTimeouts;
  /**
   * Its far end is a NAT gateway of this host: what is for others it sends on as one of its own addresses, and lets back in what
   * answers that. It has no groups, and none are asked about it.
   */
  readonly nat?: true;
}

/**
 * `group/ID`: what its members may receive and send. Stateful: answers always pass. A change counts for what begins after it, and for
 * what is under way that AWS does not track (`untracked.ts`).
 */
export interface GroupElement {
  readonly kind: "group";
  readonly id: string;
  readonly ingress: readonly TrafficRule[];
  readonly egress: readonly TrafficRule[];
}

/** `member/GROUP/ADDRESS`: an address, on any host, that rules naming the group mean. */
export interface MemberElement {
  readonly kind: "member";
  readonly group: string;
  readonly address: string;
}

export interface TrafficRule {
  /** An IANA protocol number, or "any". */
  readonly protocol: number | "any";
  /** TCP and UDP: inclusive. ICMP: type and code, -1 for all. Absent: all. */
  readonly ports?: { readonly from: number; readonly to: number };
  /** `peering`: the group is of the network at its other end. */
  readonly peer: { readonly cidr: string } | { readonly group: string; readonly peering?: string };
}

/** All addresses of an interface, the primary one first. */
export const addressesOf = (it: InterfaceElement): readonly InterfaceAddress[] => [
  it,
  ...(it.secondary ?? []),
];
