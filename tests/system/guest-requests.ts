/** A query for the address of `name`. */
export const dnsQuery = (name: string): Buffer =>
  Buffer.concat([
    Buffer.from([0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
    ...name.split(".").map((label) => Buffer.from([label.length, ...Buffer.from(label)])),
    Buffer.from([0, 0, 1, 0, 1]),
  ]);

/** A DHCPDISCOVER of the interface with this address. */
export const dhcpDiscover = (mac: string): Buffer => {
  const message = Buffer.alloc(244);
  message.set([1, 1, 6], 0);
  message.set(Buffer.from(mac.replaceAll(":", ""), "hex"), 28);
  message.set([0x63, 0x82, 0x53, 0x63, 53, 1, 1, 255], 236);
  return message;
};
