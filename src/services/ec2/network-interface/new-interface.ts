import type { Expectation, Transaction } from "#store/store.ts";
import type { Ec2Context } from "../context.ts";
import { invalidParameter } from "../errors.ts";
import type { Ec2Records } from "../records.ts";
import { groupMember } from "../security-group/group-member.ts";
import type { SubnetRecord } from "../subnet/subnet.ts";
import { addressesOf, type NetworkInterfaceRecord } from "./network-interface.ts";
import { prefixWrites } from "./address-prefix.ts";
import { prefixAround, prefixClaim, subnetAddressClaim } from "./private-address.ts";

/** One of the subnet, attached to nothing unless `more` says so. */
export const newInterface = (
  { id: subnetId, vpcId, zone }: SubnetRecord,
  more: Pick<NetworkInterfaceRecord, "address" | "description" | "groupIds" | "tags"> &
    Partial<NetworkInterfaceRecord>,
  { newId, random, now }: Ec2Context,
): NetworkInterfaceRecord => ({
  id: newId("eni"),
  vpcId,
  subnetId,
  zone,
  mac: newMac(random),
  sourceDestCheck: true,
  publicAddressOnStart: false,
  createdAt: now().toISOString(),
  so: { ready: false },
  ...more,
});

/** Absent: none. */
export function checkedDescription(text = ""): string {
  if (text.length > 255)
    throw invalidParameter("Value for parameter description is invalid. At most 255 characters are allowed.");
  return text;
}

/** What makes the record an interface: its addresses are its own, and its groups count it. The subnet and groups must stand beside. */
export function interfaceWrites(
  nic: NetworkInterfaceRecord,
  records: Ec2Records,
): Required<Pick<Transaction, "expect" | "put">> {
  const claims = addressClaims(nic, addressesOf(nic), records);
  const prefixes = prefixWrites(nic, nic.prefixes ?? [], records);
  return {
    expect: [...expectFree(nic, addressesOf(nic), records), ...prefixes.expect],
    put: [
      { key: records.key("network-interface", nic.id), value: nic },
      ...claims.map((key) => ({ key, value: nic.id })),
      ...prefixes.put,
      ...nic.groupIds.map((id) => ({ key: groupMember(id, nic, records), value: null })),
    ],
  };
}

/** Nobody has the addresses, nor a prefix around one of them. */
export const expectFree = (
  nic: NetworkInterfaceRecord,
  addresses: readonly string[],
  records: Ec2Records,
): Expectation[] =>
  [
    ...addressClaims(nic, addresses, records),
    ...[...new Set(addresses.map(prefixAround))].map((it) =>
      records.key("claim", prefixClaim(nic.subnetId, it)),
    ),
  ].map((absent) => ({ absent }));

export const addressClaims = (
  { subnetId }: NetworkInterfaceRecord,
  addresses: readonly string[],
  records: Ec2Records,
): string[] => addresses.map((address) => records.key("claim", subnetAddressClaim(subnetId, address)));

/** Locally administered, like EC2's. The second byte is never 0, which is the routers' own. */
function newMac(random: (below: number) => number): string {
  const bytes = [2, 1 + random(255), random(256), random(256), random(256), random(256)];
  return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}
