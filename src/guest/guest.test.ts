import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { serveGuests } from "./guest-feed.ts";
import type { GuestFeed } from "./guest-feed.ts";
import { startGuest } from "./guest.ts";
import { freePorts, loopback, openLoopbackSockets } from "./loopback-sockets.ts";
import { sampleInterface, sampleNetwork } from "./sample-network.ts";

const dir = mkdtempSync(join(tmpdir(), "croft-guest-"));
after(() => rmSync(dir, { recursive: true }));
const network = "vpc-1@host";

describe("a guest fed over a Unix socket", () => {
  test("serves names, metadata and time on the sockets that came along", async () => {
    await using region = await startRegion();
    region.feed.set(sampleNetwork([sampleInterface("127.0.0.5")]));
    await region.settled();
    await region.serves("127.0.0.5", "i-5");
    assert.match(
      (await region.askUdp("dns", dnsQuery("ip-127-0-0-5.ec2.internal"))).toString("hex"),
      /7f000005$/,
    );
    const time = await region.askUdp("ntp", Buffer.concat([Buffer.from([0x23]), Buffer.alloc(47)]));
    assert.equal(time.readUInt32BE(40) - 2_208_988_800, 1_800_000_000);
  });

  test("follows every change on the sockets it has", async () => {
    await using region = await startRegion();
    region.feed.set(sampleNetwork([sampleInterface("127.0.0.5")]));
    region.feed.set(sampleNetwork([sampleInterface("127.0.0.5"), sampleInterface("127.0.0.6")]));
    await region.settled();
    await region.serves("127.0.0.6", "i-6");
    region.feed.set(sampleNetwork([sampleInterface("127.0.0.6", { tree: { "instance-id": "i-changed" } })]));
    await region.settled();
    await region.serves("127.0.0.6", "i-changed");
    await region.ignores("127.0.0.5");
    assert.equal(region.opened(), 1);
  });

  test("goes on while croft-host is away, and keeps its sockets when it is back", async () => {
    await using region = await startRegion();
    region.feed.set(sampleNetwork([sampleInterface("127.0.0.5")]));
    await region.settled();
    await region.feed.close();
    await region.serves("127.0.0.5", "i-5");

    await region.restartHost();
    await region.settled();
    await region.serves("127.0.0.5", "i-5");
    region.feed.set(sampleNetwork([sampleInterface("127.0.0.7")]));
    await region.settled();
    await region.serves("127.0.0.7", "i-7");
    await region.ignores("127.0.0.5");
    assert.equal(region.opened(), 1);
  });

  test("gets fresh sockets when it was started anew, or the network's namespace was made anew", async () => {
    await using region = await startRegion();
    region.feed.set(sampleNetwork([sampleInterface("127.0.0.5")]));
    await region.settled();
    await region.restartGuest();
    await region.settled();
    await region.serves("127.0.0.5", "i-5");
    assert.equal(region.opened(), 2);

    region.namespaces.set(network, "another");
    region.ports = await freePorts();
    region.feed.set(sampleNetwork([sampleInterface("127.0.0.5")]));
    await region.settled();
    await region.serves("127.0.0.5", "i-5");
    assert.equal(region.opened(), 3);
  });

  test("asks the resolvers it was last told of, and serves on meanwhile", async () => {
    await using region = await startRegion();
    region.feed.set(sampleNetwork([sampleInterface("127.0.0.5")]));
    await region.settled();
    const upstream = createSocket("udp4").bind(0, loopback);
    upstream.on("message", (asked, from) => {
      asked.writeUInt16BE(0x8183, 2);
      upstream.send(asked, from.port, from.address);
    });
    await once(upstream, "listening");
    const question = dnsQuery("example.com");
    assert.equal((await region.askUdp("dns", question)).readUInt16BE(2), 0x8182, "nobody to ask");
    region.feed.setResolvers([{ address: loopback, port: upstream.address().port }]);
    await region.serves("127.0.0.5", "i-5");
    await eventually(async () =>
      assert.equal((await region.askUdp("dns", question)).readUInt16BE(2), 0x8183, "no such name"),
    );
    assert.equal(region.opened(), 1);
    upstream.close();
  });

  test("closes the sockets of a network that is gone, also one that went while croft-host was away", async () => {
    await using region = await startRegion();
    region.feed.set(sampleNetwork([sampleInterface("127.0.0.5")]));
    await region.settled();
    region.feed.remove(network);
    await region.settled();
    await region.refuses("127.0.0.5");

    region.feed.set(sampleNetwork([sampleInterface("127.0.0.5")]));
    await region.settled();
    await region.feed.close();
    region.namespaces.delete(network);
    await region.restartHost();
    await region.settled();
    await region.refuses("127.0.0.5");
  });

  test("hears of a network once its namespace exists", async () => {
    await using region = await startRegion();
    region.namespaces.delete(network);
    region.feed.set(sampleNetwork([sampleInterface("127.0.0.5")]));
    await sleep(100);
    assert.equal(region.feed.connected(), false);
    region.namespaces.set(network, "now");
    await region.settled();
    await region.serves("127.0.0.5", "i-5");
  });

  test("leaves no descriptor behind on either side", async () => {
    const before = readdirSync("/proc/self/fd").length;
    {
      await using region = await startRegion();
      for (let round = 0; round < 5; round += 1) {
        region.feed.set(sampleNetwork([sampleInterface("127.0.0.5")]));
        await region.settled();
        await region.restartGuest();
        await region.settled();
        region.feed.remove(network);
        await region.settled();
      }
    }
    // What is closed is gone a little later, on a busy machine after a second.
    const open = () => readdirSync("/proc/self/fd").length;
    for (let look = 0; look < 100 && open() > before; look += 1) await sleep(50);
    assert.equal(open(), before);
  });
});

