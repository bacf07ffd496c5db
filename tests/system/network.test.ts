import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, readFileSync } from "node:fs";
import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import { networkInterfaces } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { after, before, beforeEach, describe, test } from "node:test";
import { run } from "#drivers/linux/commands.ts";
import { send } from "#drivers/linux/libc.ts";
import { inNamespace, openSocket } from "#drivers/linux/namespaces.ts";
import type {
  GroupElement,
  InterfaceElement,
  NetworkElement,
  TrafficRule,
} from "#drivers/network/network-driver.ts";
import { destroyNetworks, openNetnsNetworks } from "#drivers/network/netns/netns-networks.ts";
import type { NetnsNetworks } from "#drivers/network/netns/netns-networks.ts";
import { networkConformance } from "#drivers/network/network-conformance.ts";
import { passes } from "#drivers/network/traffic.ts";
import { routedRange } from "#drivers/network/routed-range.ts";
import { seededRandom } from "#testing/seeded-random.ts";
import { until } from "../until.ts";
import {
  dial,
  dialed,
  icmpAnswer,
  patiently,
  pings,
  plugIn,
  received,
  sendDatagram,
  sendFragment,
  unacknowledged,
  waiting,
} from "./guest-namespace.ts";

const prefix = "croft-nt";
const publicPool = "198.18.250.0/24";
const network = "vpc-one";
const router = `${prefix}-${network}`;

const anywhere = { cidr: "0.0.0.0/0" };
const ssh: TrafficRule = { protocol: 6, ports: { from: 22, to: 22 }, peer: anywhere };
const everything: TrafficRule = { protocol: "any", peer: anywhere };

const card = (n: number, more: Partial<InterfaceElement> = {}): InterfaceElement => ({
  kind: "interface",
  id: `eni-${n}`,
  subnet: n === 4 ? "two" : "one",
  mac: `02:aa:00:00:00:0${n}`,
  address: `10.0.${n === 4 ? 2 : 1}.${9 + n}`,
  groups: [`sg-${n}`],
  sourceCheck: true,
  ...more,
});
const a = card(1, { publicAddress: "198.18.250.11" });
const b = card(2);
const c = card(3, { sourceCheck: false });
/** In the other subnet, with a public address too. */
const d = card(4, { publicAddress: "198.18.250.14" });
const guest = ({ id }: InterfaceElement) => `croft-ntguest-${id}`;

const group = (
  id: string,
  ingress: TrafficRule[] = [],
  egress: TrafficRule[] = [everything],
): GroupElement => ({
  kind: "group",
  id,
  ingress,
  egress,
});

/** Everything shut, but that all may send. */
const shut = (): Map<string, NetworkElement> =>
  new Map<string, NetworkElement>([
    ...routedRange("10.0.0.0/16", { one: "10.0.1.0/24", two: "10.0.2.0/24" }),
    ...[a, b, c, d].flatMap((element, index): [string, NetworkElement][] => [
      [`interface/${element.id}`, element],
      [`group/sg-${index + 1}`, group(`sg-${index + 1}`)],
      [
        `member/sg-${index + 1}/${element.address}`,
        { kind: "member", group: `sg-${index + 1}`, address: element.address },
      ],
    ]),
  ]);

await destroyNetworks("croft-ntc");
const conforming = await openNetnsNetworks({
  prefix: "croft-ntc",
  publicPool: "198.18.249.0/24",
  onError: (error) => assert.fail(String(error)),
});
after(async () => {
  await conforming.close();
  await destroyNetworks("croft-ntc");
});
networkConformance("networks of namespaces", () => conforming);

let networks: NetnsNetworks;
const disturbed: string[] = [];
const openDriver = async () => {
  networks = await openNetnsNetworks({
    prefix,
    publicPool,
    links: "veth",
    lookMs: 100,
    onError: (error) => assert.fail(String(error)),
  });
  networks.onForeignChange((id) => disturbed.push(id));
};

const applied = async (...elements: [key: string, element: NetworkElement][]) => {
  await networks.apply(network, new Map([...shut(), ...elements]));
};
const opened = (n: number, ...ingress: TrafficRule[]): [string, NetworkElement] => [
  `group/sg-${n}`,
  group(`sg-${n}`, ingress),
];

const clean = async () => {
  await destroyNetworks(prefix);
  for (const element of [a, b, c, d]) await run("ip", ["netns", "del", guest(element)]).catch(() => {});
};

const listening: number[] = [];
const udp = new Map<string, number>();

