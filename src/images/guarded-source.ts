import { constants } from "node:fs";
import { open, readlink, realpath } from "node:fs/promises";
import { get as getHttp, type IncomingMessage, type RequestOptions } from "node:http";
import { get as getHttps } from "node:https";
import { join } from "node:path";
import { guardedLookup, literalAddress, reachableAddresses } from "#reachable-addresses.ts";
import { openObject } from "./bucket-folder.ts";
import type { FilePart, Source } from "./image-bytes.ts";
import { ImportRefused } from "./import-refused.ts";
import { objectOf, type ObjectName } from "./object-name.ts";

/** What whoever calls the API may have read for an import. */
export interface SourceGuard {
  /** `file:///PATH` is a path in here; absent: no file is read. */
  readonly directory?: string;
  /** `s3://BUCKET/KEY` is a file in the folder BUCKET of this; absent: there is no bucket. */
  readonly buckets?: string;
  /** Networks (CIDR) that are no part of the internet and may be fetched from all the same. */
  readonly networks: readonly string[];
}

/** Opens a `file:` URL below the directory, an object or a part of one, or an http(s) URL of the internet or of a network that is allowed. Throws `ImportRefused`. */
export const openGuarded = async (
  source: string,
  { directory, buckets, networks }: SourceGuard,
  signal: AbortSignal,
  part?: FilePart,
): Promise<Source> => {
  const object = objectOf(source);
  if (object) return openPart(buckets, object, part);
  const url = URL.parse(source);
  if (!url) throw new ImportRefused("its address is no URL");
  if (url.protocol !== "file:") return download(url, networks, signal);
  if (directory === undefined)
    throw new ImportRefused("no directory is named that imports may read (croft start --import-dir)");
  return openBelow(directory, url);
};

const openPart = async (
  buckets: string | undefined,
  object: ObjectName,
  part: FilePart | undefined,
): Promise<Source> => {
  const file = await openObject(buckets, object);
  const { size } = await file.stat();
  const { offset, bytes } = part ?? { offset: 0, bytes: size };
  if (offset + bytes > size) {
    await file.close();
    throw new ImportRefused(`the object ${object.key} was cut short`);
  }
  // A stream of no bytes would need an end before its start.
  const chunks =
    bytes === 0
      ? none()
      : file.createReadStream({ start: offset, end: offset + bytes - 1, highWaterMark: 1024 ** 2 });
  return { bytes, chunks, [Symbol.asyncDispose]: () => file.close() };
};

async function* none(): AsyncGenerator<Uint8Array> {}

/** Nothing that lies elsewhere is told apart from what is not there. */
const openBelow = async (directory: string, url: URL): Promise<Source> => {
  const absent = () => new ImportRefused(`there is no file ${url.pathname} in the directory of imports`);
  const root = await realpath(directory).catch(() => {
    throw absent();
  });
  const path = decoded(url.pathname);
  const real = path.includes("\0") ? "" : await realpath(join(root, path)).catch(() => "");
  if (url.host !== "" || !real.startsWith(`${root}/`)) throw absent();
  const file = await open(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    () => {
      throw absent();
    },
  );
  try {
    // A directory on the way may have become a link since.
    const opened = await readlink(`/proc/self/fd/${file.fd}`);
    const stat = await file.stat();
    if (!opened.startsWith(`${root}/`) || !stat.isFile()) throw absent();
    const chunks = file.createReadStream({ highWaterMark: 1024 ** 2 });
    return { bytes: stat.size, chunks, [Symbol.asyncDispose]: () => file.close() };
  } catch (error) {
    await file.close();
    throw error;
  }
};

/** What is not well encoded names nothing. */
const decoded = (path: string): string => {
  try {
    return decodeURIComponent(path);
  } catch {
    return "\0";
  }
};

const download = async (first: URL, networks: readonly string[], signal: AbortSignal): Promise<Source> => {
  const isReachable = reachableAddresses(networks);
  let url = first;
  for (let redirects = 0; redirects <= mostRedirects; redirects++) {
    const answer = await ask(url, isReachable, signal);
    const { statusCode: status = 0, headers } = answer;
    if (status === 200) {
      const length = headers["content-length"];
      const end = async () => void answer.destroy();
      return {
        bytes: length === undefined ? undefined : Number(length),
        chunks: answer,
        [Symbol.asyncDispose]: end,
      };
    }
    answer.destroy();
    const next = URL.parse(headers.location ?? "", url);
    if (status < 300 || status >= 400 || !next) throw new ImportRefused(`the server answers ${status}`);
    url = next;
  }
  throw new ImportRefused(`the server leads on more than ${mostRedirects} times`);
};

const ask = (
  url: URL,
  isReachable: (address: string) => boolean,
  signal: AbortSignal,
): Promise<IncomingMessage> => {
  const get = url.protocol === "https:" ? getHttps : url.protocol === "http:" ? getHttp : undefined;
  if (!get)
    throw new ImportRefused(`images are fetched by http or https, not by ${url.protocol.slice(0, -1)}`);
  const literal = literalAddress(url);
  if (literal !== undefined && !isReachable(literal)) throw notAllowed(url.hostname);
  const options: RequestOptions = {
    signal,
    agent: false,
    timeout: quietMs,
    headers: { "accept-encoding": "identity" },
    lookup: guardedLookup(isReachable, notAllowed),
  };
  return new Promise((resolve, reject) => {
    const request = get(url, options, resolve);
    request.on("timeout", () => request.destroy(new Error("nothing came for five minutes")));
    request.on("error", (error) => {
      const known = signal.aborted || error instanceof ImportRefused;
      reject(known ? error : new ImportRefused(`the download failed: ${error.message}`));
    });
  });
};

const notAllowed = (name: string) =>
  new ImportRefused(`${name} is no address of the internet: it is not fetched from`);

const mostRedirects = 5;
const quietMs = 300_000;
