import { networkInterfaceNotFound, notPermitted } from "../errors.ts";
import type { Ec2Records } from "../records.ts";
import type { NetworkInterfaceRecord } from "./network-interface.ts";

/** Throws InvalidNetworkInterfaceID.NotFound. */
export function interfaceOf(
  id: string,
  { records }: { readonly records: Ec2Records },
): NetworkInterfaceRecord {
  const nic = records.get("network-interface", id);
  if (!nic) throw networkInterfaceNotFound([id]);
  return nic;
}

/** One that its user may change. Throws InvalidNetworkInterfaceID.NotFound, and AuthFailure for a NAT gateway's. */
export function ownInterfaceOf(
  id: string,
  context: { readonly records: Ec2Records },
): NetworkInterfaceRecord {
  const nic = interfaceOf(id, context);
  if (!mayChange(id, context.records)) throw notPermitted();
  return nic;
}

export const mayChange = (id: string, records: Ec2Records): boolean =>
  records.get("network-interface", id)?.natGatewayId === undefined;
