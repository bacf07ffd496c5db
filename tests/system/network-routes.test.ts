import assert from "node:assert/strict";
import { closeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { after, before, beforeEach, describe, test } from "node:test";
import { run } from "#drivers/linux/commands.ts";
import { send } from "#drivers/linux/libc.ts";
import { openSocket } from "#drivers/linux/namespaces.ts";
import type {
  FilterRule,
  InterfaceElement,
  NetworkElement,
  RouteTarget,
  TrafficRule,
} from "#drivers/network/network-driver.ts";
import { interfaceLink } from "#drivers/network/netns/names.ts";
import { destroyNetworks, openNetnsNetworks } from "#drivers/network/netns/netns-networks.ts";
import type { NetnsNetworks } from "#drivers/network/netns/netns-networks.ts";
import { passes } from "#drivers/network/traffic.ts";
import { seededRandom } from "#testing/seeded-random.ts";
import { until } from "../until.ts";
import {
  dial,
  dialed,
  patiently,
  pings,
  plugIn,
  received,
  sendDatagram,
  sendFragment,
  unacknowledged,
} from "./guest-namespace.ts";

const MSG_NOSIGNAL = 0x4000;
const prefix = "croft-rt";
const network = "vpc-one";
const router = `${prefix}-${network}`;
const anywhere = { cidr: "0.0.0.0/0" };
const everything: TrafficRule = { protocol: "any", peer: anywhere };

/** Each subnet has a table of its own, of the same name. */
const cidrs = { one: 1, two: 2, between: 3 } as const;
type Subnet = keyof typeof cidrs;
const places: Readonly<Record<number, Subnet>> = { 3: "between", 4: "two" };

const card = (n: number, more: Partial<InterfaceElement> = {}): InterfaceElement => ({
  kind: "interface",
  id: `eni-${n}`,
  subnet: places[n] ?? "one",
  mac: `02:aa:00:00:00:0${n}`,
  address: `10.0.${cidrs[places[n] ?? "one"]}.${9 + n}`,
  groups: ["sg"],
  sourceCheck: true,
  ...more,
});
const a = card(1, { publicAddress: "198.18.247.11" });
const b = card(2);
/** Forwards for others, in the kernel of its namespace. */
const forwarder = card(3, { sourceCheck: false });
/** In the other subnet, with a public address too. */
const d = card(4, { publicAddress: "198.18.247.14" });
const cards = [a, b, forwarder, d];
const guest = ({ id }: InterfaceElement) => `croft-rtguest-${id}`;

type Elements = readonly [key: string, element: NetworkElement][];
const route = (table: string, to: string, via: RouteTarget): [string, NetworkElement] => [
  `route/${table}/${to}`,
  { kind: "route", table, to, via },
];
const subnet = (id: Subnet, more: { table?: string; filter?: string } = {}): [string, NetworkElement] => [
  `subnet/${id}`,
  { kind: "subnet", id, cidr: `10.0.${cidrs[id]}.0/24`, table: id, ...more },
];
const filter = (
  id: string,
  ingress: readonly FilterRule[],
  egress: readonly FilterRule[],
): [string, NetworkElement] => [`filter/${id}`, { kind: "filter", id, ingress, egress }];
const pass = (rule: Partial<FilterRule> = {}): FilterRule => ({
  protocol: "any",
  peer: anywhere,
  passes: true,
  ...rule,
});
const refuse = (rule: Partial<FilterRule> = {}): FilterRule => pass({ ...rule, passes: false });

/** Groups let everything pass, and the tables know the network alone. */
const open = (): Map<string, NetworkElement> =>
  new Map<string, NetworkElement>([
    ["range/10.0.0.0/16", { kind: "range", cidr: "10.0.0.0/16" }],
    ...(["one", "two", "between"] as const).flatMap((id) => [
      [`table/${id}`, { kind: "table", id }] satisfies [string, NetworkElement],
      route(id, "10.0.0.0/16", "network"),
      subnet(id),
    ]),
    ["group/sg", { kind: "group", id: "sg", ingress: [everything], egress: [everything] }],
    ...cards.map((it): [string, NetworkElement] => [`interface/${it.id}`, it]),
  ]);

let networks: NetnsNetworks;
let applied = open();
const apply = async (...elements: Elements) => {
  applied = new Map([...open(), ...elements]);
  await networks.apply(network, applied);
};
const toForwarder: RouteTarget = { interface: forwarder.id, address: forwarder.address };

const clean = async () => {
  await destroyNetworks(prefix);
  for (const it of cards) await run("ip", ["netns", "del", guest(it)]).catch(() => {});
};
const listening: number[] = [];

before(async () => {
  await clean();
  networks = await openNetnsNetworks({
    prefix,
    publicPool: "198.18.247.0/24",
    links: "veth",
    lookMs: 100,
    onError: (error) => assert.fail(String(error)),
  });
  await apply();
  for (const it of cards) {
    await plugIn(guest(it), networks.port(network, it.id), it);
    for (const port of [22, 80])
      listening.push(openSocket(guest(it), { type: "tcp", address: "0.0.0.0", port }));
  }
  await run(
    "sysctl",
    ["-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.eth0.rp_filter=0"],
    {
      namespace: guest(forwarder),
    },
  );
});
after(async () => {
  for (const fd of listening) closeSync(fd);
  await networks.apply(network, new Map());
  await networks.close();
  await clean();
});
beforeEach(() => apply());

describe("a route table", () => {
  test("that knows the network alone leads nowhere else, a public address or not", async () => {
    assert.equal(dial(guest(a), b.address, 22, patiently), "connected");
    assert.equal(dial(guest(a), d.address, 22, patiently), "connected");
    assert.notEqual(dial(guest(a), "198.18.247.14", 22), "connected");
    await apply(route("one", "0.0.0.0/0", "outside"), route("two", "0.0.0.0/0", "outside"));
    assert.equal(dial(guest(a), "198.18.247.14", 22, patiently), "connected");
    assert.notEqual(dial(guest(b), "198.18.247.14", 22), "connected", "b has no public address");
  });

  test("counts for its own subnets only, and another one at once", async () => {
    const outside = [route("two", "0.0.0.0/0", "outside")] as const;
    await apply(...outside);
    assert.notEqual(dial(guest(a), "198.18.247.14", 22), "connected");
    await apply(...outside, subnet("one", { table: "two" }));
    assert.equal(dial(guest(a), "198.18.247.14", 22, patiently), "connected");
  });

  test("follows the longest prefix", async () => {
    const ways = [route("two", "0.0.0.0/0", "outside"), route("one", "0.0.0.0/0", "outside")] as const;
    await apply(...ways, route("one", "198.18.247.14/32", "nowhere"));
    assert.notEqual(dial(guest(a), "198.18.247.14", 22), "connected");
    await apply(
      ...ways,
      route("one", "198.18.247.0/24", "nowhere"),
      route("one", "198.18.247.14/32", "outside"),
    );
    assert.equal(dial(guest(a), "198.18.247.14", 22, patiently), "connected");
    await apply(...ways, route("one", "10.0.2.0/24", "nowhere"));
    assert.notEqual(dial(guest(a), d.address, 22), "connected");
    assert.equal(dial(guest(a), b.address, 22, patiently), "connected");
  });

  test("leads through an interface that forwards, both ways, and not through one that does not", async () => {
    const through = [
      route("one", "10.0.2.0/24", toForwarder),
      route("two", "10.0.1.10/32", toForwarder),
    ] as const;
    await apply(...through);
    assert.equal(dial(guest(a), d.address, 22, patiently), "connected");
    assert.ok((await forwarded()) > 0, "and not past it");
    await apply(...through, [`interface/${forwarder.id}`, { ...forwarder, sourceCheck: true }]);
    assert.notEqual(dial(guest(a), d.address, 22), "connected");
  });

  test("of the gateway leads what comes from outside through an interface that forwards, and what answers back", async () => {
    const inspected = { ...d, inspected: true as const };
    const ways = [
      [`interface/${d.id}`, inspected],
      route("two", "0.0.0.0/0", toForwarder),
      route("between", "0.0.0.0/0", "outside"),
      ["table/gateway", { kind: "table", id: "gateway" }],
      route("gateway", "10.0.0.0/16", "network"),
      ["gateway", { kind: "gateway", table: "gateway" }],
    ] satisfies Elements;
    const through = [...ways, route("gateway", "10.0.2.0/24", toForwarder)];
    const fromHost = { from: "192.0.2.1", to: d.address, protocol: 6, port: 22 };
    await apply(...through);
    const already = await forwarded();
    assert.equal(dial(undefined, "198.18.247.14", 22, patiently), "connected");
    assert.ok((await forwarded()) > already, "and not past it");
    assert.equal(passes(applied.values(), fromHost), true);
    assert.equal(dial(guest(d), "198.18.247.11", 22), "timeout", "the other's table knows no way back");
    await apply(...through, route("one", "0.0.0.0/0", "outside"));
    assert.equal(dial(guest(d), "198.18.247.11", 22, patiently), "connected", "out by it too");
    const toA = { from: d.address, to: "198.18.247.11", protocol: 6, port: 22 };
    assert.equal(passes(applied.values(), toA), true);
    await apply(...through, [`interface/${forwarder.id}`, { ...forwarder, sourceCheck: true }]);
    assert.notEqual(dial(undefined, "198.18.247.14", 22), "connected");
    assert.equal(passes(applied.values(), fromHost), false);
    await apply(...ways, route("gateway", "10.0.2.0/24", "nowhere"));
    assert.notEqual(dial(undefined, "198.18.247.14", 22), "connected");
    assert.equal(passes(applied.values(), fromHost), false);
  });

  test("leads to a NAT instance, behind which others share its public address", async () => {
    const nat: InterfaceElement = { ...forwarder, subnet: "two", publicAddress: "198.18.247.13" };
    await run("nft", ["-f", "-"], {
      namespace: guest(forwarder),
      input: "table ip nat { chain out { type nat hook postrouting priority 100; masquerade; }; }\n",
    });
    try {
      await apply(
        route("one", "0.0.0.0/0", { interface: nat.id, address: nat.address }),
        route("two", "0.0.0.0/0", "outside"),
        [`interface/${nat.id}`, nat],
      );
      const fd = dialed(guest(b), "198.18.247.14", 22);
      const seen = await run("conntrack", ["-L", "-d", d.address], { namespace: router });
      assert.match(seen, /src=198\.18\.247\.13 dst=10\.0\.2\.\d+ /);
      assert.equal(await acknowledged(fd), true);
      closeSync(fd);
    } finally {
      await run("nft", ["flush", "ruleset"], { namespace: guest(forwarder) });
    }
  });

  test("whose target goes leads nowhere, and changes on without a trace", async () => {
    await apply(route("one", "10.0.2.0/24", toForwarder));
    await apply(route("one", "10.0.2.0/24", "nowhere"));
    assert.notEqual(dial(guest(a), d.address, 22), "connected");
    await apply();
    assert.equal(dial(guest(a), d.address, 22, patiently), "connected");
    const left = await run("ip", ["route", "show", "table", "all"], { namespace: router });
    assert.doesNotMatch(left, /10\.0\.2\.0\/24|blackhole/);
  });

  test("that is removed by someone else is found and made again", async () => {
    await apply(route("one", "0.0.0.0/0", "outside"), route("two", "0.0.0.0/0", "outside"));
    const told = new Promise<string>((resolve) => networks.onForeignChange(resolve));
    await run("ip", ["rule", "del", "pref", "100"], { namespace: router });
    assert.equal(await Promise.race([told, sleep(5000)]), network);
    await networks.apply(network, applied);
    assert.equal(dial(guest(a), "198.18.247.14", 22, patiently), "connected");
  });
});

describe("a filter", () => {
  const asked = (ingress: readonly FilterRule[], egress: readonly FilterRule[] = [pass()]) => [
    filter("acl", ingress, egress),
    subnet("two", { filter: "acl" }),
  ];

  test("decides what enters a subnet, in the order of its rules, and in the end nothing does", async () => {
    await apply(...asked([]));
    assert.equal(dial(guest(a), d.address, 22), "timeout");
    await apply(...asked([pass()]));
    assert.equal(dial(guest(a), d.address, 22, patiently), "connected");
    await apply(...asked([refuse({ protocol: 6, ports: { from: 22, to: 22 } }), pass()]));
    assert.equal(dial(guest(a), d.address, 22), "timeout");
    assert.equal(dial(guest(a), d.address, 80, patiently), "connected");
    await apply(...asked([pass({ peer: { cidr: "10.0.1.10/32" } })]));
    assert.equal(dial(guest(a), d.address, 22, patiently), "connected");
    assert.equal(dial(guest(b), d.address, 22), "timeout");
  });

  test("decides what leaves, answers too: it keeps no state", async () => {
    await apply(...asked([pass()], []));
    assert.equal(dial(guest(a), d.address, 22), "timeout", "the answer does not leave");
    const ephemeral = { protocol: 6, ports: { from: 1024, to: 65_535 } } as const;
    await apply(...asked([pass()], [pass(ephemeral)]));
    assert.equal(dial(guest(a), d.address, 22, patiently), "connected");
    assert.equal(dial(guest(d), a.address, 22), "timeout", "what d begins does not");
  });

  test("cuts what is open already, as soon as it says so", async () => {
    await apply(...asked([pass()]));
    const fd = dialed(guest(a), d.address, 22);
    assert.equal(await acknowledged(fd), true);
    await apply(...asked([]));
    assert.equal(await acknowledged(fd), false);
    closeSync(fd);
  });

  test("is not asked inside its subnet", async () => {
    await apply(filter("acl", [], []), subnet("one", { filter: "acl" }));
    assert.equal(dial(guest(a), b.address, 22, patiently), "connected");
    assert.equal(dial(guest(a), d.address, 22), "timeout");
  });

  test("is not asked about the network's services", async () => {
    const service = openSocket(router, { type: "tcp", address: "169.254.169.254", port: 80 });
    await apply(filter("acl", [], []), subnet("one", { filter: "acl" }));
    assert.equal(dial(guest(a), "169.254.169.254", 80, patiently), "connected");
    closeSync(service);
  });

  test("sees private addresses of its own, and the public one of who comes from outside", async () => {
    const ways = [route("one", "0.0.0.0/0", "outside"), route("two", "0.0.0.0/0", "outside")] as const;
    await apply(...ways, ...asked([pass({ peer: { cidr: "198.18.247.11/32" } })]));
    assert.equal(dial(guest(a), "198.18.247.14", 22, patiently), "connected");
    await apply(...ways, ...asked([refuse({ peer: { cidr: "198.18.247.11/32" } }), pass()]));
    assert.equal(dial(guest(a), "198.18.247.14", 22), "timeout");
  });
});

test("an interface without the source check speaks from any address but the network's own", async () => {
  const inbox = openSocket(guest(b), { type: "udp", address: "0.0.0.0", port: 7 });
  const others = ["10.0.1.1", "10.0.0.2", "169.254.169.254", "10.9.9.9"];
  const addresses = (verb: string) =>
    Promise.all(
      others.map((it) =>
        run("ip", ["address", verb, `${it}/32`, "dev", "eth0"], { namespace: guest(forwarder) }),
      ),
    );
  await addresses("add");
  for (const from of others) sendDatagram(guest(forwarder), b.address, 7, { from, data: from });
  const seen: string[] = [];
  await until(
    async () => seen.push(...received(inbox)),
    (count) => count > 0,
  );
  assert.deepEqual(seen, ["10.9.9.9"]);
  await addresses("del");
  closeSync(inbox);
});

describe("a secondary address", () => {
  const two: InterfaceElement = {
    ...b,
    secondary: [{ address: "10.0.1.77", publicAddress: "198.18.247.77" }],
  };
  before(() => run("ip", ["address", "add", "10.0.1.77/32", "dev", "eth0"], { namespace: guest(b) }));

  test("is its interface's own, with a public one of its own", async () => {
    assert.notEqual(dial(guest(d), "10.0.1.77", 22), "connected");
    await apply(
      [`interface/${b.id}`, two],
      route("one", "0.0.0.0/0", "outside"),
      route("two", "0.0.0.0/0", "outside"),
    );
    assert.equal(dial(guest(d), "10.0.1.77", 22, patiently), "connected");
    assert.equal(dial(guest(b), a.address, 22, { from: "10.0.1.77" }), "connected");
    assert.equal(dial(guest(d), "198.18.247.77", 22, patiently), "connected");
    assert.equal(dial(undefined, "198.18.247.77", 22, patiently), "connected");
    await apply();
    assert.notEqual(dial(guest(d), "10.0.1.77", 22), "connected");
    assert.notEqual(dial(guest(b), a.address, 22, { from: "10.0.1.77" }), "connected");
  });
});

describe("a NAT gateway", () => {
  const gateway = (n: number, more: Partial<InterfaceElement> = {}): InterfaceElement =>
    card(n, {
      subnet: "between",
      mac: `02:aa:00:00:00:${n}`,
      address: `10.0.3.${n}`,
      publicAddress: `198.18.247.${n}`,
      groups: [],
      nat: true,
      ...more,
    });
  const [nat, another] = [gateway(51), gateway(52)];
  const natSpace = ({ id }: InterfaceElement) => `${router}.${id}`;
  const through = (it: InterfaceElement): RouteTarget => ({ interface: it.id, address: it.address });
  /** `one` goes out by the gateway, whose own subnet goes out by itself. */
  const behind = (...more: Elements): Elements => [
    [`interface/${nat.id}`, nat],
    route("one", "0.0.0.0/0", through(nat)),
    route("between", "0.0.0.0/0", "outside"),
    route("two", "0.0.0.0/0", "outside"),
    ...more,
  ];
  const passesToD = (from: InterfaceElement) =>
    passes(applied.values(), { from: from.address, to: "198.18.247.14", protocol: 6, port: 22 });
  /** The public addresses that connections to `d` come in from. */
  const seenFrom = async () => {
    const seen = await run("conntrack", ["-L", "-d", d.address], { namespace: router });
    return new Set([...seen.matchAll(/src=(198\.\S+) dst=10\.0\.2\.\d+ /g)].map(([, from]) => from));
  };

  test("sends on as its public address what others have for the outside, and their answers back", async () => {
    await apply(...behind());
    await run("conntrack", ["-F"], { namespace: router });
    const fd = dialed(guest(b), "198.18.247.14", 22);
    assert.deepEqual(await seenFrom(), new Set(["198.18.247.51"]));
    assert.equal(await acknowledged(fd), true);
    closeSync(fd);
    assert.equal(passesToD(b), true);
  });

  test("lets in nothing that begins elsewhere", async () => {
    await apply(...behind());
    for (const [from, to] of [
      [undefined, "198.18.247.51"],
      [guest(d), "198.18.247.51"],
      [guest(d), nat.address],
    ] as const)
      assert.equal(dial(from, to, 22), "timeout");
    assert.equal(
      passes(applied.values(), { from: d.address, to: nat.address, protocol: 6, port: 22 }),
      false,
    );
  });

  test("obeys its own subnet's filter and routes", async () => {
    await apply(...behind(filter("acl", [pass()], [refuse()]), subnet("between", { filter: "acl" })));
    assert.equal(dial(guest(b), "198.18.247.14", 22), "timeout");
    assert.equal(passesToD(b), false);
    await apply(...behind(route("between", "0.0.0.0/0", "nowhere")));
    assert.notEqual(dial(guest(b), "198.18.247.14", 22), "connected");
    assert.equal(passesToD(b), false);
    await apply(...behind());
    assert.equal(dial(guest(b), "198.18.247.14", 22, patiently), "connected");
  });

  test("is one of several, for different destinations, each with one address or more", async () => {
    const two = { ...another, secondary: [{ address: "10.0.3.53", publicAddress: "198.18.247.53" }] };
    await apply(...behind([`interface/${two.id}`, two], route("one", "198.18.247.14/32", through(two))));
    await run("conntrack", ["-F"], { namespace: router });
    const connections = Array.from({ length: 24 }, () => dialed(guest(b), "198.18.247.14", 22));
    assert.deepEqual(await seenFrom(), new Set(["198.18.247.52", "198.18.247.53"]));
    connections.forEach((fd) => closeSync(fd));
  });

  test("goes on with what it has by an address that drains, and begins nothing by it", async () => {
    const second = { address: "10.0.3.53", publicAddress: "198.18.247.53" };
    const two = (draining: boolean): [string, InterfaceElement] => [
      `interface/${another.id}`,
      { ...another, secondary: [{ ...second, ...(draining && { draining }) }] },
    ];
    const toD = route("one", "198.18.247.14/32", through(another));
    const connect = () => Array.from({ length: 24 }, () => dialed(guest(b), "198.18.247.14", 22));
    await apply(...behind(two(false), toD));
    await run("conntrack", ["-F"], { namespace: router });
    const connections = connect();
    assert.deepEqual(await seenFrom(), new Set(["198.18.247.52", "198.18.247.53"]));
    await apply(...behind(two(true), toD));
    for (const fd of connections) assert.equal(await acknowledged(fd), true);
    await run("conntrack", ["-F"], { namespace: router });
    const more = connect();
    assert.deepEqual(await seenFrom(), new Set(["198.18.247.52"]));
    for (const fd of [...connections, ...more]) closeSync(fd);
  });

  test("without a public address leads to the network alone", async () => {
    const { publicAddress: _, ...inner } = nat;
    await apply(...behind([`interface/${inner.id}`, inner], route("one", "10.0.2.0/24", through(inner))));
    assert.notEqual(dial(guest(b), "198.18.247.14", 22), "connected");
    assert.equal(dial(guest(b), d.address, 22, patiently), "connected");
    assert.equal(passesToD(b), false);
  });

  test("carries nothing but TCP, UDP and ICMP", async () => {
    const [to, protocol] = ["198.18.247.14", 50];
    const esp = { from: a.address, to, protocol };
    const arrives = async (ways: Elements) => {
      await apply(...ways);
      sendFragment(guest(a), { ...esp, id: 1, at: 0, last: true, data: Buffer.alloc(24) });
      await sleep(100);
      const seen = await run("conntrack", ["-L", "-p", "50", "-d", d.address], { namespace: router });
      assert.equal(passes(applied.values(), esp), seen !== "");
      return seen !== "";
    };
    assert.equal(await arrives(behind()), false);
    assert.equal(await arrives(behind(route("one", `${to}/32`, "outside"))), true);
  });

  test("carries datagrams of UDP in fragments, and nothing else in them", async () => {
    const to = "198.18.247.14";
    const inPieces = { bytes: 2_000 };
    await apply(...behind(route("one", `${to}/32`, "outside")));
    const answered = await until(
      async () => pings(guest(a), to, inPieces),
      (it) => it,
    );
    assert.equal(answered, true, "past the gateway; the kernel knows by now that it must cut them");
    await apply(...behind());
    assert.equal(pings(guest(a), to), true);
    assert.equal(pings(guest(a), to, inPieces), false);
    const inbox = openSocket(guest(d), { type: "udp", address: "0.0.0.0", port: 7 });
    const sent = "x".repeat(2_000);
    sendDatagram(guest(a), to, 7, { data: sent });
    const arrived = await until(
      async () => received(inbox),
      ({ length }) => length > 0,
    );
    assert.deepEqual(arrived, [sent]);
    closeSync(inbox);
  });

  test("refuses to go on with what was idle for too long", async () => {
    await apply(...behind());
    const fd = dialed(guest(b), "198.18.247.14", 22);
    await run("conntrack", ["-F"], { namespace: natSpace(nat) });
    assert.equal(send(fd, Buffer.from("x"), 1, 0), 1);
    const reset = async () => send(fd, Buffer.from("x"), 1, MSG_NOSIGNAL) === -1;
    assert.equal(await until(reset, (broken) => broken), true);
    closeSync(fd);
  });

  test("tells what it had no port for", async () => {
    await apply(...behind());
    dial(guest(b), "198.18.247.14", 22, patiently);
    assert.equal((await networks.portErrors()).get(nat.id), 0);
    // As if every port were taken.
    const taken = ["tcp", "dport", "22", "counter", "name", "exhausted", "drop"];
    await run("nft", ["insert", "rule", "ip", "croft", "passing", ...taken], { namespace: natSpace(nat) });
    assert.equal(dial(guest(b), "198.18.247.14", 22), "timeout");
    assert.ok(((await networks.portErrors()).get(nat.id) ?? 0) > 0);
  });

  test("that someone else disturbed or removed is found and made again", async () => {
    await apply(...behind());
    for (const disturb of [
      () => run("nft", ["flush", "ruleset"], { namespace: natSpace(nat) }),
      () => run("ip", ["route", "del", "default"], { namespace: natSpace(nat) }),
      () => run("ip", ["link", "del", "dev", "nat"], { namespace: natSpace(nat) }),
      () => run("ip", ["link", "del", "dev", interfaceLink(nat.id)], { namespace: router }),
      () => run("ip", ["netns", "del", natSpace(nat)]),
    ]) {
      const told = new Promise<string>((resolve) => networks.onForeignChange(resolve));
      await disturb();
      assert.equal(await Promise.race([told, sleep(20_000)]), network);
      await networks.apply(network, applied);
      assert.equal(dial(guest(b), "198.18.247.14", 22, patiently), "connected", String(disturb));
    }
  });

  test("leaves nothing when it goes", async () => {
    await apply(...behind());
    await apply(route("one", "0.0.0.0/0", "nowhere"));
    assert.notEqual(dial(guest(b), "198.18.247.14", 22), "connected");
    assert.doesNotMatch(await run("ip", ["netns", "list"]), new RegExp(natSpace(nat)));
  });
});

test("random tables and filters let through what the contract says, no more and no less", async () => {
  const below = seededRandom(11);
  const pick = <T>(from: readonly T[]): T => from[below(from.length)] as T;
  const rules = () =>
    Array.from({ length: below(3) }, () =>
      pass({
        protocol: pick(["any", 6]),
        ...(below(2) === 0 && { ports: { from: 22, to: 60 } }),
        peer: { cidr: pick(["0.0.0.0/0", "10.0.1.0/24", "198.18.247.0/24"]) },
        passes: below(3) > 0,
      }),
    );
  let [connected, refused] = [0, 0];
  for (let round = 0; round < 30; round++) {
    const some = (of: Elements) => of.filter(() => below(2) === 0);
    await apply(
      ...["one", "two"].flatMap((table) =>
        some([
          route(table, "0.0.0.0/0", pick(["outside", "outside", "nowhere"])),
          route(
            table,
            pick(["10.0.1.0/24", "10.0.2.0/24", "10.0.2.13/32"]),
            pick([toForwarder, "nowhere", "network"]),
          ),
        ]),
      ),
      // Answers pass: what is asked is whether the first packet does.
      ...(["one", "two"] as const).flatMap((id) => [
        filter(
          `acl-${id}`,
          [pass({ protocol: 6, ports: { from: 1024, to: 65_535 } }), ...rules()],
          [pass({ protocol: 6, ports: { from: 1024, to: 65_535 } }), ...rules()],
        ),
        subnet(id, { ...(below(2) === 0 && { filter: `acl-${id}` }) }),
      ]),
    );
    for (const from of [a, b, d])
      for (const to of [a.address, b.address, d.address, "198.18.247.14", "198.18.247.11"]) {
        if (to === from.address || to === from.publicAddress || below(2) > 0) continue;
        const port = pick([22, 80]);
        const flow = { from: from.address, to, protocol: 6, port };
        // The far end answers by the tables too: to where the packet seems to come from.
        const owner = cards.find((it) => it.address === to || it.publicAddress === to) ?? a;
        const seenFrom = to.startsWith("198.") ? (from.publicAddress ?? "") : from.address;
        const back = { from: owner.address, to: seenFrom, protocol: 6, port: 40_000 };
        const expected = passes(applied.values(), flow) && passes(applied.values(), back);
        const answer = dial(guest(from), to, port, expected ? patiently : { timeoutMs: 80 });
        assert.equal(
          answer === "connected",
          expected,
          `round ${round}: ${from.address} to ${to}:${port} ${answer}\n${JSON.stringify([...applied.values()])}`,
        );
        if (expected) connected += 1;
        else refused += 1;
      }
  }
  assert.ok(connected > 30 && refused > 30, `${connected} and ${refused}`);
});

/** Packets that the forwarder's kernel has forwarded since its start. */
const forwarded = async (): Promise<number> => {
  const text = await run("cat", ["/proc/net/snmp"], { namespace: guest(forwarder) });
  const [names = [], numbers = []] = text
    .split("\n")
    .filter((line) => line.startsWith("Ip:"))
    .map((line) => line.split(" "));
  return Number(numbers[names.indexOf("ForwDatagrams")]);
};

/** Whether the far end's kernel acknowledges what is sent on a connection now. */
const acknowledged = async (fd: number): Promise<boolean> => {
  const already = unacknowledged(fd);
  assert.equal(send(fd, Buffer.from("x"), 1, 0), 1);
  for (let waited = 0; waited < 1000; waited += 20) {
    await sleep(20);
    if (unacknowledged(fd) <= already) return true;
  }
  return false;
};