before(async () => {
  await clean();
  await openDriver();
  await applied();
  for (const element of [a, b, c, d]) {
    await plugIn(guest(element), networks.port(network, element.id), element);
    for (const port of [22, 80])
      listening.push(openSocket(guest(element), { type: "tcp", address: "0.0.0.0", port }));
    udp.set(element.id, openSocket(guest(element), { type: "udp", address: "0.0.0.0", port: 53 }));
  }
  listening.push(...udp.values());
});

after(async () => {
  for (const fd of listening) closeSync(fd);
  await networks.apply(network, new Map());
  await networks.close();
  await clean();
});

beforeEach(async () => {
  await applied();
  for (const fd of udp.values()) waiting(fd);
});

/** Datagrams that arrived at `to` from one sent now. */
const datagrams = async (
  from: InterfaceElement,
  to: InterfaceElement,
  options: { from?: string; to?: string } = {},
): Promise<number> => {
  sendDatagram(guest(from), options.to ?? to.address, 53, options);
  let arrived = 0;
  for (let waited = 0; arrived === 0 && waited < 250; waited += 10) {
    await sleep(10);
    arrived = waiting(udp.get(to.id) ?? -1);
  }
  return arrived;
};

describe("a group's rules", () => {
  test("keep out, also inside one subnet, without an answer", () => {
    assert.equal(dial(guest(a), b.address, 22), "timeout");
    assert.equal(dial(guest(a), d.address, 22), "timeout");
  });

  test("let in by protocol and port, and nothing else", async () => {
    await applied(opened(2, ssh));
    assert.equal(dial(guest(a), b.address, 22, patiently), "connected");
    assert.equal(dial(guest(d), b.address, 22, patiently), "connected");
    assert.equal(dial(guest(a), b.address, 80), "timeout");
    assert.equal(dial(guest(b), a.address, 22), "timeout", "b may be reached, a may not");
    assert.equal(await datagrams(a, b), 0);
    await applied(opened(2, { protocol: 17, ports: { from: 50, to: 60 }, peer: anywhere }));
    assert.equal(await datagrams(a, b), 1);
    assert.equal(dial(guest(a), b.address, 22), "timeout");
  });

  test("let in by address range", async () => {
    await applied(opened(2, { ...ssh, peer: { cidr: `${a.address}/32` } }));
    assert.equal(dial(guest(a), b.address, 22, patiently), "connected");
    assert.equal(dial(guest(d), b.address, 22), "timeout");
    await applied(opened(2, { ...ssh, peer: { cidr: "10.0.2.0/24" } }));
    assert.equal(dial(guest(a), b.address, 22), "timeout");
    assert.equal(dial(guest(d), b.address, 22, patiently), "connected");
  });

  test("let in the members of another group, until they leave it", async () => {
    const fromOne = opened(2, { ...ssh, peer: { group: "sg-1" } });
    await applied(fromOne);
    assert.equal(dial(guest(a), b.address, 22, patiently), "connected");
    assert.equal(dial(guest(d), b.address, 22), "timeout");
    const without = new Map([...shut(), fromOne]);
    without.delete(`member/sg-1/${a.address}`);
    await networks.apply(network, without);
    assert.equal(dial(guest(a), b.address, 22), "timeout");
  });

  test("are added up over an interface's groups", async () => {
    await applied(
      ["interface/eni-2", { ...b, groups: ["sg-2", "sg-web"] }],
      ["group/sg-web", group("sg-web", [ssh], [])],
    );
    assert.equal(dial(guest(a), b.address, 22, patiently), "connected");
    await applied(["interface/eni-2", { ...b, groups: [] }], opened(2, ssh));
    assert.equal(dial(guest(a), b.address, 22), "timeout", "no group: nothing passes");
  });

  test("decide about leaving as well", async () => {
    await applied(["group/sg-1", group("sg-1", [], [])], opened(2, everything));
    assert.equal(dial(guest(a), b.address, 22), "timeout");
    await applied(
      ["group/sg-1", group("sg-1", [], [{ ...ssh, peer: { group: "sg-2" } }])],
      opened(2, everything),
    );
    assert.equal(dial(guest(a), b.address, 22, patiently), "connected");
    assert.equal(dial(guest(a), b.address, 80), "timeout");
    assert.equal(dial(guest(a), d.address, 22), "timeout");
  });

  test("know ICMP by type", async () => {
    await applied(opened(2, { protocol: 1, ports: { from: 8, to: -1 }, peer: anywhere }));
    assert.equal(pings(guest(a), b.address), true);
    await applied(opened(2, { protocol: 1, ports: { from: 13, to: -1 }, peer: anywhere }));
    assert.equal(pings(guest(a), b.address), false);
  });

  test("know a connection for as long as AWS does, of datagrams for three minutes", () => {
    const seconds = (name: string) =>
      inNamespace(router, () => Number(readFileSync(`/proc/sys/net/netfilter/nf_conntrack_${name}`, "utf8")));
    const kinds = ["tcp_timeout_established", "udp_timeout", "udp_timeout_stream"];
    assert.deepEqual(kinds.map(seconds), [432_000, 30, 180]);
  });

  test("know it for as long as the interface that is called says, or else the one that calls", async () => {
    const calling: [string, NetworkElement] = ["interface/eni-1", { ...a, idle: { tcpEstablished: 100 } }];
    const called: [string, NetworkElement] = [
      "interface/eni-2",
      { ...b, idle: { tcpEstablished: 300, udp: 45 } },
    ];
    const known = async (to: InterfaceElement, protocol: string) => {
      const all = await run("conntrack", ["-L", "-p", protocol, "-d", to.address], { namespace: router });
      return Number(/^\w+ +\d+ (\d+) (?!TIME_WAIT|CLOSE)/m.exec(all)?.[1]);
    };
    const begun = async (to: InterfaceElement) => {
      await run("conntrack", ["-F"], { namespace: router });
      using stack = new DisposableStack();
      stack.adopt(dialed(guest(a), to.address, 22), closeSync);
      sendDatagram(guest(a), to.address, 53);
      return [await known(to, "tcp"), await known(to, "udp")];
    };
    const about = (seen: number[], wanted: number[]) =>
      assert.ok(
        wanted.every((most, n) => (seen[n] ?? 0) > most - 10 && (seen[n] ?? 0) <= most),
        `${seen.join(" and ")} s, not ${wanted.join(" and ")}`,
      );
    await applied(opened(2, everything), opened(4, everything), called);
    about(await begun(b), [300, 45]);
    about(await begun(d), [432_000, 30]);
    await applied(opened(2, everything), opened(4, everything), called, calling);
    about(await begun(b), [300, 45]);
    about(await begun(d), [100, 30]);
    await applied(opened(2, everything));
    about(await begun(b), [432_000, 30]);
  });

  describe("that change", () => {
    const fromA: TrafficRule = { ...ssh, peer: { cidr: `${a.address}/32` } };
    const outwards = (n: number, ...egress: TrafficRule[]): [string, NetworkElement] => [
      `group/sg-${n}`,
      group(`sg-${n}`, [ssh], egress),
    ];

    for (const [what, narrow] of [
      ["that is let in from some addresses", opened(2, fromA)],
      ["to which not everything may be answered", outwards(2, { ...everything, protocol: 17 })],
    ] as const)
      test(`leave a connection alone ${what}, and count for the next one at once`, async () => {
        await applied(narrow);
        const fd = dialed(guest(a), b.address, 22);
        await applied();
        assert.equal(dial(guest(a), b.address, 22), "timeout");
        assert.equal(await acknowledged(fd), true);
        closeSync(fd);
      });

    for (const [from, client, to] of [
      ["a neighbour", guest(a), b],
      ["outside", undefined, a],
    ] as const)
      test(`stop a connection from ${from} that all may open at once, and let it go on once they pass it again`, async () => {
        const n = to === a ? 1 : 2;
        await applied(opened(n, ssh));
        const fd = dialed(client, to.publicAddress ?? to.address, 22);
        const other = dialed(guest(c), to.address, 22);
        await applied(opened(n, { ...ssh, peer: { cidr: `${c.address}/32` } }));
        assert.equal(await acknowledged(fd, 1_500), false);
        assert.equal(await acknowledged(other), true);
        await applied(opened(n, ssh, everything));
        assert.equal(await acknowledged(fd), true);
        for (const it of [fd, other]) closeSync(it);
      });

    test("stop what all may receive when its interface leaves the group that let it pass", async () => {
      const left: [string, NetworkElement] = ["interface/eni-2", { ...b, groups: ["sg-3"] }];
      await applied(opened(2, ssh));
      const fd = dialed(guest(a), b.address, 22);
      await applied(opened(2, ssh), opened(3, fromA), left);
      assert.equal(await acknowledged(fd), true);
      await applied(opened(2, ssh), left);
      assert.equal(await acknowledged(fd), true);
      closeSync(fd);

      await applied(opened(2, ssh));
      const untracked = dialed(guest(a), b.address, 22);
      await applied(opened(2, ssh), left);
      assert.equal(await acknowledged(untracked, 1_500), false);
      closeSync(untracked);
    });
  });
});

