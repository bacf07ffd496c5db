import { createHmac, timingSafeEqual } from "node:crypto";

/** What opens one block of one snapshot until a time, in whole seconds, and is written down nowhere: base64 of that time and a signature. */
export function blockToken(block: TokenBlock, until: Date, key: Buffer): string {
  const seconds = Buffer.alloc(4);
  seconds.writeUInt32BE(until.getTime() / 1000);
  return Buffer.concat([seconds, signature(block, seconds, key)]).toString("base64");
}

export interface TokenBlock {
  readonly snapshotId: string;
  readonly index: number;
}

/** Whether it was made of this block with this key, and its time has not come. */
export function opensBlock(token: string, block: TokenBlock, now: Date, key: Buffer): boolean {
  const bytes = Buffer.from(token, "base64");
  // Node reads on past what is no base64.
  if (bytes.length !== 4 + signatureBytes || bytes.toString("base64") !== token) return false;
  const seconds = bytes.subarray(0, 4);
  return (
    timingSafeEqual(bytes.subarray(4), signature(block, seconds, key)) &&
    now.getTime() < seconds.readUInt32BE() * 1000
  );
}

const signature = ({ snapshotId, index }: TokenBlock, seconds: Buffer, key: Buffer): Buffer =>
  createHmac("sha256", key)
    .update(`${snapshotId}/${index}/`)
    .update(seconds)
    .digest()
    .subarray(0, signatureBytes);

const signatureBytes = 24;
