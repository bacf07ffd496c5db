import { constants } from "node:fs";
import { open, readlink, realpath } from "node:fs/promises";
import { lookup, type LookupAddress } from "node:dns";
import { get as getHttp, type IncomingMessage, type RequestOptions } from "node:http";
import { get as getHttps } from "node:https";
import { BlockList, isIP } from "node:net";
import { join } from "node:path";
import type { Source } from "./image-bytes.ts";
import { ImportRefused } from "./import-refused.ts";

/** What whoever calls the API may have read for an import. */
export interface SourceGuard {
  /** `file:///PATH` is a path in here; absent: no file is read. */
  readonly directory?: string;
  /** Networks (CIDR) that are no part of the internet and may be fetched from all the same. */
  readonly networks: readonly string[];
}

/** Opens a `file:` URL below the directory, or an http(s) URL of the internet or of a network that is allowed. Throws `ImportRefused`. */
export const openGuarded = async (
  source: string,
  { directory, networks }: SourceGuard,
  signal: AbortSignal,
): Promise<Source> => {
  const url = URL.parse(source);
  if (!url) throw new ImportRefused("its address is no URL");
  if (url.protocol !== "file:") return download(url, networks, signal);
  if (directory === undefined)
    throw new ImportRefused("no directory is named that imports may read (croft start --import-dir)");
  return openBelow(directory, url);
};

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
  const allowed = blockList(networks);
  let url = first;
  for (let redirects = 0; redirects <= mostRedirects; redirects++) {
    const answer = await ask(url, allowed, signal);
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

const ask = (url: URL, allowed: BlockList, signal: AbortSignal): Promise<IncomingMessage> => {
  const get = url.protocol === "https:" ? getHttps : url.protocol === "http:" ? getHttp : undefined;
  if (!get)
    throw new ImportRefused(`images are fetched by http or https, not by ${url.protocol.slice(0, -1)}`);
  const literal = url.hostname.replaceAll(/[[\]]/g, "");
  if (isIP(literal) !== 0 && !isReachable(literal, allowed)) throw notAllowed(url.hostname);
  const options: RequestOptions = {
    signal,
    agent: false,
    timeout: quietMs,
    headers: { "accept-encoding": "identity" },
    // What the connection goes to is what was looked at: a name cannot mean another address by then.
    lookup: (name, { family, hints }, done) =>
      lookup(
        name,
        {
          all: true,
          ...(family !== undefined && { family: Number(family) }),
          ...(hints !== undefined && { hints }),
        },
        (error, found: LookupAddress[]) => {
          const refused =
            error ?? (found.every((it) => isReachable(it.address, allowed)) ? null : notAllowed(name));
          done(refused, found);
        },
      ),
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

const isReachable = (address: string, allowed: BlockList): boolean => {
  const family = isIP(address) === 6 ? "ipv6" : "ipv4";
  if (allowed.check(address, family)) return true;
  return family === "ipv6"
    ? globalIpv6.check(address, family) && !notGlobal.check(address, family)
    : !notGlobal.check(address, family);
};

function blockList(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = "", bits = ""] = network.split("/");
    list.addSubnet(address, Number(bits), isIP(address) === 6 ? "ipv6" : "ipv4");
  }
  return list;
}

/** Of IANA's registries of special addresses; also IPv6 that leads back into IPv4 (6to4, Teredo). */
const notGlobal = blockList([
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/3",
  "2001::/23",
  "2001:db8::/32",
  "2002::/16",
]);
const globalIpv6 = blockList(["2000::/3"]);

const mostRedirects = 5;
const quietMs = 300_000;
