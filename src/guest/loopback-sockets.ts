import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import { bind, check, listen, socket } from "#drivers/linux/libc.ts";
import { guestSockets } from "./guest-snapshot.ts";

export type ServicePorts = Readonly<Record<(typeof guestSockets)[number]["name"], number>>;

/** This process's own: what listens or connects on 127.0.0.1 meanwhile takes no port of it. */
export const loopback = `127.83.${(process.pid >> 8) & 255}.${process.pid & 255}`;

/** For tests without privileges: the sockets of `guestSockets` on `loopback`, at `ports` instead of the well-known ones. */
export const openLoopbackSockets = (ports: ServicePorts): number[] =>
  guestSockets.map(({ name, type }) => {
    const fd = check(
      "socket",
      socket(AF_INET, (type === "tcp" ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK, 0),
    );
    const address = Buffer.alloc(16);
    address.writeUInt16LE(AF_INET, 0);
    address.writeUInt16BE(ports[name], 2);
    address.set(loopback.split(".").map(Number), 4);
    check(`bind ${name}`, bind(fd, address, address.length));
    if (type === "tcp") check("listen", listen(fd, 16));
    return fd;
  });

export const freePorts = async (): Promise<ServicePorts> => ({
  dhcp: await freeUdpPort(),
  dns: await freeUdpPort(),
  "dns-tcp": await freeTcpPort(),
  "dns-vpc": await freeUdpPort(),
  "dns-vpc-tcp": await freeTcpPort(),
  imds: await freeTcpPort(),
  api: await freeTcpPort(),
  "api-ca": await freeTcpPort(),
  ntp: await freeUdpPort(),
});

const freeUdpPort = async (): Promise<number> => {
  const probe = createSocket("udp4").bind(0, loopback);
  await once(probe, "listening");
  const { port } = probe.address();
  await new Promise<void>((resolve) => probe.close(resolve));
  return port;
};

const freeTcpPort = async (): Promise<number> => {
  const probe = createServer().listen(0, loopback);
  await once(probe, "listening");
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return typeof address === "object" && address ? address.port : 0;
};

const AF_INET = 2;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
