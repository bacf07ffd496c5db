import { createHmac, timingSafeEqual } from "node:crypto";
import { alphabet } from "./names.ts";

const secondsPerStep = 30;
const digits = 6;

/** The step of time that codes are of. */
export const stepAt = (time: Date): number => Math.floor(time.getTime() / 1000 / secondsPerStep);

/** A time-based one-time password. RFC 6238, by SHA-1; RFC 4226 says which digits of it. */
export function codeAt(step: number, seed: Buffer): string {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const hash = createHmac("sha1", seed).update(counter).digest();
  const offset = hash.readUInt8(hash.length - 1) & 0xf;
  return String((hash.readUInt32BE(offset) & 0x7fff_ffff) % 10 ** digits).padStart(digits, "0");
}

/** The first of the steps from `from` to `to` on that `codes` are of, one after the other. */
export function stepOf(codes: readonly string[], seed: Buffer, from: number, to: number): number | undefined {
  for (let step = from; step <= to; step++)
    if (codes.every((code, n) => isSame(code, codeAt(step + n, seed)))) return step;
  return undefined;
}

/** RFC 4648, of bytes that fill their last character. */
export function base32(bytes: Buffer): string {
  let text = "";
  let [bits, waiting] = [0, 0];
  for (const byte of bytes) {
    bits = (bits << 8) | byte;
    for (waiting += 8; waiting >= 5; waiting -= 5) text += alphabet.charAt((bits >> (waiting - 5)) & 31);
    bits &= (1 << waiting) - 1;
  }
  return text;
}

const isSame = (given: string, wanted: string): boolean =>
  given.length === wanted.length && timingSafeEqual(Buffer.from(given), Buffer.from(wanted));
