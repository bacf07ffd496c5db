/** `10.0.0.0/16` plus 2 is `10.0.0.2`. */
export const addressIn = (cidr: string, offset: number): string => {
  const bytes = bytesOf(cidr);
  bytes.writeUInt32BE((bytes.readUInt32BE() + offset) >>> 0);
  return bytes.join(".");
};

/** Whether every address of `inner` is one of `outer`. */
export const covers = (outer: string, inner: string): boolean => {
  const bits = bitsOf(outer);
  return bits <= bitsOf(inner) && firstBits(outer, bits) === firstBits(inner, bits);
};

const firstBits = (cidr: string, bits: number): number =>
  Math.floor(bytesOf(cidr).readUInt32BE() / 2 ** (32 - bits));
const bytesOf = (cidr: string): Buffer =>
  Buffer.from(cidr.slice(0, cidr.indexOf("/")).split(".").map(Number));
const bitsOf = (cidr: string): number => Number(cidr.slice(cidr.indexOf("/") + 1));