test("random rules let through what the contract says, no more and no less", async () => {
  const below = seededRandom(7);
  const cards = [a, b, c, d];
  const rule = (): TrafficRule => ({
    protocol: below(3) === 0 ? "any" : 6,
    ...(below(2) === 0 ? { ports: { from: 22, to: 22 + below(80) } } : {}),
    peer:
      below(2) === 0
        ? { group: `sg-${1 + below(4)}` }
        : { cidr: below(2) === 0 ? "0.0.0.0/0" : "10.0.1.8/30" },
  });
  const rules = () => Array.from({ length: below(3) }, rule);
  let connected = 0;
  for (let round = 0; round < 25; round++) {
    const desired = new Map(shut());
    for (const n of [1, 2, 3, 4]) desired.set(`group/sg-${n}`, group(`sg-${n}`, rules(), rules()));
    for (const it of cards)
      desired.set(`interface/${it.id}`, {
        ...it,
        groups: [1, 2, 3, 4].filter(() => below(2) === 0).map((n) => `sg-${n}`),
      });
    await networks.apply(network, desired);
    for (const from of cards)
      for (const to of cards) {
        if (from === to || below(3) > 0) continue;
        const port = below(2) === 0 ? 22 : 80;
        const expected = passes(desired.values(), { from: from.address, to: to.address, protocol: 6, port });
        const answer = dial(guest(from), to.address, port, expected ? patiently : { timeoutMs: 60 });
        assert.equal(answer, expected ? "connected" : "timeout", JSON.stringify({ round, from, to, port }));
        if (expected) connected += 1;
      }
  }
  assert.ok(connected > 10, `only ${connected} were to pass`);
});

