import type { HostnameType, PrivateDnsNameOptionsResponse } from "@aws-sdk/client-ec2";
import { unsupportedParameter } from "../errors.ts";
import {
  internalDomain,
  isPrimary,
  privateDnsName,
  type NetworkInterfaceRecord,
} from "../network-interface/network-interface.ts";
import type { InstanceRecord } from "./instance.ts";
import { oneOf } from "./launch-parameters.ts";

/** What an instance is called in its VPC. A subnet says it for instances that are launched there. */
export interface PrivateDnsNames {
  /** Absent: by its primary address, "ip-10-0-1-5". */
  readonly hostNames?: "resource-name";
  /** Whether its id as a host name leads to its primary address; absent: no. */
  readonly resourceNameRecords?: boolean;
}

interface GivenNames {
  readonly HostnameType?: HostnameType | undefined;
  readonly EnableResourceNameDnsARecord?: boolean | undefined;
  readonly EnableResourceNameDnsAAAARecord?: boolean | undefined;
}

/** What a request says of the names, over what they were. */
export function privateDnsNames(
  {
    HostnameType: type,
    EnableResourceNameDnsARecord: a,
    EnableResourceNameDnsAAAARecord: aaaa,
  }: GivenNames = {},
  before: PrivateDnsNames = {},
): PrivateDnsNames {
  if (aaaa) throw unsupportedParameter("EnableResourceNameDnsAAAARecord");
  const hostnameType = type && oneOf(["ip-name", "resource-name"], type, "HostnameType");
  const byResource = hostnameType === undefined ? before.hostNames : hostnameType === "resource-name";
  return {
    ...(byResource && { hostNames: "resource-name" }),
    ...((a ?? before.resourceNameRecords) && { resourceNameRecords: true }),
  };
}

export const describePrivateDnsNames = ({ hostNames, resourceNameRecords = false }: PrivateDnsNames = {}) =>
  ({
    HostnameType: hostNames ?? "ip-name",
    EnableResourceNameDnsARecord: resourceNameRecords,
    EnableResourceNameDnsAAAARecord: false,
  }) satisfies PrivateDnsNameOptionsResponse;

/** Of an instance with this primary address: its name whole. */
export const instanceDnsName = (
  { id, privateDns }: Pick<InstanceRecord, "id" | "privateDns">,
  address: string,
  region: string,
): string =>
  privateDns?.hostNames === "resource-name"
    ? `${id}.${internalDomain(region)}`
    : privateDnsName(address, region);

/** Of an interface of the instance: the primary one has the instance's. */
export const interfaceDnsName = (
  nic: NetworkInterfaceRecord,
  instance: Pick<InstanceRecord, "id" | "privateDns"> | undefined,
  region: string,
): string =>
  instance && isPrimary(nic)
    ? instanceDnsName(instance, nic.address, region)
    : privateDnsName(nic.address, region);
