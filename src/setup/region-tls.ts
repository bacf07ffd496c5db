import { execFileSync } from "node:child_process";
import { randomBytes, X509Certificate } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { hostname, networkInterfaces } from "node:os";
import { Refusal } from "#cli/command.ts";
import { layout, type RegionSettings } from "#config.ts";
import { isLoopback } from "#http/loopback.ts";
import { regionsWith } from "#services/ec2/region/region.ts";

/** PEM texts. */
export interface ServerTls {
  readonly cert: string;
  readonly key: string;
}

/** What the API speaks TLS with; undefined on loopback. Comes after `makeRegionTls`. Throws `Refusal` for files it cannot read. */
export const readServerTls = (dataDir: string, settings: RegionSettings): ServerTls | undefined => {
  if (isLoopback(settings.listen ?? "127.0.0.1")) return undefined;
  const { tls } = layout(dataDir);
  return {
    cert: readPem(settings.tlsCert ?? tls.cert),
    key: readPem(settings.tlsKey ?? tls.key),
  };
};

/** What the API speaks TLS with to instances. Comes after `makeAwsTls`. */
export const readAwsTls = (dataDir: string): ServerTls => {
  const { awsCert, awsKey } = layout(dataDir).tls;
  return { cert: readPem(awsCert), key: readPem(awsKey) };
};

/**
 * A certificate by the region's own authority, which is made when there is none, for the names that AWS's services have in each of
 * its regions and in this one; made anew when one is not in it or less than 30 days are left.
 */
export const makeAwsTls = (
  dataDir: string,
  { region }: Pick<RegionSettings, "region">,
  now = new Date(),
): void => {
  const { tls } = layout(dataDir);
  const regions = regionsWith(region).map(({ name }) => name);
  const names = ["", ...regions.map((name) => `${name}.`)].flatMap((within) =>
    ["amazonaws.com", "api.aws"].map((domain) => `*.${within}${domain}`),
  );
  ensureCertificate(dataDir, { cert: tls.awsCert, key: tls.awsKey, names, region }, now);
};

/**
 * The region's own authority, made once, and a certificate by it for every name and address of this host, made anew when one
 * is not in it or less than 30 days are left. Nothing on loopback, or with a certificate that was given.
 */
export const makeRegionTls = (dataDir: string, settings: RegionSettings, now = new Date()): void => {
  const { tls } = layout(dataDir);
  const address = settings.listen ?? "127.0.0.1";
  if (isLoopback(address) || settings.tlsCert !== undefined) return;
  const names = hostNamesAnd(address);
  ensureCertificate(dataDir, { cert: tls.cert, key: tls.key, names, region: settings.region }, now);
};

interface CertificateSpec {
  /** Files. */
  readonly cert: string;
  readonly key: string;
  readonly names: readonly string[];
  readonly region: string;
}

const ensureCertificate = (dataDir: string, spec: CertificateSpec, now: Date): void => {
  const { tls } = layout(dataDir);
  mkdirSync(tls.dir, { recursive: true, mode: 0o711 });
  writeFileSync(tls.config, opensslConfig(spec.names));
  if (!existsSync(tls.ca)) makeAuthority(dataDir, spec.region);
  if (!certifies(spec.cert, spec.names, now)) makeCertificate(dataDir, spec);
};

/** For `openssl req` and `openssl x509`: the extensions of an authority that signs servers only, and of this server. */
export const opensslConfig = (names: readonly string[]): string => `[req]
distinguished_name = name
prompt = no

[name]
CN = Croft

[authority]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash

[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = ${names.map((name) => (isIP(name) ? `IP:${name}` : `DNS:${name}`)).join(", ")}
`;

/** How this host is called, and by which addresses. */
const hostNamesAnd = (address: string): string[] => {
  const own = Object.values(networkInterfaces()).flatMap((addresses = []) =>
    addresses.map((it) => it.address),
  );
  const all = ["localhost", hostname(), "127.0.0.1", "::1", address, ...own];
  // A link-local address means something on one link only, and 0.0.0.0 is no address anyone calls.
  return [
    ...new Set(all.filter((name) => /^[\w.:-]+$/.test(name) && !/^(fe80:|0\.0\.0\.0$|::$)/i.test(name))),
  ];
};

const certifies = (file: string, names: readonly string[], now: Date): boolean => {
  if (!existsSync(file)) return false;
  const cert = new X509Certificate(readFileSync(file));
  const left = Date.parse(cert.validTo) - now.getTime();
  const isFor = (name: string) =>
    isIP(name) ? cert.checkIP(name) : cert.checkHost(name.replace("*", "any"));
  return left > renewMs && names.every(isFor);
};
const renewMs = 30 * 24 * 3_600_000;

const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"];

const makeAuthority = (dataDir: string, region: string): void => {
  const { tls } = layout(dataDir);
  const subject = `/CN=Croft region ${region} ${randomBytes(4).toString("hex")}`;
  openssl(
    "req",
    "-x509",
    "-config",
    tls.config,
    "-extensions",
    "authority",
    "-subj",
    subject,
    ...newKey,
    "-days",
    "3650",
    "-keyout",
    tls.caKey,
    "-out",
    tls.ca,
  );
  chmodSync(tls.caKey, 0o600);
  chmodSync(tls.ca, 0o644);
};

const makeCertificate = (dataDir: string, { cert, key }: CertificateSpec): void => {
  const { tls } = layout(dataDir);
  const request = `${cert}.csr`;
  openssl("req", "-new", "-config", tls.config, ...newKey, "-keyout", key, "-out", request);
  chmodSync(key, 0o600);
  // Positive, and never the same twice.
  const serial = `0x01${randomBytes(15).toString("hex")}`;
  openssl(
    "x509",
    "-req",
    "-in",
    request,
    "-CA",
    tls.ca,
    "-CAkey",
    tls.caKey,
    "-set_serial",
    serial,
    "-days",
    "397",
    "-extfile",
    tls.config,
    "-extensions",
    "server",
    "-out",
    cert,
  );
  rmSync(request);
};

const openssl = (...args: readonly string[]): void => {
  try {
    execFileSync("openssl", args, { stdio: ["ignore", "ignore", "pipe"] });
  } catch (error) {
    const said = error instanceof Error && "stderr" in error ? String(error.stderr).trim() : String(error);
    throw new Refusal(`openssl ${args[0] ?? ""} could not make the region's certificate: ${said}`, 1);
  }
};

const readPem = (file: string): string => {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new Refusal(
      `the TLS file ${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
};