describe("a guest", () => {
  test("cannot send from an address that is not its own", async () => {
    await applied(opened(2, everything));
    await run("ip", ["address", "add", "10.0.1.99/32", "dev", "lo"], { namespace: guest(a) });
    await run("ip", ["address", "add", `${d.address}/32`, "dev", "lo"], { namespace: guest(a) });
    assert.equal(await datagrams(a, b), 1, "its own passes");
    assert.equal(await datagrams(a, b, { from: "10.0.1.99" }), 0);
    assert.equal(await datagrams(a, b, { from: d.address }), 0);
  });

  test("cannot add a piece to what another sends", async () => {
    await applied(opened(4, everything));
    const header = Buffer.from([0, 7, 0, 53, 0, 24, 0, 0]).toString("latin1");
    const piece = (id: number, at: number, text: string) => ({
      from: b.address,
      to: d.address,
      protocol: 17,
      id,
      at,
      last: at > 0,
      data: Buffer.from(text, "latin1"),
    });
    const arrived = () =>
      until(
        async () => received(udp.get(d.id) ?? -1),
        ({ length }) => length > 0,
      );
    sendFragment(guest(a), piece(1, 16, "and by a"));
    sendFragment(guest(b), piece(1, 0, `${header}from b, `));
    sendFragment(guest(b), piece(1, 16, "as ever."));
    assert.deepEqual(await arrived(), ["from b, as ever."]);
    sendFragment(guest(b), piece(2, 0, `${header}from b, `));
    sendFragment(guest(a), piece(2, 16, "and by a"));
    sendFragment(guest(b), piece(2, 16, "as ever."));
    assert.deepEqual(await arrived(), ["from b, as ever."]);
  });

  test("cannot send from a hardware address that is not its own", async () => {
    await applied(opened(2, everything));
    await run("ip", ["link", "set", "dev", "eth0", "address", "02:aa:00:00:00:77"], { namespace: guest(a) });
    assert.equal(await datagrams(a, b), 0);
    await run("ip", ["link", "set", "dev", "eth0", "address", a.mac], { namespace: guest(a) });
    assert.equal(await datagrams(a, b), 1);
  });

  test("with the source check off may forward for others, but not speak to the services as another", async () => {
    await applied(opened(2, everything));
    await run("ip", ["address", "add", "192.0.2.77/32", "dev", "lo"], { namespace: guest(c) });
    await run("ip", ["address", "add", `${a.address}/32`, "dev", "lo"], { namespace: guest(c) });
    assert.equal(await datagrams(c, b, { from: "192.0.2.77" }), 1);
    const services = ["169.254.169.253", "10.0.0.2"].map((address) =>
      openSocket(router, { type: "udp", address, port: 53 }),
    );
    try {
      for (const [index, to] of ["169.254.169.253", "10.0.0.2"].entries()) {
        sendDatagram(guest(c), to, 53, { from: a.address });
        sendDatagram(guest(c), to, 53, { from: "192.0.2.77" });
        await sleep(20);
        assert.equal(waiting(services[index] ?? -1), 0);
        sendDatagram(guest(c), to, 53);
        await sleep(20);
        assert.equal(waiting(services[index] ?? -1), 1, "as itself it may");
      }
    } finally {
      services.forEach((fd) => closeSync(fd));
    }
  });

  test("reaches the services of its network, and nothing else on the router", async () => {
    const sockets = [
      { type: "tcp", address: "169.254.169.254", port: 80 },
      { type: "tcp", address: "169.254.169.253", port: 53 },
      { type: "tcp", address: "169.254.169.240", port: 443 },
      { type: "tcp", address: "0.0.0.0", port: 81 },
      { type: "tcp", address: "10.0.1.1", port: 80 },
    ] as const;
    const fds = sockets.map((socket) => openSocket(router, socket));
    assert.equal(dial(guest(a), "169.254.169.254", 80, patiently), "connected");
    assert.equal(dial(guest(a), "169.254.169.253", 53, patiently), "connected");
    assert.equal(dial(guest(a), "169.254.169.240", 443, patiently), "connected");
    assert.equal(dial(guest(a), "169.254.169.240", 81), "timeout");
    assert.equal(dial(guest(a), "10.0.1.1", 80), "timeout");
    assert.equal(dial(guest(a), "169.254.169.254", 81), "timeout");
    assert.equal(dial(guest(a), "10.0.1.1", 81), "timeout");
    assert.equal(pings(guest(a), "10.0.1.1"), true, "its gateway answers echo requests");
    assert.equal(pings(guest(a), "10.0.0.2"), false);
    fds.forEach((fd) => closeSync(fd));
  });

  test("gets its lease at its address, or as a broadcast when it asked for that", async () => {
    const server = createSocket("udp4");
    const listening67 = once(server, "listening");
    server.bind({ fd: openSocket(router, { type: "udp", address: "0.0.0.0", port: 67 }) });
    await listening67;
    const unicast = openSocket(guest(a), { type: "udp", address: a.address, port: 68 });
    const broadcast = openSocket(guest(a), { type: "udp", address: "255.255.255.255", port: 68 });
    const elsewhere = openSocket(guest(b), { type: "udp", address: "255.255.255.255", port: 68 });
    const leased = async (flags: number) => {
      const reply = Buffer.alloc(300);
      reply.writeUInt16BE(flags, 10);
      server.send(reply, 68, a.address);
      await sleep(50);
      return [unicast, broadcast, elsewhere].map(waiting);
    };
    assert.deepEqual(await leased(0), [1, 0, 0]);
    assert.deepEqual(await leased(0x8000), [0, 1, 0]);
    for (const fd of [unicast, broadcast, elsewhere]) closeSync(fd);
    server.close();
  });

  test("learns nothing of addresses nobody has", async () => {
    assert.equal(pings(guest(a), "10.0.1.200"), false);
    const neighbours = await run("ip", ["neighbour", "show", "10.0.1.200"], { namespace: guest(a) });
    assert.doesNotMatch(neighbours, /lladdr/);
  });

  test("is answered by ARP whoever it says it is, and noted as nobody else", async () => {
    await run("ip", ["address", "add", "192.0.2.88/32", "dev", "lo"], { namespace: guest(a) });
    await run("ip", ["neighbour", "flush", "dev", "eth0"], { namespace: guest(a) });
    sendDatagram(guest(a), b.address, 53, { from: "192.0.2.88" });
    const answer = await until(
      () => run("ip", ["neighbour", "show", b.address], { namespace: guest(a) }),
      (it) => it.includes("lladdr"),
      5_000,
    );
    assert.match(answer, /lladdr 02:00:00:00:00:01/);
    assert.equal(await run("ip", ["neighbour", "show", "192.0.2.88"], { namespace: router }), "");
    await run("ip", ["address", "del", "192.0.2.88/32", "dev", "lo"], { namespace: guest(a) });
  });

  test("reaches nothing of this host", async () => {
    const host = JSON.parse(await run("ip", ["-json", "address", "show", "dev", prefix]))[0].addr_info[0]
      .local;
    const own = JSON.parse(await run("ip", ["-json", "-4", "address", "show", "scope", "global"]))
      .flatMap((link: { addr_info: { local: string }[] }) => link.addr_info.map(({ local }) => local))
      .filter((address: string) => address !== host);
    const services = openSocket(edge, { type: "tcp", address: "0.0.0.0", port: 4566 });
    const server = await openHostServer();
    try {
      for (const address of [host, ...own])
        assert.notEqual(dial(guest(a), address, server.port), "connected", address);
      assert.notEqual(dial(guest(a), "169.254.1.1", 4566), "connected");
      assert.notEqual(dial(guest(a), publicPool.replace("0/24", "1"), 4566), "connected");
    } finally {
      closeSync(services);
      server.close();
    }
  });
});

