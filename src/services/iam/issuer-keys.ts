import { createHash, X509Certificate } from "node:crypto";
import { request, type RequestOptions } from "node:https";
import { connect, type PeerCertificate } from "node:tls";
import { createLocalJWKSet, type JSONWebKeySet, type LocalJWKSet } from "jose";
import { guardedLookup, literalAddress, reachableAddresses } from "#reachable-addresses.ts";

/** An OIDC provider, as somebody registered it in an account. */
export interface Issuer {
  /** "https://accounts.example.com/realm": the `iss` of its tokens. */
  readonly url: string;
  /** SHA-1 in hex: of certificates that its servers may be known by where no public authority vouches for them. */
  readonly thumbprints: readonly string[];
}

/** The issuer could not be asked. */
export class IssuerUnreachable extends Error {}
/** It was asked, and what it is or said is not what an issuer has to be or say. */
export class IssuerUnfit extends Error {}
/** Nobody who is trusted, and none of its thumbprints, vouches for a server of it. */
export class IssuerUnknown extends IssuerUnfit {}

export interface IssuerKeysOptions {
  /** Networks (CIDR) beside the internet in which an issuer may be. */
  readonly networks: readonly string[];
  readonly monotonicMs: () => number;
}

/**
 * The keys that issuers publish (OpenID Connect Discovery 1.0): by https alone, from addresses that are allowed, without redirects, in bounded
 * time and size. They are kept for ten minutes; however many ask, an issuer is asked once in ten seconds at most.
 */
export class IssuerKeys {
  readonly #isReachable: (address: string) => boolean;
  readonly #monotonicMs: () => number;
  readonly #known = new Map<string, Known>();

  constructor({ networks, monotonicMs }: IssuerKeysOptions) {
    this.#isReachable = reachableAddresses(networks);
    this.#monotonicMs = monotonicMs;
  }

  /** `renewed`: one was missed among those that are kept. Throws `IssuerUnreachable` and `IssuerUnfit`. */
  of(issuer: Issuer, { renewed = false } = {}): Promise<LocalJWKSet> {
    const now = this.#monotonicMs();
    const name = JSON.stringify([issuer.url, issuer.thumbprints]);
    const known = this.#known.get(name);
    if (known && now - known.atMs < (renewed || known.failed ? restMs : keptMs)) return known.keys;
    const keys = this.#fetched(issuer);
    const fetched: Known = { atMs: now, keys, failed: false };
    keys.catch(() => (fetched.failed = true));
    if (this.#known.size >= mostKnown) this.#known.clear();
    this.#known.set(name, fetched);
    return keys;
  }

  async #fetched({ url, thumbprints }: Issuer): Promise<LocalJWKSet> {
    const signal = AbortSignal.timeout(patienceMs);
    const fetched = (from: unknown) => this.#document(from, thumbprints, signal);
    const about = await fetched(`${url.replace(/\/$/, "")}/.well-known/openid-configuration`);
    if (about["issuer"] !== url) throw new IssuerUnfit("its discovery document is another issuer's");
    const { keys } = await fetched(about["jwks_uri"]);
    if (!Array.isArray(keys) || keys.length > mostKeys) throw new IssuerUnfit("it publishes no set of keys");
    try {
      return createLocalJWKSet({ keys } satisfies JSONWebKeySet);
    } catch (error) {
      throw new IssuerUnfit("it publishes no set of keys", { cause: error });
    }
  }

