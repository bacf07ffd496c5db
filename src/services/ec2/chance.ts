import { randomFillSync, randomInt } from "node:crypto";

/** `prefix-` and 17 hex digits, the first 0, as EC2's own. */
export const newId = <P extends string>(prefix: P): `${P}-${string}` => `${prefix}-0${randomHex(8)}`;

export const random = (below: number): number => randomInt(below);

/** Asking the kernel for every eight bytes is a tenth of what a launch costs; this asks for many at once. */
function randomHex(bytes: number): string {
  if (used + bytes > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  return pool.toString("hex", used, (used += bytes));
}

const pool = Buffer.alloc(4096);
let used = pool.length;
