import { randomBytes } from "node:crypto";
import { open } from "node:fs/promises";
import {
  decryptSectors,
  encryptSectors,
  LUKS_HEADER_BYTES,
  luksHeader,
  luksMasterKey,
  SECTOR,
} from "#drivers/disk/qcow2/luks.ts";

/** Has the copy of a source say nothing to whoever finds it: it is a LUKS volume, whose passphrase is in this program's memory alone. */
export interface Seal {
  readonly passphrase: string;
  readonly header: Buffer;
  readonly masterKey: Buffer;
}

export function newSeal(): Seal {
  const passphrase = randomBytes(64).toString("hex");
  const header = luksHeader(passphrase);
  return { passphrase, header, masterKey: luksMasterKey(header, passphrase) };
}

/** What follows a seal's header when these bytes are sealed, zeros up to a whole sector. */
export async function* sealed(
  chunks: AsyncIterable<Uint8Array>,
  { masterKey }: Seal,
): AsyncGenerator<Uint8Array> {
  let [rest, position] = [Buffer.alloc(0), 0];
  for await (const chunk of chunks) {
    const bytes = Buffer.concat([rest, chunk]);
    const whole = bytes.length - (bytes.length % SECTOR);
    if (whole > 0) yield encryptSectors(masterKey, bytes.subarray(0, whole), position);
    position += whole;
    rest = bytes.subarray(whole);
  }
  if (rest.length === 0) return;
  yield encryptSectors(masterKey, Buffer.concat([rest, Buffer.alloc(SECTOR - rest.length)]), position);
}

/** The copy of a source, whose bytes anyone may have made. */
export interface ImportSource extends AsyncDisposable {
  readonly bytes: number;
  /** Zeros after its end. */
  read(position: number, length: number): Promise<Buffer>;
}

export async function openSource(path: string, seal: Seal | undefined): Promise<ImportSource> {
  const file = await open(path, "r");
  const read = async (position: number, length: number) =>
    (await file.read(Buffer.alloc(length), 0, length, position)).buffer;
  const start = seal ? LUKS_HEADER_BYTES : 0;
  return {
    bytes: (await file.stat()).size - start,
    async read(position, length) {
      if (!seal) return read(position, length);
      const first = position - (position % SECTOR);
      const last = Math.ceil((position + length) / SECTOR) * SECTOR;
      const bytes = decryptSectors(seal.masterKey, await read(start + first, last - first), first);
      return bytes.subarray(position - first, position - first + length);
    },
    [Symbol.asyncDispose]: () => file.close(),
  };
}
