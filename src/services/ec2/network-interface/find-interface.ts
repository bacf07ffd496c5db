import { networkInterfaceNotFound } from "../errors.ts";
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
