import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { isIPv6 } from "node:net";
import { layout, type RegionSettings } from "#config.ts";
import { isLoopback } from "#http/loopback.ts";

/** How the region's API is called. */
export interface ApiEndpoint {
  /** By a name that its certificate, if it has one, is for. */
  readonly url: string;
  /** By an address of this host. */
  readonly localUrl: string;
  /** PEM file of the region's own authority. */
  readonly caFile?: string;
}

type EndpointSettings = Pick<RegionSettings, "port" | "listen" | "tlsCert">;

export const apiEndpoint = (
  dataDir: string,
  { port, listen = "127.0.0.1", tlsCert }: EndpointSettings,
): ApiEndpoint => {
  const at = (scheme: string, host: string) => `${scheme}://${isIPv6(host) ? `[${host}]` : host}:${port}`;
  if (isLoopback(listen)) return { url: at("http", listen), localUrl: at("http", listen) };
  const address = { "0.0.0.0": "127.0.0.1", "::": "::1" }[listen] ?? listen;
  const localUrl = at("https", address);
  if (tlsCert === undefined) return { url: localUrl, localUrl, caFile: layout(dataDir).tls.ca };
  return { url: at("https", certifiedName(readFileSync(tlsCert), address)), localUrl };
};

/** The address if the certificate is for it, else the first name that it is for. */
const certifiedName = (pem: Buffer, address: string): string => {
  const cert = new X509Certificate(pem);
  if (cert.checkIP(address)) return address;
  return /DNS:(?!\*)([\w.-]+)/.exec(cert.subjectAltName ?? "")?.[1] ?? address;
};
