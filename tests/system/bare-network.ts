import { createSocket } from "node:dgram";
import { createServer } from "node:http";
import type { Server } from "node:http";
import { testCertificate } from "#testing/certificates.ts";
import { run } from "#drivers/linux/commands.ts";
import { inNamespace, openSocket } from "#drivers/linux/namespaces.ts";

/** What the stub of the metadata service says; may be changed between boots. */
export interface BareMetadata {
  instanceId: string;
  /** OpenSSH's format. */
  publicKey: string;
  userData?: string | Buffer | undefined;
  /** Absent: the one that EC2 makes of the address. */
  hostName?: string;
  /** What `/latest/included` answers. */
  included?: string;
}

/**
 * A network namespace with one tap and, on the addresses EC2 uses, the least DHCP and metadata service that a guest needs, and a
 * region's authority where a guest looks for it.
 */
export interface BareNetwork extends AsyncDisposable {
  readonly namespace: string;
  readonly device: string;
  readonly mac: string;
  readonly mtu: number;
  /** The guest's. */
  readonly address: string;
}

/** `name` becomes the namespace's. Needs root. */
export const bareNetwork = async (name: string, metadata: BareMetadata): Promise<BareNetwork> => {
  await using undo = new AsyncDisposableStack();
  const ip = (...args: string[]) => run("ip", ["-n", name, ...args]);
  await run("ip", ["netns", "add", name]);
  undo.defer(async () => void (await run("ip", ["netns", "delete", name])));
  await ip("link", "set", "lo", "up");
  for (const local of [router, metadataAddress, regionAddress])
    await ip("address", "add", `${local}/32`, "dev", "lo");
  await ip("tuntap", "add", "dev", device, "mode", "tap", "vnet_hdr");
  await ip("link", "set", device, "mtu", String(mtu), "up");
  await ip("route", "add", `${guest}/32`, "dev", device, "src", router);
  await ip("neighbour", "replace", guest, "lladdr", mac, "dev", device, "nud", "permanent");
  for (const [key, value] of [
    ["conf/all/proxy_arp", 1],
    ["conf/all/rp_filter", 0],
    [`neigh/${device}/proxy_delay`, 0],
  ] as const)
    await run("ip", [
      "netns",
      "exec",
      name,
      "sysctl",
      "-qw",
      `net.ipv4.${key.replaceAll("/", ".")}=${value}`,
    ]);

  const dhcp = createSocket("udp4", (request) => {
    const answer = dhcpAnswer(request);
    if (answer) dhcp.send(answer, 68, guest);
  });
  dhcp.bind({ fd: openSocket(name, { type: "udp", address: "0.0.0.0", port: 67 }) });
  undo.defer(() => void dhcp.close());
  const serve = (server: Server, address: string) => {
    server.listen({ fd: openSocket(name, { type: "tcp", address, port: 80 }) });
    undo.defer(() => {
      server.close();
      server.closeAllConnections();
    });
  };
  serve(metadataService(metadata), metadataAddress);
  serve(
    createServer((_request, response) => void response.end(regionAuthority)),
    regionAddress,
  );
  const kept = undo.move();
  return {
    namespace: name,
    device,
    mac,
    mtu,
    address: guest,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
};

/** What the product has the firmware tell of an instance with this metadata. */
export const tellsOf = ({ publicKey, userData, hostName = ownName }: BareMetadata): string[] => {
  if (userData !== undefined) return [];
  const authority = regionAuthority.trim().split("\n");
  return [
    `croft.host-name=${hostName}`,
    `croft.zone=${zone}`,
    `croft.public-key=${publicKey.trim()}`,
    ...authority.map((line) => `croft.authority=${line}`),
  ];
};

/** Starts something in the network: `fn` must be synchronous. */
export const inside = <T>({ namespace }: BareNetwork, fn: () => T): T => inNamespace(namespace, fn);

const device = "bare0";
const mac = "02:00:00:00:00:10";
const mtu = 9001;
const router = "10.0.0.1";
const guest = "10.0.0.10";
const ownName = `ip-${guest.replaceAll(".", "-")}.ec2.internal`;
const zone = "us-east-1a";
const regionAuthority = testCertificate("region").certificate;
const metadataAddress = "169.254.169.254";
const regionAddress = "169.254.169.240";

/** RFC 2131: DISCOVER is offered, REQUEST acknowledged, the one address there is. */
const dhcpAnswer = (request: Buffer): Buffer | undefined => {
  const type = dhcpOption(request, 53)?.[0];
  if (request[0] !== 1 || (type !== 1 && type !== 3)) return undefined;
  const header = Buffer.alloc(240);
  header.set([2, 1, 6]);
  request.copy(header, 4, 4, 12);
  header.set(bytes(guest), 16);
  header.set(bytes(router), 20);
  request.copy(header, 28, 28, 44);
  header.writeUInt32BE(0x6382_5363, 236);
  const options = {
    53: [type === 1 ? 2 : 5],
    54: bytes(router),
    51: [0, 0, 14, 16],
    1: [255, 255, 255, 0],
    3: bytes(router),
    15: [...Buffer.from("ec2.internal")],
    26: [mtu >> 8, mtu & 255],
  };
  const body = Object.entries(options).flatMap(([code, value]) => [Number(code), value.length, ...value]);
  return Buffer.concat([header, Buffer.from([...body, 255])]);
};

const dhcpOption = (message: Buffer, wanted: number): Buffer | undefined => {
  for (let at = 240; at < message.length && message[at] !== 255;) {
    const length = message[at] === 0 ? -1 : (message[at + 1] ?? 0);
    if (message[at] === wanted) return message.subarray(at + 2, at + 2 + length);
    at += 2 + length;
  }
  return undefined;
};

const bytes = (address: string): number[] => address.split(".").map(Number);

const metadataService = (metadata: BareMetadata): Server =>
  createServer(({ method, url = "" }, response) => {
    const answer = method === "PUT" ? "token" : metadataAt(url.replace(/^\/[^/]+\/|\/$/g, ""), metadata);
    response.writeHead(answer === undefined ? 404 : 200).end(answer);
  });

/** The leaf at `path` below the version, or the list of what is below it: cloud-init reads every one it is told of. */
const metadataAt = (
  path: string,
  { instanceId, publicKey, userData, hostName = ownName, included }: BareMetadata,
): string | Buffer | undefined => {
  const leaves: Record<string, string | Buffer | undefined> = {
    "meta-data/instance-id": instanceId,
    "meta-data/local-hostname": hostName,
    "meta-data/public-keys/0/openssh-key": publicKey,
    "meta-data/placement/availability-zone": zone,
    "dynamic/instance-identity/document": "{}",
    "user-data": userData,
    included,
  };
  if (path in leaves) return leaves[path];
  if (path === "meta-data/public-keys") return "0=key";
  const below = Object.keys(leaves).filter((leaf) => leaf.startsWith(`${path}/`));
  const names = below.map((leaf) => leaf.slice(path.length + 1).replace(/\/.*/, "/"));
  return names.length === 0 ? undefined : [...new Set(names)].join("\n");
};
