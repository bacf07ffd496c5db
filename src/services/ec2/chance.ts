import { randomBytes, randomInt } from "node:crypto";

/** `prefix-` and 17 hex digits, the first 0, as EC2's own. */
export const newId = <P extends string>(prefix: P): `${P}-${string}` =>
  `${prefix}-0${randomBytes(8).toString("hex")}`;

export const random = (below: number): number => randomInt(below);