  async #document(
    from: unknown,
    thumbprints: readonly string[],
    signal: AbortSignal,
  ): Promise<Readonly<Record<string, unknown>>> {
    const url = typeof from === "string" ? URL.parse(from) : null;
    if (url?.protocol !== "https:" || url.username !== "" || url.password !== "")
      throw new IssuerUnfit(`${String(from)} is no https URL`);
    const literal = literalAddress(url);
    if (literal !== undefined && !this.#isReachable(literal)) throw notAllowed(url.hostname);
    const options = { signal, lookup: guardedLookup(this.#isReachable, notAllowed) };
    const text = await download(url, options).catch(async (error: unknown) => {
      if (!isUntrusted(error)) throw error;
      const ca = await namedCertificate(url, thumbprints, options);
      // It is checked as any, but for who vouches for it: the name, the time, the chain up to that certificate.
      return download(url, { ...options, ca, allowPartialTrustChain: true });
    });
    return parsed(text);
  }
}

interface Known {
  readonly atMs: number;
  readonly keys: Promise<LocalJWKSet>;
  failed: boolean;
}

const patienceMs = 5_000;
const restMs = 10_000;
const keptMs = 600_000;
const mostKnown = 1_000;
const mostKeys = 100;
const mostBytes = 256 * 1024;

const notAllowed = (name: string) =>
  new IssuerUnfit(`${name} is no address of the internet: it is not asked`);

type Reaching = Pick<RequestOptions, "lookup" | "ca" | "allowPartialTrustChain"> & { signal: AbortSignal };

/** The body of a 200 answer. */
function download(url: URL, options: Reaching): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { accept: "application/json", "accept-encoding": "identity" };
    const fail = (error: Error) => {
      asked.destroy();
      reject(
        error instanceof IssuerUnfit || isUntrusted(error)
          ? error
          : new IssuerUnreachable(error.message, { cause: error }),
      );
    };
    const asked = request(url, { ...options, headers, agent: false }, (answer) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      const { statusCode: status = 0 } = answer;
      if (status >= 500) return fail(new Error(`it answers ${status}`));
      if (status !== 200) return fail(new IssuerUnfit(`it answers ${status}`));
      answer.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > mostBytes) fail(new IssuerUnfit("its answer is too long"));
        else chunks.push(chunk);
      });
      answer.on("error", fail);
      answer.on("end", () => resolve(Buffer.concat(chunks).toString()));
    });
    asked.on("error", fail);
    asked.end();
  });
}

/** In the chain that the server shows, the certificate that the issuer may be known by; nothing is sent to it. */
async function namedCertificate(
  url: URL,
  thumbprints: readonly string[],
  { signal, lookup }: Reaching,
): Promise<string> {
  const chain = await new Promise<X509Certificate[]>((resolve, reject) => {
    const literal = literalAddress(url);
    const socket = connect({
      host: literal ?? url.hostname,
      port: Number(url.port || 443),
      ...(literal === undefined && { servername: url.hostname }),
      ...(lookup && { lookup }),
      rejectUnauthorized: false,
    });
    const end = (error: Error) => {
      socket.destroy();
      reject(new IssuerUnreachable(error.message, { cause: error }));
    };
    const abort = () => end(new Error("it took too long"));
    signal.addEventListener("abort", abort);
    socket.once("close", () => signal.removeEventListener("abort", abort));
    socket.on("error", end);
    socket.once("secureConnect", () => {
      resolve(certificates(socket.getPeerCertificate(true)));
      socket.destroy();
    });
  });
  const named = chain.find((it) => thumbprints.includes(createHash("sha1").update(it.raw).digest("hex")));
  if (!named) throw new IssuerUnknown("its certificate has none of its thumbprints");
  return named.toString();
}

function certificates(first: PeerCertificate | undefined): X509Certificate[] {
  const chain: X509Certificate[] = [];
  type Linked = PeerCertificate & { readonly issuerCertificate?: Linked };
  for (let it: Linked | undefined = first; it?.raw && chain.length < 10; it = it.issuerCertificate) {
    if (chain.at(-1)?.raw.equals(it.raw)) break;
    chain.push(new X509Certificate(it.raw));
  }
  return chain;
}

const isUntrusted = (error: unknown): boolean =>
  error instanceof Error && "code" in error && untrusted.has(String(error.code));

/** OpenSSL's, of chains that end with nobody who is trusted. */
const untrusted: ReadonlySet<string> = new Set([
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
]);

function parsed(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch {
    // Told below.
  }
  throw new IssuerUnfit("its answer is no JSON object");
}