const edge = `${prefix}-edge`;

/** A listener on all of this host's addresses. */
const openHostServer = async () => {
  const server = createServer();
  server.listen(0, "0.0.0.0");
  await once(server, "listening");
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  return { port: address.port, close: () => server.close() };
};

describe("a public address", () => {
  test("reaches its interface from this host, as the group says", async () => {
    assert.equal(dial(undefined, "198.18.250.11", 22), "timeout");
    await applied(opened(1, ssh));
    assert.equal(dial(undefined, "198.18.250.11", 22, patiently), "connected");
    assert.equal(dial(undefined, "198.18.250.11", 80), "timeout");
    assert.equal(dial(undefined, "198.18.250.14", 22), "timeout");
  });

  test("nobody has is silent", () => {
    assert.notEqual(dial(undefined, "198.18.250.99", 22), "connected");
  });

  test("moves with its interface's wish", async () => {
    await applied(opened(1, ssh), opened(2, ssh));
    const { publicAddress, ...bare } = a;
    await applied(
      opened(2, ssh),
      opened(1, ssh),
      ["interface/eni-1", bare],
      ["interface/eni-2", { ...b, publicAddress: "198.18.250.11" }],
    );
    const fd = dialed(undefined, "198.18.250.11", 22);
    const connections = await run("conntrack", ["-L", "-d", b.address], { namespace: router });
    closeSync(fd);
    assert.match(connections, / dst=10\.0\.1\.11 sport=\d+ dport=22 /);
    assert.equal(publicAddress, "198.18.250.11");
  });

  test("leads from one guest to another, and shows the sender's own", async () => {
    await applied(opened(1, { ...ssh, peer: { cidr: "198.18.250.14/32" } }));
    assert.equal(dial(guest(d), "198.18.250.11", 22, patiently), "connected");
    await applied(opened(1, { ...ssh, peer: { cidr: "10.0.0.0/8" } }));
    assert.equal(dial(guest(d), "198.18.250.11", 22), "timeout");
  });

  test("stands in what is quoted of a packet that was refused, and each checksum is right", async () => {
    await applied(opened(1, everything));
    for (const [from, own] of [
      [guest(d), d.address],
      [undefined, hostAddress()],
    ] as const) {
      const answer = icmpAnswer(from, "198.18.250.11", 54);
      const message = answer.subarray(20);
      assert.deepEqual([...message.subarray(0, 2)], [3, 3], "destination unreachable: port");
      assert.deepEqual(addresses(answer), ["198.18.250.11", own]);
      assert.deepEqual(addresses(message.subarray(8)), [own, "198.18.250.11"]);
      assert.equal(checksum(message), 0);
      assert.equal(checksum(message.subarray(8, 28)), 0);
    }
  });

  test("is needed to go out", async () => {
    await applied(opened(1, ssh));
    assert.equal(dial(guest(b), "198.18.250.11", 22), "timeout");
  });
});

