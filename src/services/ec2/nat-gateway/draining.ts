import type { Transaction } from "#store/store.ts";
import { addressClaims } from "../network-interface/new-interface.ts";
import type { NetworkInterfaceRecord } from "../network-interface/network-interface.ts";
import { unmapped } from "../network-interface/public-address.ts";
import type { Ec2Records } from "../records.ts";
import { together } from "../together.ts";
import type { NatGatewayRecord } from "./nat-gateway.ts";

/** Seconds, when none are asked for, and at most. */
export const drainSeconds = { usual: 350, least: 1, most: 4000 } as const;

/** Takes from a gateway the addresses that it drains, with whatever connections they still have. */
export function drained(
  { draining, ...gateway }: NatGatewayRecord,
  nic: NetworkInterfaceRecord,
  records: Ec2Records,
): Transaction {
  const gone = draining?.addresses ?? [];
  const mapped = gone.flatMap((it) => records.publicAddressOf(nic.id, it) ?? []);
  const secondary = nic.secondary?.filter((it) => !gone.includes(it)) ?? [];
  return together(
    records.rewrite("nat-gateway", gateway),
    records.rewrite("network-interface", { ...nic, secondary }),
    unmapped(mapped, records),
    { delete: addressClaims(nic, gone, records) },
  );
}
