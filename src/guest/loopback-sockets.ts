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

/** All different: none is let go of before the last is found. */
export const freePorts = async (): Promise<ServicePorts> => {
  const probes = guestSockets.map(({ name, type }) => ({
    name,
    probe: type === "tcp" ? createServer().listen(0, loopback) : createSocket("udp4").bind(0, loopback),
  }));
  await Promise.all(probes.map(({ probe }) => once(probe, "listening")));
  const found = probes.map(({ name, probe }) => {
    const address = probe.address();
    return [name, typeof address === "object" && address ? address.port : 0] as const;
  });
  for (const { probe } of probes) await new Promise<void>((resolve) => probe.close(() => resolve()));
  return Object.fromEntries(found) as ServicePorts;
};

const AF_INET = 2;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