/** Where an IP packet comes from, and goes. */
const addresses = (packet: Buffer): string[] =>
  [12, 16].map((at) => [...packet.subarray(at, at + 4)].join("."));

/** As RFC 1071 has it: 0 of what has its own in it. */
const checksum = (bytes: Buffer): number => {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += (bytes[at] ?? 0) * 256 + (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
};

/** This host's, on its link to the networks. */
const hostAddress = (): string => networkInterfaces()[prefix]?.[0]?.address ?? "";

/** The networks the driver told of, within 5 s. */
const noticed = async () => {
  for (let waited = 0; disturbed.length === 0 && waited < 20_000; waited += 20) await sleep(20);
  return disturbed.splice(0);
};

/** At once, so that the driver cannot repair it before the test has looked. */
const flushRules = (namespace: string) =>
  inNamespace(namespace, () => execFileSync("nft", ["flush", "ruleset"]));

describe("a network someone else disturbed", () => {
  beforeEach(async () => {
    await sleep(150);
    disturbed.length = 0;
  });

  test("passes nothing without its rules, not even to the services, says so, and is as before once applied", async () => {
    await applied(opened(1, ssh), opened(2, ssh));
    const service = openSocket(router, { type: "tcp", address: "169.254.169.254", port: 80 });
    assert.equal(dial(guest(a), "169.254.169.254", 80, patiently), "connected");
    flushRules(router);
    assert.equal(dial(guest(a), b.address, 22), "timeout");
    assert.equal(dial(undefined, "198.18.250.11", 22), "timeout");
    assert.equal(dial(guest(a), "169.254.169.254", 80), "timeout");
    assert.deepEqual(await noticed(), [network]);
    await applied(opened(1, ssh), opened(2, ssh));
    assert.equal(dial(guest(a), b.address, 22, patiently), "connected");
    assert.equal(dial(undefined, "198.18.250.11", 22, patiently), "connected");
    assert.equal(dial(guest(a), "169.254.169.254", 80, patiently), "connected");
    closeSync(service);
  });

  test("is noticed by a rule added, a route removed, a link set down", async () => {
    await applied(opened(2, ssh));
    const { device } = networks.port(network, b.id);
    const disturbances: [string, string[]][] = [
      ["nft", ["insert", "rule", "ip", "croft", "passing", "accept"]],
      ["ip", ["route", "del", b.address, "dev", device]],
      ["ip", ["link", "set", "dev", device, "down"]],
      ["ip", ["rule", "del", "pref", "40"]],
    ];
    for (const [file, args] of disturbances) {
      await run(file, args, { namespace: router });
      assert.deepEqual(await noticed(), [network], args.join(" "));
      await applied(opened(2, ssh));
      // After a link was down, the kernel may take a second to tell the far end that it is up.
      assert.equal(dial(guest(a), b.address, 22, patiently), "connected", args.join(" "));
      assert.equal(dial(guest(a), b.address, 80), "timeout");
      await sleep(250);
      assert.deepEqual(disturbed, [], "repairing is not disturbing");
    }
  });

  /** Another link of this host comes and goes, at which every driver looks at its own. */
  const otherLink = async () => {
    await run("ip", ["link", "add", "dev", `${prefix}other`, "type", "veth"]);
    await run("ip", ["link", "del", "dev", `${prefix}other`]);
  };

  test("is not its own doing, nor what happens to other links of this host", async () => {
    for (let round = 0; round < 5; round++) {
      await otherLink();
      await applied(opened(2, ssh), ["interface/eni-5", card(5)]);
      await applied();
      await sleep(120);
    }
    assert.deepEqual(disturbed, []);
  });

  test("has its edge repaired by itself", async () => {
    for (let round = 0; round < 5; round++) {
      await applied(opened(1, ssh));
      await otherLink();
      flushRules(edge);
      assert.equal(dial(undefined, "198.18.250.11", 22), "timeout");
      assert.deepEqual(new Set(await noticed()), new Set([network]));
      assert.equal(dial(undefined, "198.18.250.11", 22, patiently), "connected");
    }
    await applied(opened(1, ssh));
    await sleep(250);
    disturbed.length = 0;
    await run("ip", ["route", "del", "198.18.250.11"], { namespace: edge });
    assert.deepEqual(await noticed(), [network]);
    await applied(opened(1, ssh));
    assert.equal(dial(undefined, "198.18.250.11", 22, patiently), "connected");
  });

  test("has the link between its edge and this host, or its own to the edge, made again", async () => {
    await applied(opened(1, ssh));
    for (const [dev, at] of [
      [prefix, undefined],
      ["host", edge],
      ["igw", router],
    ] as const) {
      await sleep(250);
      disturbed.length = 0;
      await run("ip", ["link", "del", "dev", dev], at === undefined ? {} : { namespace: at });
      assert.deepEqual(new Set(await noticed()), new Set([network]), dev);
      await applied(opened(1, ssh));
      assert.equal(dial(undefined, "198.18.250.11", 22, patiently), "connected", dev);
    }
  });

  test("whose namespace lost its name, or its edge's, gets it back with all connections", async () => {
    await applied(opened(1, ssh), opened(2, ssh));
    const inner = dialed(guest(a), b.address, 22);
    const outer = dialed(undefined, "198.18.250.11", 22);
    for (const name of [router, edge]) {
      await run("ip", ["netns", "del", name]);
      assert.deepEqual(new Set(await noticed()), new Set([network]), name);
      await applied(opened(1, ssh), opened(2, ssh));
      for (const fd of [inner, outer]) assert.equal(await acknowledged(fd), true, name);
      assert.deepEqual((await networks.observe()).get(network), ["eni-1", "eni-2", "eni-3", "eni-4"]);
    }
    for (const fd of [inner, outer]) closeSync(fd);
  });
});

/** Whether the far end's kernel acknowledges what is sent on a connection now. */
const acknowledged = async (fd: number, patienceMs = 20_000): Promise<boolean> => {
  assert.equal(send(fd, Buffer.from("x"), 1, 0), 1);
  for (let waited = 0; waited < patienceMs; waited += 20) {
    await sleep(20);
    if (unacknowledged(fd) === 0) return true;
  }
  return false;
};

describe("another driver, after this one", () => {
  test("finds the networks, and open connections never notice", async () => {
    await applied(opened(1, ssh), opened(2, ssh));
    const inner = dialed(guest(a), b.address, 22);
    const outer = dialed(undefined, "198.18.250.11", 22);
    const linksBefore = await run("ip", ["-json", "link"], { namespace: router });
    await networks.close();
    await openDriver();
    assert.deepEqual(await networks.observe(), new Map([[network, ["eni-1", "eni-2", "eni-3", "eni-4"]]]));
    await applied(opened(1, ssh), opened(2, ssh));
    assert.equal(await run("ip", ["-json", "link"], { namespace: router }), linksBefore);
    for (const fd of [inner, outer]) assert.equal(await acknowledged(fd), true);
    for (const fd of [inner, outer]) closeSync(fd);
  });

  test("removes what is no longer wanted", async () => {
    await applied(["interface/eni-5", card(5)]);
    await networks.close();
    await openDriver();
    await applied();
    const links = await run("ip", ["link"], { namespace: router });
    assert.doesNotMatch(links, new RegExp(networks.port(network, "eni-5").device));
    assert.doesNotMatch(await run("ip", ["route"], { namespace: router }), /10\.0\.1\.14/);
  });
});

describe("a whole network", () => {
  test("answers its guests whatever this host has set about ARP, which new namespaces take over", async () => {
    const one = card(9);
    const namespace = `${prefix}-vpc-two`;
    const settings = ["all", "default"].map((links) => `net.ipv4.conf.${links}.arp_ignore=1`);
    await run("ip", ["netns", "add", namespace]);
    await run("sysctl", ["-qw", ...settings], { namespace });
    try {
      await networks.apply(
        "vpc-two",
        new Map<string, NetworkElement>([
          ...routedRange("10.0.0.0/16", { one: "10.0.1.0/24" }),
          ["interface/eni-9", one],
        ]),
      );
      await plugIn(guest(one), networks.port("vpc-two", one.id), one);
      assert.equal(pings(guest(one), "10.0.1.1"), true);
    } finally {
      await networks.apply("vpc-two", new Map());
      await run("ip", ["netns", "del", guest(one)]).catch(() => {});
    }
  });

  test("is made anew after someone removed its namespace", async () => {
    disturbed.length = 0;
    const one = new Map<string, NetworkElement>([["interface/eni-9", card(9)]]);
    await networks.apply("vpc-two", one);
    await run("ip", ["netns", "del", `${prefix}-vpc-two`]);
    await sleep(200);
    assert.deepEqual(await noticed(), ["vpc-two"]);
    await networks.apply("vpc-two", one);
    assert.deepEqual((await networks.observe()).get("vpc-two"), ["eni-9"]);
    await sleep(250);
    assert.deepEqual(disturbed, []);
    await networks.apply("vpc-two", new Map());
  });

  test("applied as nothing leaves nothing behind", async () => {
    const other = new Map<string, NetworkElement>([
      ...routedRange("10.0.0.0/16", { one: "10.0.1.0/24" }),
      ["interface/eni-9", card(9, { publicAddress: "198.18.250.99" })],
    ]);
    const routesBefore = await run("ip", ["-json", "route"], { namespace: edge });
    await networks.apply("vpc-two", other);
    assert.equal((await networks.observe()).has("vpc-two"), true);
    await networks.apply("vpc-two", new Map());
    await networks.apply("vpc-two", new Map());
    assert.equal((await networks.observe()).has("vpc-two"), false);
    assert.equal(await run("ip", ["-json", "route"], { namespace: edge }), routesBefore);
  });
});
