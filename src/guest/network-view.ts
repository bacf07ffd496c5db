import type { GuestAddress, GuestInterface, GuestLease, GuestNetwork } from "./guest-snapshot.ts";

/** One network as its services look things up, kept current: each request sees what was told last. */
export interface NetworkView {
  readonly id: string;
  /** Lower case. */
  readonly domain: string;
  readonly resolver: string;
  readonly resolves: boolean;
  readonly lease: GuestLease;
  byMac(mac: string): GuestInterface | undefined;
  /** By any of its addresses. */
  byAddress(address: string): GuestInterface | undefined;
  hostNameOf(address: string): string | undefined;
  /** The private address behind a public one, of this network or of one that lets this one know. */
  behind(publicAddress: string): string | undefined;
  /** `name` is lower case, with the network's domain. */
  addressOf(name: string): string | undefined;
  /** Forgets everything but this. */
  replace(network: GuestNetwork): void;
  update(changed: readonly GuestInterface[], gone: readonly string[]): void;
}

export const networkView = (network: GuestNetwork): NetworkView => {
  let { domain, resolver, resolves = true, lease, peers = {} } = network;
  const byId = new Map<string, { readonly is: GuestInterface; readonly holds: readonly Held[] }>();
  const byMac = new Map<string, GuestInterface>();
  const byAddress = new Map<string, Held>();
  const byPublicAddress = new Map<string, Held>();
  const byName = new Map<string, Held>();
  const namesOf = ({ hostName, foundBy = [hostName] }: GuestAddress) =>
    foundBy.map((name) => `${name}.${domain}`.toLowerCase());

  const remove = (id: string) => {
    const old = byId.get(id);
    if (!old) return;
    byId.delete(id);
    // Another interface may have taken over the address or the name in the meantime: that entry stays.
    if (byMac.get(old.is.mac) === old.is) byMac.delete(old.is.mac);
    for (const held of old.holds) {
      const { address, publicAddress = "" } = held;
      if (byAddress.get(address) === held) byAddress.delete(address);
      if (byPublicAddress.get(publicAddress) === held) byPublicAddress.delete(publicAddress);
      for (const name of namesOf(held)) if (byName.get(name) === held) byName.delete(name);
    }
  };
  const add = (now: GuestInterface) => {
    const holds = [now, ...(now.secondary ?? [])].map(
      ({ address, hostName, foundBy, publicAddress }): Held => ({
        address,
        hostName,
        ...(foundBy && { foundBy }),
        ...(publicAddress !== undefined && { publicAddress }),
        by: now,
      }),
    );
    byId.set(now.id, { is: now, holds });
    byMac.set(now.mac, now);
    for (const held of holds) {
      byAddress.set(held.address, held);
      if (held.publicAddress !== undefined) byPublicAddress.set(held.publicAddress, held);
      for (const name of namesOf(held)) byName.set(name, held);
    }
  };
  const update = (changed: readonly GuestInterface[], gone: readonly string[]) => {
    for (const id of gone) remove(id);
    for (const now of changed) {
      remove(now.id);
      add(now);
    }
  };

  update(network.interfaces, []);
  return {
    id: network.id,
    get domain() {
      return domain.toLowerCase();
    },
    get resolver() {
      return resolver;
    },
    get resolves() {
      return resolves;
    },
    get lease() {
      return lease;
    },
    byMac: (mac) => byMac.get(mac),
    byAddress: (address) => byAddress.get(address)?.by,
    hostNameOf: (address) => byAddress.get(address)?.hostName,
    behind: (publicAddress) => byPublicAddress.get(publicAddress)?.address ?? peers[publicAddress],
    addressOf: (name) => byName.get(name)?.address,
    replace: (now) => {
      update([], [...byId.keys()]);
      ({ domain, resolver, resolves = true, lease, peers = {} } = now);
      update(now.interfaces, []);
    },
    update,
  };
};

interface Held extends GuestAddress {
  readonly by: GuestInterface;
}
