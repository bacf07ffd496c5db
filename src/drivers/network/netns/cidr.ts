/** `10.0.0.0/16` plus 2 is `10.0.0.2`. */
export const addressIn = (cidr: string, offset: number): string => {
  const bytes = Buffer.from(baseOf(cidr).split(".").map(Number));
  bytes.writeUInt32BE((bytes.readUInt32BE() + offset) >>> 0);
  return bytes.join(".");
};

/** Whether every address of `inner` is one of `outer`. */
export const covers = (outer: string, inner: string): boolean => {
  const [size, smaller] = [outer, inner].map((cidr) => 2 ** (32 - bitsOf(cidr))) as [number, number];
  const [first, other] = [outer, inner].map((cidr) => Math.floor(numberOf(cidr) / size));
  return smaller <= size && first === other;
};

const bitsOf = (cidr: string): number => Number(cidr.slice(cidr.indexOf("/") + 1));
const numberOf = (cidr: string): number => Buffer.from(baseOf(cidr).split(".").map(Number)).readUInt32BE();
const baseOf = (cidr: string): string => cidr.slice(0, cidr.indexOf("/"));
