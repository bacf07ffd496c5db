import { constants } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { openGuarded, type SourceGuard } from "./guarded-source.ts";
import { ImportRefused } from "./import-refused.ts";
import { sealed, type Seal } from "./import-source.ts";

export interface CopyOptions {
  /** Of an object that is stored with others in one file; absent: all there is. */
  readonly part?: FilePart;
  /** Absent: whatever the operator names, who may read it anyway. */
  readonly guard?: SourceGuard;
  /** Absent: they are copied as they are. */
  readonly seal?: Seal | undefined;
  readonly maxBytes: number;
  /** Told how much is there, 0 to 1; 0 while nobody knows how much there will be. */
  readonly progress: (fraction: number) => void;
  readonly signal: AbortSignal;
}

/**
 * Copies what `source` holds, a file or an http(s) URL, to a new file at `path`, for `openSource`, zeros as holes unless they are sealed. A file must be a regular one:
 * no link is followed, no device or pipe read. Throws `ImportRefused`; five minutes without a byte from a server are too many.
 */
export const copyBytes = async (
  source: string,
  path: string,
  { guard, part, seal, maxBytes, progress, signal }: CopyOptions,
): Promise<void> => {
  const scheme = /^([a-z][a-z\d+.-]*):\/\//i.exec(source)?.[1]?.toLowerCase();
  if (!guard && scheme !== undefined && scheme !== "http" && scheme !== "https")
    throw new ImportRefused(`images are fetched by http or https, not by ${scheme}`);
  await using opened = guard
    ? await openGuarded(source, guard, signal, part)
    : await (scheme === undefined ? openFile(source) : download(source, signal));
  const { bytes, chunks } = opened;
  const tooLarge = () => new ImportRefused(`it has more than the ${maxBytes} bytes that are taken`);
  if (bytes !== undefined && bytes > maxBytes) throw tooLarge();
  await using target = await open(path, "wx", 0o600);
  if (seal) await writeAt(target, seal.header, 0);
  const start = seal?.header.length ?? 0;
  const copied = await pour(seal ? sealed(chunks, seal) : chunks, target, start, (next) => {
    signal.throwIfAborted();
    if (next > maxBytes) throw tooLarge();
    progress(bytes === undefined ? 0 : next / bytes);
  }).catch((error: unknown) => {
    if (signal.aborted || scheme === undefined || error instanceof ImportRefused) throw error;
    throw brokenDownload(error);
  });
  if (copied === 0) throw new ImportRefused("it is empty");
  await target.truncate(start + copied);
};

/** A run of a file's bytes. */
export interface FilePart {
  readonly offset: number;
  readonly bytes: number;
}

/**
 * Writes what comes from byte `start` of the file on, zeros as holes; how many bytes came. `before` a chunk is written it hears how many there
 * will be.
 */
export async function pour(
  chunks: AsyncIterable<Uint8Array>,
  target: FileHandle,
  start: number,
  before: (bytes: number) => void,
): Promise<number> {
  let poured = 0;
  for await (const chunk of chunks) {
    before(poured + chunk.length);
    if (!isZero(chunk)) await writeAt(target, chunk, start + poured);
    poured += chunk.length;
  }
  return poured;
}

/** Bytes that are read once, from the beginning. */
export interface Source extends AsyncDisposable {
  /** When it is known beforehand. */
  readonly bytes: number | undefined;
  readonly chunks: AsyncIterable<Uint8Array>;
}

const openFile = async (path: string): Promise<Source> => {
  // Not blocking: a pipe that nobody writes to would never open.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await open(path, flags).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ELOOP") throw new ImportRefused(`${path} is a symbolic link: name the file itself`);
    throw new ImportRefused(`${path} cannot be opened: ${error.message}`);
  });
  const stat = await file.stat();
  if (!stat.isFile()) {
    await file.close();
    throw new ImportRefused(`${path} is no regular file`);
  }
  return {
    bytes: stat.size,
    chunks: file.createReadStream({ highWaterMark: CHUNK_BYTES }),
    [Symbol.asyncDispose]: () => file.close(),
  };
};

const download = async (url: string, signal: AbortSignal): Promise<Source> => {
  const answer = await fetch(url, { signal, headers: { "accept-encoding": "identity" } }).catch(
    (error: unknown) => {
      throw signal.aborted ? error : brokenDownload(error);
    },
  );
  if (!answer.ok || answer.body === null)
    throw new ImportRefused(`the server answers ${answer.status} ${answer.statusText}`);
  const length = answer.headers.get("content-length");
  const { body } = answer;
  return {
    bytes: length === null ? undefined : Number(length),
    chunks: body,
    // One that was read, to the end or not, is over by itself.
    [Symbol.asyncDispose]: () => body.cancel().catch(() => {}),
  };
};

const brokenDownload = (error: unknown): ImportRefused => {
  const why = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return new ImportRefused(`the download failed: ${why instanceof Error ? why.message : String(why)}`);
};

const isZero = (chunk: Uint8Array): boolean => zeros.subarray(0, chunk.length).equals(chunk);

const writeAt = async (target: FileHandle, chunk: Uint8Array, position: number): Promise<void> => {
  for (let done = 0; done < chunk.length;) {
    const { bytesWritten } = await target.write(chunk, done, chunk.length - done, position + done);
    done += bytesWritten;
  }
};

const CHUNK_BYTES = 1024 * 1024;
const zeros = Buffer.alloc(CHUNK_BYTES);
