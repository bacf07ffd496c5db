import type { NetworkDriver } from "#drivers/network/network-driver.ts";
import type { GuestAddress, GuestLease, GuestNetwork } from "#guest/guest-snapshot.ts";
import { moved, settled, wait, type Outcome } from "#reconcile/outcome.ts";
import type { Transaction } from "#store/store.ts";
import { amazonProvidedDns, configurationOf, type DhcpConfiguration } from "../dhcp-options/dhcp-options.ts";
import type { SignIdentity } from "../instance/identity-signature.ts";
import { instanceMetadata } from "../instance/instance-metadata.ts";
import type { InstanceRoles } from "../instance/instance-roles.ts";
import { isGone } from "../instance/instance.ts";
import { instanceDnsName } from "../instance/private-dns-names.ts";
import { base, isAddress, prefixLength, toAddress } from "../ipv4.ts";
import {
  internalDomain,
  isInUse,
  isPrimary,
  privateDnsName,
  type NetworkInterfaceRecord,
} from "../network-interface/network-interface.ts";
import { unmapped, type PublicAddressRecord } from "../network-interface/public-address.ts";
import { removedInterface } from "../network-interface/removed-interface.ts";
import type { Ec2Records, Scope } from "../records.ts";
import { resolvedPeersOf } from "../vpc-peering/vpc-peering.ts";
import { isCarried, vpcNetwork } from "./vpc-network.ts";
import { givesNames } from "./vpc.ts";

export interface VpcHost {
  readonly hostId: string;
  readonly networks: NetworkDriver;
  /** croft-guest: names, leases and metadata of a network's interfaces. */
  readonly guests: { set(network: GuestNetwork): void; remove(networkId: string): void };
  readonly signIdentity: SignIdentity;
  readonly roles: InstanceRoles;
}

/**
 * Keeps one VPC's network on this host as its records say. Interfaces become ready once their packets can flow, and are
 * released once the kernel has let go of them.
 */
export async function reconcileVpc(
  id: string,
  scope: Scope,
  records: Ec2Records,
  host: VpcHost,
): Promise<Outcome> {
  const here = records.interfacesIn(id).filter((it) => it.hostId === host.hostId && isInUse(it));
  const released = here.filter((it) => !isCarried(it, records));
  const present = here.filter((it) => isCarried(it, records));
  // One transaction holds a hundred entries; the rest follows in the next step.
  const [gone, ready] = [released.slice(0, 10), present.filter((it) => !it.so.ready).slice(0, 20)];
  // As they are before the network is told: what is asked of them meanwhile is not written over.
  const entries = [...gone, ...ready].flatMap((it) => records.entry("network-interface", it.id) ?? []);
  const ofInstances = present.filter(({ attachment }) => attachment !== undefined);
  if (ofInstances.length === 0) host.guests.remove(id);
  await host.networks.apply(id, vpcNetwork(id, host.hostId, records));
  if (ofInstances.length > 0) host.guests.set(guestNetwork(id, ofInstances, scope, records, host));

  if (gone.length + ready.length === 0) {
    const ms = host.roles.renewInMs(ofInstances.flatMap(({ attachment }) => attachment?.instanceId ?? []));
    return ms === undefined ? settled : wait(ms);
  }
  const releases = gone.map((it) => releaseInterface(it, records));
  return moved({
    expect: [
      ...entries.map(({ key, revision }) => ({ at: [key, revision] as const })),
      ...releases.flatMap(({ expect }) => expect),
    ],
    put: [
      ...releases.flatMap(({ put }) => put),
      ...ready.map((it) => ({
        key: records.key("network-interface", it.id),
        value: { ...it, so: { ready: true } },
      })),
    ],
    delete: releases.flatMap((it) => it.delete),
  });
}

/**
 * What is left of an interface that is detached: itself, with its elastic addresses. Of one whose instance is gone: nothing, or
 * itself, with no public address. Of a NAT gateway's: nothing.
 */
