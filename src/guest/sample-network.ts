import type { GuestInterface, GuestMetadata, GuestNetwork } from "./guest-snapshot.ts";

/** A network of the tests: `interfaces` with their own addresses, everything else as in a default VPC. */
export const sampleNetwork = (interfaces: readonly GuestInterface[], id = "vpc-1@host"): GuestNetwork => ({
  id,
  domain: "ec2.internal",
  resolver: "10.0.0.2",
  lease: {
    domain: "ec2.internal",
    nameServers: ["10.0.0.2"],
    timeServers: ["169.254.169.123"],
    netbiosNameServers: [],
  },
  interfaces,
});

export const sampleInterface = (address: string, metadata: Partial<GuestMetadata> = {}): GuestInterface => {
  const last = address.split(".").at(-1) ?? "";
  return {
    id: `eni-${last}`,
    mac: `02:00:00:00:00:${Number(last).toString(16).padStart(2, "0")}`,
    address,
    prefixLength: 24,
    gateway: address.replace(/\d+$/, "1"),
    mtu: 9001,
    hostName: `ip-${address.replaceAll(".", "-")}`,
    metadata: {
      enabled: true,
      tokens: "optional",
      hopLimit: 1,
      tree: {
        "instance-id": `i-${last}`,
        "placement/region": "us-east-1",
        "placement/availability-zone": "us-east-1a",
      },
      dynamic: { "instance-identity/document": "{}" },
      ...metadata,
    },
  };
};
