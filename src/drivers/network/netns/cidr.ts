/** `10.0.0.0/16` plus 2 is `10.0.0.2`. */
export const addressIn = (cidr: string, offset: number): string => {
  const bytes = Buffer.from(baseOf(cidr).split(".").map(Number));
  bytes.writeUInt32BE((bytes.readUInt32BE() + offset) >>> 0);
  return bytes.join(".");
};

const baseOf = (cidr: string): string => cidr.slice(0, cidr.indexOf("/"));