describe("the feed's socket", () => {
  test("is the guest user's alone", async () => {
    await using region = await startRegion();
    const { mode, uid } = statSync(region.socketPath);
    assert.deepEqual([mode & 0o777, uid], [0o600, process.getuid?.()]);
  });

  test("ends a conversation that starts with anything but one short greeting, and takes the next guest", async () => {
    await using region = await startRegion();
    const greetings = [
      "nonsense\n",
      "null\n",
      '{"holds":7}\n',
      "x".repeat(2 * 1024 * 1024),
      '{"holds":{}}\n{"holds":{}}\n',
    ];
    for (const greeting of greetings) {
      const intruder = connect(region.socketPath);
      intruder.on("error", () => {});
      intruder.write(greeting);
      await new Promise((resolve) => intruder.resume().on("close", resolve));
    }
    region.feed.set(sampleNetwork([sampleInterface("127.0.0.5")]));
    await region.settled();
    await region.serves("127.0.0.5", "i-5");
  });
});

/** Both programs in this process, their services on loopback ports. */
const startRegion = async () => {
  const socketPath = join(dir, `${crypto.randomUUID()}.sock`);
  const namespaces = new Map([[network, "first"]]);
  let opened = 0;
  let guest = runGuest(socketPath);
  const host = (): Promise<GuestFeed> =>
    serveGuests({
      socketPath,
      guestUid: process.getuid?.() ?? 0,
      settings: { tokenKey: "a key", resolvers: [] },
      openSockets: () => {
        opened += 1;
        return openLoopbackSockets(region.ports);
      },
      namespaceOf: (id) => namespaces.get(id),
      log: () => {},
      retryMs: 10,
    });
  const region = {
    socketPath,
    namespaces,
    ports: await freePorts(),
    feed: await host(),
    opened: () => opened,
    async settled() {
      for (let look = 0; !region.feed.connected(); look += 1) {
        assert.ok(look < 500, "the guest was told everything within 5 s");
        await sleep(10);
      }
    },
    restartHost: async () => void (region.feed = await host()),
    async restartGuest() {
      await guest.stop();
      guest = runGuest(socketPath);
    },
    serves: (from: string, id: string) =>
      eventually(async () => assert.equal(await instanceId(region.ports.imds, from), id)),
    /** Nobody listens any more. */
    refuses: (from: string) =>
      eventually(() => assert.rejects(instanceId(region.ports.imds, from), { code: "ECONNREFUSED" })),
    /** As a stranger. */
    ignores: (from: string) => eventually(() => assert.rejects(instanceId(region.ports.imds, from))),
    askUdp: (service: "dns" | "ntp", message: Buffer) => exchange(region.ports[service], message),
    async [Symbol.asyncDispose]() {
      await guest.stop();
      await region.feed.close();
    },
  };
  return region;
};

const runGuest = (socketPath: string) => {
  const stopped = new AbortController();
  const done = startGuest({
    socketPath,
    signal: stopped.signal,
    log: () => {},
    clock: () => 1_800_000_000_000,
    reconnectMs: 10,
    apiSocket: "/nonexistent",
    realAws: false,
  });
  return {
    stop: async () => {
      stopped.abort();
      await done;
    },
  };
};

/** Told is not yet taken in: the guest reads in its own time. */
const eventually = async (check: () => Promise<void>): Promise<void> => {
  for (const end = Date.now() + 5000; Date.now() < end; await sleep(10))
    if (
      await check().then(
        () => true,
        () => false,
      )
    )
      return;
  await check();
};

const instanceId = async (port: number, localAddress: string): Promise<string> => {
  const path = "/latest/meta-data/instance-id";
  const asked = request({ host: loopback, port, path, localAddress, agent: false }).end();
  const [response] = await once(asked, "response");
  let body = "";
  for await (const chunk of response) body += String(chunk);
  return body;
};

const exchange = async (port: number, message: Buffer): Promise<Buffer> => {
  const client = createSocket("udp4");
  client.send(message, port, loopback);
  const [answer] = await once(client, "message", { signal: AbortSignal.timeout(2000) });
  client.close();
  return Buffer.from(answer);
};

const dnsQuery = (name: string): Buffer =>
  Buffer.concat([
    Buffer.from("000101000001000000000000", "hex"),
    ...name.split(".").map((label) => Buffer.from(`${String.fromCodePoint(label.length)}${label}`)),
    Buffer.from("0000010001", "hex"),
  ]);
