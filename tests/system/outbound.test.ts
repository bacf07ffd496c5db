import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import type { Socket as DatagramSocket } from "node:dgram";
import { mkdtempSync, rmSync } from "node:fs";
import { Socket, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { run } from "#drivers/linux/commands.ts";
import { endProcess, isAlive, startedWith } from "#drivers/linux/host-process.ts";
import { openSocket } from "#drivers/linux/namespaces.ts";
import type { InterfaceElement, NetworkElement } from "#drivers/network/network-driver.ts";
import { destroyNetworks, openNetnsNetworks } from "#drivers/network/netns/netns-networks.ts";
import type { NetnsNetworks } from "#drivers/network/netns/netns-networks.ts";
import { routedRange } from "#drivers/network/routed-range.ts";
import { until } from "../until.ts";
import { dial, dialed, patiently, pings, plugIn, sendDatagram } from "./guest-namespace.ts";
import { playHost } from "./played-host.ts";

/**
 * This file plays a host of its own:
 *
 *   guest ─ network ─ edge ─ pasta ┤ croft-ohost: 192.168.77.2, 198.51.100.200 ┤ croft-oworld: 192.168.77.1, 203.0.113.10, …
 */
const prefix = "croft-ow";
const host = "croft-ohost";
const world = "croft-oworld";
const server = "203.0.113.10";
const stranger = "203.0.113.11";
const behindLan = "10.99.0.1";
const ownAddresses = ["192.168.77.2", "198.51.100.200"];

const card = (n: number, more: Partial<InterfaceElement> = {}): InterfaceElement => ({
  kind: "interface",
  subnet: "one",
  id: `eni-${n}`,
  mac: `02:aa:00:00:00:0${n}`,
  address: `10.0.1.${9 + n}`,
  groups: ["sg"],
  sourceCheck: true,
  ...more,
});
const open = card(1, { publicAddress: "198.18.250.11" });
const inward = card(2);
const guest = ({ id }: InterfaceElement) => `croft-owguest-${id}`;

const anything = [{ protocol: "any", peer: { cidr: "0.0.0.0/0" } }] as const;
const elements = new Map<string, NetworkElement>([
  ...routedRange("10.0.0.0/16", { one: "10.0.1.0/24" }),
  ["group/sg", { kind: "group", id: "sg", ingress: anything, egress: anything }],
  ["interface/eni-1", open],
  ["interface/eni-2", inward],
]);

const directory = mkdtempSync(join(tmpdir(), "croft-outbound-"));
const complaints: string[] = [];
let networks: NetnsNetworks;
const openDriver = async (to: readonly string[] = []) => {
  networks = await openNetnsNetworks({
    prefix,
    publicPool: "198.18.250.0/24",
    links: "veth",
    lookMs: 100,
    outbound: { uid: 0x7fff_fff0, complaints: join(directory, "pasta.log"), to },
    onError: (error) => complaints.push(String(error)),
  });
  await networks.apply("vpc-one", elements);
};
const pasta = () => startedWith(`CROFT_PASTA=${prefix}`).find(isAlive);

/** Whether a connection comes about, given time for pasta to start. */
const reaches = async (address: string, port = 80) =>
  until(
    async () => dial(guest(open), address, port, { timeoutMs: 500 }),
    (outcome) => outcome === "connected",
    10_000,
  );

const clean = async () => {
  await destroyNetworks(prefix);
  for (const name of [world, host, guest(open), guest(inward)])
    await run("ip", ["netns", "del", name]).catch(() => {});
};

before(async () => {
  await clean();
  await playHost({ host, world, ownAddresses, worldAddresses: [server, stranger, behindLan] });
  await openDriver();
  for (const element of [open, inward])
    await plugIn(guest(element), networks.port("vpc-one", element.id), element);
});

after(async () => {
  for (const close of closing) close();
  await networks.close();
  await clean();
  rmSync(directory, { recursive: true });
});
const closing: (() => void)[] = [];

/** Serves every connection to `port` of `namespace`. */
const serve = (namespace: string, port: number, connected: (socket: Socket) => void = () => {}) => {
  const listener = createServer((socket) => {
    socket.on("error", () => {});
    closing.push(() => socket.destroy());
    connected(socket);
  });
  listener.listen({ fd: openSocket(namespace, { type: "tcp", address: "0.0.0.0", port }) });
  closing.push(() => listener.close());
};

const datagramSocket = (namespace: string, address: string, port: number): DatagramSocket => {
  const socket = createSocket("udp4");
  socket.bind({ fd: openSocket(namespace, { type: "udp", address, port }) });
  closing.push(() => socket.close());
  return socket;
};

describe("a guest with a public address", () => {
  test("connects to the internet, as this host", async () => {
    const callers: (string | undefined)[] = [];
    serve(world, 80, (socket) => callers.push(socket.remoteAddress));
    assert.equal(await reaches(server), "connected", complaints.join());
    await until(
      async () => callers.length,
      (count) => count > 0,
    );
    assert.equal(callers[0], "192.168.77.2");
  });

  test("exchanges datagrams with it, of which only answers may be long, and hears nobody it did not ask", async () => {
    const inside = datagramSocket(guest(open), open.address, 5000);
    const outside = datagramSocket(world, server, 53);
    const asked: number[] = [];
    outside.on("message", (message, { port, address }) => {
      asked.push(message.length);
      sendDatagram(world, address, port, { from: stranger });
      outside.send(Buffer.alloc(8000), port, address);
    });
    const heard: number[] = [];
    inside.on("message", (message) => heard.push(message.length));
    for (const size of [8000, 100, 1472]) inside.send(Buffer.alloc(size), 53, server);
    await until(
      async () => heard.length,
      (count) => count > 1,
      5_000,
    );
    assert.deepEqual(asked, [100, 1472]);
    assert.deepEqual(heard, [8000, 8000]);
  });

  test("pings it", () => {
    assert.equal(pings(guest(open), server), true);
  });

  for (const [way, port] of [
    ["up", 81],
    ["down", 82],
  ] as const)
    test(`moves 256 MB ${way}`, { timeout: 240_000 }, async () => {
      const bytes = 256_000_000;
      let received = Promise.withResolvers<number>();
      serve(world, port, (socket) =>
        way === "down" ? pour(socket, bytes) : count(socket, received.resolve),
      );
      const move = () => {
        received = Promise.withResolvers<number>();
        const socket = new Socket({ fd: dialed(guest(open), server, port) });
        socket.on("error", received.reject);
        if (way === "up") pour(socket, bytes);
        else count(socket, received.resolve);
        return received.promise;
      };
      // Seldom, one breaks off: pasta throws away what comes out of order, and its far end hears of it too late.
      const moved = await until(
        () => move().catch(String),
        (outcome) => outcome === bytes,
        100_000,
      );
      assert.equal(moved, bytes);
    });

  test("reaches nothing of this host, of its loopback or of its LAN", () => {
    for (const port of [80, 8080]) serve(host, port);
    const closed = ["127.0.0.1", "169.254.2.1", ...ownAddresses, "192.168.77.1", behindLan];
    for (const address of closed)
      for (const port of [80, 8080])
        assert.notEqual(dial(guest(open), address, port), "connected", `${address}:${port}`);
    assert.equal(dial(undefined, "192.168.77.1", 80, patiently), "connected", "this host does");
    assert.equal(
      dial(world, ownAddresses[0] ?? "", 8080, patiently),
      "connected",
      "its LAN reaches this host",
    );
  });

  test("cannot reach an address from the moment this host has it", async () => {
    assert.equal(await reaches(stranger), "connected");
    await run("ip", ["address", "add", `${stranger}/32`, "dev", "eth0"]);
    const outcome = await until(
      async () => dial(guest(open), stranger, 8080),
      (seen) => seen === "timeout",
    );
    assert.equal(outcome, "timeout");
    await run("ip", ["address", "del", `${stranger}/32`, "dev", "eth0"]);
    assert.equal(await reaches(stranger), "connected");
  });
});

test("a guest without a public address has no way out", async () => {
  assert.equal(await reaches(server), "connected");
  assert.equal(dial(guest(inward), server, 80), "timeout");
  assert.equal(pings(guest(inward), server), false);
});

test("from outside nothing begins", () => {
  assert.notEqual(dial(world, "198.18.250.11", 22), "connected");
});

test("a network that is opened is reached, this host in it is not", async () => {
  await networks.close();
  await openDriver(["10.99.0.0/16", "192.168.77.0/24"]);
  assert.equal(await reaches(behindLan), "connected");
  assert.equal(await reaches("192.168.77.1"), "connected");
  assert.equal(dial(guest(open), "192.168.77.2", 8080), "timeout");
  await networks.close();
  await openDriver();
  assert.equal(dial(guest(open), behindLan, 80), "timeout");
});

describe("pasta", () => {
  test("runs as a user of its own in an empty root, under a filter", async () => {
    const { pid = 0 } = pasta() ?? {};
    const status = await run("cat", [`/proc/${pid}/status`]);
    assert.match(status, /^Uid:(\s+2147483632){4}$/m);
    assert.match(status, /^Seccomp:\s+2$/m);
    assert.match(status, /^NoNewPrivs:\s+1$/m);
    assert.equal(await run("ls", [`/proc/${pid}/root/`]), "");
  });

  test("goes on without whoever started it, and is taken up again", async () => {
    const earlier = pasta();
    await networks.close();
    assert.equal(dial(guest(open), server, 80, patiently), "connected");
    await openDriver();
    assert.equal(await reaches(server), "connected");
    assert.deepEqual(pasta(), earlier);
  });

  test("is started again when it ends, and says so", async () => {
    const earlier = pasta() ?? assert.fail("pasta does not run");
    await endProcess(earlier);
    assert.equal(await reaches(server), "connected");
    assert.notEqual(pasta()?.pid, earlier.pid);
    assert.match(complaints.join("\n"), /no way out until it runs again/);
  });

  test("gets a link that was taken from it back", { timeout: 60_000 }, async () => {
    await run("ip", ["link", "del", "dev", "world"], { namespace: `${prefix}-edge` });
    assert.equal(
      await until(
        async () => dial(guest(open), server, 80),
        (outcome) => outcome === "connected",
      ),
      "connected",
    );
  });
});

test("without the edge's rules nothing goes out", async () => {
  await networks.close();
  await run("nft", ["flush", "ruleset"], { namespace: `${prefix}-edge` });
  assert.equal(dial(guest(open), server, 80), "timeout");
  await openDriver();
  assert.equal(await reaches(server), "connected");
});

test("destroyed networks leave no pasta", async () => {
  await networks.close();
  await destroyNetworks(prefix);
  assert.deepEqual(startedWith(`CROFT_PASTA=${prefix}`), []);
});

/** Writes so many bytes, then ends. */
const pour = (socket: Socket, bytes: number): void => {
  const chunk = Buffer.alloc(1_000_000);
  let left = bytes;
  const more = () => {
    while (left > 0) {
      left -= chunk.length;
      if (!socket.write(chunk)) return void socket.once("drain", more);
    }
    socket.end();
  };
  more();
};

const count = (socket: Socket, done: (bytes: number) => void): void => {
  let bytes = 0;
  socket.on("data", (chunk: Buffer) => (bytes += chunk.length));
  socket.on("end", () => done(bytes));
};
