import { alphabet } from "./names.ts";

/**
 * "AKIA" or "ASIA" and 16 characters, base 32 of ten bytes, of which the first 47 bits less the last seven are the account's number,
 * as in AWS's own.
 */
export function newAccessKeyId<P extends "AKIA" | "ASIA">(
  prefix: P,
  accountId: string,
  random: (below: number) => number,
): `${P}${string}` {
  const account = (1n << 47n) | (BigInt(accountId) << 7n) | BigInt(random(128));
  const bits = (account << 32n) | BigInt(random(2 ** 32));
  return `${prefix}${Array.from({ length: 16 }, (_, n) => alphabet[Number((bits >> BigInt(75 - 5 * n)) & 31n)]).join("")}`;
}

/** Undefined: it is no key id that names an account. */
export function accountOfKeyId(id: string): string | undefined {
  const [, text] = /^(?:AKIA|ASIA)([Q-Z2-7][A-Z2-7]{15})$/.exec(id) ?? [];
  if (text === undefined) return undefined;
  const bits = text.split("").reduce((sum, letter) => (sum << 5n) | BigInt(alphabet.indexOf(letter)), 0n);
  const account = (bits >> 39n) & ((1n << 40n) - 1n);
  return account < 1_000_000_000_000n ? String(account).padStart(12, "0") : undefined;
}

/** 40 letters and digits. */
export const newSecret = (random: (below: number) => number): string =>
  Array.from({ length: 40 }, () => letters.charAt(random(letters.length))).join("");

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
