import type { GuestInterface, GuestNetwork } from "./guest-snapshot.ts";

/** One network as its services look things up, kept current: each request sees what was told last. */
export interface NetworkView {
  readonly id: string;
  /** Lower case. */
  readonly domain: string;
  readonly resolver: string;
  byMac(mac: string): GuestInterface | undefined;
  byAddress(address: string): GuestInterface | undefined;
  byPublicAddress(address: string): GuestInterface | undefined;
  /** `name` is lower case, with the network's domain. */
  byName(name: string): GuestInterface | undefined;
  /** Forgets everything but this. */
  replace(network: GuestNetwork): void;
  update(changed: readonly GuestInterface[], gone: readonly string[]): void;
}

export const networkView = (network: GuestNetwork): NetworkView => {
  let { domain, resolver } = network;
  const byId = new Map<string, GuestInterface>();
  const byMac = new Map<string, GuestInterface>();
  const byAddress = new Map<string, GuestInterface>();
  const byPublicAddress = new Map<string, GuestInterface>();
  const byName = new Map<string, GuestInterface>();
  const nameOf = ({ hostName }: GuestInterface) => `${hostName}.${domain}`.toLowerCase();

  const remove = (id: string) => {
    const old = byId.get(id);
    if (!old) return;
    byId.delete(id);
    // Another interface may have taken over the address or the name in the meantime: that entry stays.
    if (byMac.get(old.mac) === old) byMac.delete(old.mac);
    if (byAddress.get(old.address) === old) byAddress.delete(old.address);
    const publicAddress = publicAddressOf(old);
    if (byPublicAddress.get(publicAddress) === old) byPublicAddress.delete(publicAddress);
    if (byName.get(nameOf(old)) === old) byName.delete(nameOf(old));
  };
  const update = (changed: readonly GuestInterface[], gone: readonly string[]) => {
    for (const id of gone) remove(id);
    for (const now of changed) {
      remove(now.id);
      byId.set(now.id, now);
      byMac.set(now.mac, now);
      byAddress.set(now.address, now);
      if (publicAddressOf(now) !== "") byPublicAddress.set(publicAddressOf(now), now);
      byName.set(nameOf(now), now);
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
    byMac: (mac) => byMac.get(mac),
    byAddress: (address) => byAddress.get(address),
    byPublicAddress: (address) => byPublicAddress.get(address),
    byName: (name) => byName.get(name),
    replace: (now) => {
      update([], [...byId.keys()]);
      ({ domain, resolver } = now);
      update(now.interfaces, []);
    },
    update,
  };
};

const publicAddressOf = ({ metadata }: GuestInterface): string => metadata.tree["public-ipv4"] ?? "";