export function releaseInterface(nic: NetworkInterfaceRecord, records: Ec2Records): Required<Transaction> {
  if (nic.natGatewayId !== undefined) return removedInterface(nic, records);
  const { attachment, ...it } = nic;
  const gone = isGone(records.get("instance", attachment?.instanceId ?? ""));
  if (gone && attachment?.deleteOnTermination) return removedInterface(nic, records);
  const mapped = records.publicAddressesOf(it.id);
  const taken = unmapped(
    gone ? mapped : mapped.filter(({ allocationId }) => allocationId === undefined),
    records,
  );
  const key = records.key("network-interface", it.id);
  return { ...taken, put: [{ key, value: { ...it, so: { ready: false } } }, ...taken.put] };
}

function guestNetwork(
  id: string,
  interfaces: readonly NetworkInterfaceRecord[],
  scope: Scope,
  records: Ec2Records,
  host: VpcHost,
): GuestNetwork {
  const vpc = records.get("vpc", id);
  const resolver = toAddress(base(vpc?.cidr ?? "0.0.0.0/0") + 2);
  const named = (address: string, mapped: PublicAddressRecord | undefined): GuestAddress => ({
    address,
    hostName: hostOf(privateDnsName(address, scope.region)),
    ...(mapped && { publicAddress: mapped.id }),
  });
  const peers = peerAddresses(id, records);
  return {
    id,
    ...(Object.keys(peers).length > 0 && { peers }),
    domain: internalDomain(scope.region),
    resolver,
    resolves: vpc?.dnsSupport ?? true,
    lease: lease(vpc ? configurationOf(vpc, records, scope) : {}, resolver),
    interfaces: interfaces.flatMap((it) => {
      const subnet = records.get("subnet", it.subnetId);
      if (!subnet) return [];
      return [
        {
          id: it.id,
          mac: it.mac,
          ...named(it.address, records.publicAddressOf(it.id)),
          ...namesOfInstance(it, scope, records),
          ...(it.secondary?.length && {
            secondary: it.secondary.map((address) => named(address, records.publicAddressOf(it.id, address))),
          }),
          prefixLength: prefixLength(subnet.cidr),
          gateway: toAddress(base(subnet.cidr) + 1),
          mtu: 9001,
          metadata: instanceMetadata(it, scope, records, host),
        },
      ];
    }),
  };
}

/** The primary interface has its instance's name, and leads to it by its id where that is wanted. */
function namesOfInstance(
  it: NetworkInterfaceRecord,
  { region }: Scope,
  records: Ec2Records,
): Pick<GuestAddress, "hostName" | "foundBy"> | undefined {
  const instance = isPrimary(it) ? records.get("instance", it.attachment?.instanceId ?? "") : undefined;
  const { hostNames, resourceNameRecords } = instance?.privateDns ?? {};
  if (!instance || !(hostNames || resourceNameRecords)) return undefined;
  const byAddress = hostOf(privateDnsName(it.address, region));
  return {
    hostName: hostOf(instanceDnsName(instance, it.address, region)),
    foundBy: [byAddress, ...(resourceNameRecords ? [instance.id] : [])],
  };
}

const hostOf = (name: string): string => name.split(".")[0] ?? "";

/** What stands behind the public addresses of peers that tell this VPC, and that give names at all. */
const peerAddresses = (id: string, records: Ec2Records): Record<string, string> =>
  Object.fromEntries(
    resolvedPeersOf(id, records)
      .filter((peer) => givesNames(peer) && peer.dnsSupport !== false)
      .flatMap((peer) => records.interfacesIn(peer.id))
      .flatMap((it) =>
        records.publicAddressesOf(it.id).map((mapped) => [mapped.id, mapped.secondary ?? it.address]),
      ),
  );

/** Guests speak IPv4 with their DHCP server. The time service is named as long as no other is. */
function lease(options: DhcpConfiguration, resolver: string): GuestLease {
  const addresses = (key: string) =>
    (options[key] ?? []).map((it) => (it === amazonProvidedDns ? resolver : it)).filter(isAddress);
  const [domain] = options["domain-name"] ?? [];
  const [nodeType] = options["netbios-node-type"] ?? [];
  return {
    ...(domain !== undefined && { domain }),
    nameServers: addresses("domain-name-servers"),
    timeServers: options["ntp-servers"] ? addresses("ntp-servers") : ["169.254.169.123"],
    netbiosNameServers: addresses("netbios-name-servers"),
    ...(nodeType !== undefined && { netbiosNodeType: Number(nodeType) }),
  };
}
