import type { Transaction } from "#store/store.ts";
import { clientTokenClaim } from "../client-token.ts";
import type { Ec2Records } from "../records.ts";
import { groupMember } from "../security-group/group-member.ts";
import { addressClaims } from "./new-interface.ts";
import { addressesOf, type NetworkInterfaceRecord } from "./network-interface.ts";
import { prefixClaim } from "./private-address.ts";
import { unmapped } from "./public-address.ts";

/** Takes an interface away with all that is its own; elastic addresses stay the account's. */
export function removedInterface(nic: NetworkInterfaceRecord, records: Ec2Records): Required<Transaction> {
  const addresses = unmapped(records.publicAddressesOf(nic.id), records);
  const { clientToken } = nic;
  return {
    expect: addresses.expect,
    put: addresses.put,
    delete: [
      records.key("network-interface", nic.id),
      ...addressClaims(nic, addressesOf(nic), records),
      ...(nic.prefixes ?? []).map((it) => records.key("claim", prefixClaim(nic.subnetId, it))),
      ...nic.groupIds.map((group) => groupMember(group, nic, records)),
      ...addresses.delete,
      ...(clientToken === undefined
        ? []
        : [records.key("claim", clientTokenClaim("CreateNetworkInterface", clientToken))]),
    ],
  };
}
