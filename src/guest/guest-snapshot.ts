import { apiAddress } from "./aws-names.ts";

/**
 * What croft-guest is fed by croft-host over a Unix socket, one JSON line each, and nothing else: it keeps what it was last
 * told and goes on serving when the host program is away. When it connects it says once what it still serves (`GuestHello`);
 * the host then tells every network whole, with sockets (file descriptors by SCM_RIGHTS, in the order of `guestSockets`,
 * arriving no later than the end of their line) only where the guest holds none of the network's present namespace.
 */
export type GuestMessage =
  /** The first of every conversation. */
  | ({ readonly type: "settings" } & GuestSettings)
  /** All there is to know of a network. `enclosed`: fresh sockets come with it, in place of any held before. */
  | {
      readonly type: "network";
      readonly network: GuestNetwork;
      readonly namespace: string;
      readonly sockets: "enclosed" | "held";
    }
  /** What changed in a network told before. */
  | {
      readonly type: "interfaces";
      readonly network: string;
      readonly changed: readonly GuestInterface[];
      readonly gone: readonly string[];
    }
  /** Its sockets are closed. A network never mentioned after a reconnect is served on as it was. */
  | { readonly type: "network-gone"; readonly network: string };

/** What is not of one network. */
export interface GuestSettings {
  /** Base64 of 32 bytes: what session tokens are sealed with, the same at every start. */
  readonly tokenKey: string;
  /** Who answers names that are not of a network. */
  readonly resolvers: readonly Resolver[];
}

export interface Resolver {
  readonly address: string;
  readonly port: number;
}

/** The guest's first and only line: for each network it serves, the `namespace` its sockets came with. */
export interface GuestHello {
  readonly holds: Readonly<Record<string, string>>;
}

export interface GuestNetwork {
  readonly id: string;
  /** DNS suffix of the interfaces' names. */
  readonly domain: string;
  /** The resolver's address inside the network (the range's base plus two). */
  readonly resolver: string;
  /** Whether the resolver answers; absent: it does. */
  readonly resolves?: boolean;
  readonly lease: GuestLease;
  readonly interfaces: readonly GuestInterface[];
  /** Private addresses of other networks behind public ones: those networks' public names lead to them. Absent: none. */
  readonly peers?: Readonly<Record<string, string>>;
}

/** What the network's DHCP leases say beside addresses (RFC 2132). IPv4 addresses; none: the option is left out. */
export interface GuestLease {
  /** Absent: none. */
  readonly domain?: string;
  readonly nameServers: readonly string[];
  readonly timeServers: readonly string[];
  readonly netbiosNameServers: readonly string[];
  readonly netbiosNodeType?: number;
}

/** An address, and what it is called. */
export interface GuestAddress {
  readonly address: string;
  /** What DHCP calls it and its address leads back to, without the network's domain: `ip-10-0-1-5`. */
  readonly hostName: string;
  /** The host names that lead to it; absent: that one. */
  readonly foundBy?: readonly string[];
  /** What leads to it from outside; absent: nothing. */
  readonly publicAddress?: string;
}

export interface GuestInterface extends GuestAddress {
  readonly id: string;
  /** Lower case, with colons. */
  readonly mac: string;
  /** Further ones, which DHCP does not tell of. */
  readonly secondary?: readonly GuestAddress[];
  readonly prefixLength: number;
  readonly gateway: string;
  readonly mtu: number;
  readonly metadata: GuestMetadata;
}

/** What IMDS answers to this interface. */
export interface GuestMetadata {
  readonly enabled: boolean;
  /** "required": only version 2, with a session token. */
  readonly tokens: "optional" | "required";
  /** IP TTL of answers that carry a token. */
  readonly hopLimit: number;
  /**
   * Leaves below `/latest/meta-data/`, e.g. `placement/region`. Listings are derived from these, nothing else. A key pair is
   * the one leaf `public-keys/0=NAME/openssh-key`: listed as `0=NAME`, asked for as `public-keys/0/openssh-key`.
   */
  readonly tree: Readonly<Record<string, string>>;
  /** Leaves of the tree that read so for who asks with a session token, by version 2. Absent: none. */
  readonly treeByToken?: Readonly<Record<string, string>>;
  /** Leaves below `/latest/dynamic/`. */
  readonly dynamic: Readonly<Record<string, string>>;
  /** Base64. */
  readonly userData?: string;
}

/** The sockets of one network, made by croft-host inside its namespace, in the order in which they are passed. */
export const guestSockets = [
  { name: "dhcp", type: "udp", address: "0.0.0.0", port: 67 },
  { name: "dns", type: "udp", address: "169.254.169.253", port: 53 },
  { name: "dns-tcp", type: "tcp", address: "169.254.169.253", port: 53 },
  { name: "dns-vpc", type: "udp", address: "resolver", port: 53 },
  { name: "dns-vpc-tcp", type: "tcp", address: "resolver", port: 53 },
  { name: "imds", type: "tcp", address: "169.254.169.254", port: 80 },
  { name: "api", type: "tcp", address: apiAddress, port: 443 },
  { name: "api-ca", type: "tcp", address: apiAddress, port: 80 },
  { name: "ntp", type: "udp", address: "169.254.169.123", port: 123 },
] as const;
