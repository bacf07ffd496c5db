import { BlockList, isIP } from "node:net";

/** Whether this machine alone can have this address: 127.0.0.0/8 or ::1, also written as IPv6. */
export const isLoopback = (address: string): boolean => {
  const version = isIP(address);
  return version !== 0 && loopback.check(address, version === 4 ? "ipv4" : "ipv6");
};

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8);
loopback.addAddress("::1", "ipv6");
