import assert from "node:assert/strict";
import { closeSync } from "node:fs";
import { after, before, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { run } from "#drivers/linux/commands.ts";
import { openSocket } from "#drivers/linux/namespaces.ts";
import type {
  FilterRule,
  InterfaceElement,
  NetworkElement,
  RouteTarget,
  TrafficRule,
} from "#drivers/network/network-driver.ts";
import { peeringLink } from "#drivers/network/netns/names.ts";
import { destroyNetworks, openNetnsNetworks } from "#drivers/network/netns/netns-networks.ts";
import type { NetnsNetworks } from "#drivers/network/netns/netns-networks.ts";
import { path } from "#drivers/network/traffic.ts";
import { seededRandom } from "#testing/seeded-random.ts";
import { until } from "../until.ts";
import { plugIn, received, sendDatagram } from "./guest-namespace.ts";

/**
 * The oracle and the wire agree, over generated topologies of three networks in a row, 1 ⇄ 2 ⇄ 3, each with three subnets, three
 * machines and perhaps a NAT gateway. Datagrams tell them apart: they ask for no way back.
 */
const prefix = "croft-nw";
const seed = Number(process.env["CROFT_TEST_SEED"] ?? 5);
const rounds = Number(process.env["CROFT_TEST_ROUNDS"] ?? 20);
const host = "169.254.70.0";
const numbers = [1, 2, 3] as const;
type Id = `vpc-${number}`;
const networkId = (n: number): Id => `vpc-${n}`;
const peerings = { 1: ["pcx-12"], 2: ["pcx-12", "pcx-23"], 3: ["pcx-23"] } as const;
const peerOver = (n: number, peering: string) => Number(peering.replace("pcx-", "").replace(String(n), ""));
const ports = [53, 80] as const;

const subnets = ["one", "two", "between"] as const;
const cidr = (n: number, subnet: (typeof subnets)[number]) => `10.${n}.${subnets.indexOf(subnet) + 1}.0/24`;
/** Two in subnet `one`, one in `two`; the NAT gateway in `between`. */
const card = (n: number, k: 1 | 2 | 3 | 9): InterfaceElement => ({
  kind: "interface",
  id: `eni-${n}-${k}`,
  subnet: k === 9 ? "between" : k === 3 ? "two" : "one",
  mac: `02:aa:00:00:0${n}:0${k}`,
  address: `10.${n}.${k === 9 ? 3 : k === 3 ? 2 : 1}.${10 + k}`,
  groups: k === 9 ? [] : [`sg-${k}`],
  sourceCheck: true,
  ...(k === 9 && { nat: true }),
});
const machines = numbers.flatMap((n) => ([1, 2, 3] as const).map((k) => ({ n, k, ...card(n, k) })));
const publicAddress = (n: number, k: number) => `198.18.245.${10 * n + k}`;
const guest = (id: string) => `${prefix}guest-${id}`;

const below = seededRandom(seed);
const pick = <T>(from: readonly T[]): T => from[below(from.length)] as T;
const perhaps = <T>(chance: number, it: T): T[] => (below(100) < chance ? [it] : []);
type Entry = [key: string, element: NetworkElement];

/** One network of a topology. */
const generated = (n: number): Map<string, NetworkElement> => {
  const peers = peerings[n as 1].map((id) => ({ id: id as string, of: peerOver(n, id) }));
  const gateway = perhaps(75, {
    ...card(n, 9),
    ...(below(4) > 0 && { publicAddress: publicAddress(n, 9) }),
  });
  const cards = machines
    .filter((it) => it.n === n)
    .map(({ n: _, k, ...it }) => ({
      ...it,
      ...(below(2) === 0 && { publicAddress: publicAddress(n, k) }),
      groups: [...it.groups, ...perhaps(30, "sg-9")],
    }));
  const over = (peering: string): RouteTarget => ({ peering });
  const byNat = gateway.map((it): RouteTarget => ({ interface: it.id, address: it.address }));
  const route = (table: string, to: string, via: RouteTarget): Entry => [
    `route/${table}/${to}`,
    { kind: "route", table, to, via },
  ];
  const tables = subnets.flatMap((table) => [
    [`table/${table}`, { kind: "table", id: table }] satisfies Entry,
    route(table, `10.${n}.0.0/16`, "network"),
    ...perhaps(90, route(table, "0.0.0.0/0", pick(["outside", "outside", ...byNat, ...byNat]))),
    ...peers.flatMap(({ id, of }) =>
      perhaps(85, route(table, `10.${of}.0.0/16`, pick([over(id), over(id), ...byNat]))),
    ),
    // Also beyond a neighbour, where nothing leads, and more closely than the routes above.
    ...perhaps(
      30,
      route(
        table,
        `10.${pick(numbers.filter((it) => it !== n))}.1.0/24`,
        pick([...peers.map(({ id }) => over(id)), "nowhere", ...byNat]),
      ),
    ),
    ...perhaps(
      20,
      route(
        table,
        `${publicAddress(pick(numbers), pick([1, 2, 3]))}/32`,
        pick(["outside", "nowhere", ...byNat]),
      ),
    ),
    ...perhaps(20, route(table, `10.${n}.2.0/24`, pick(["network", "nowhere", ...byNat]))),
  ]);
  const ranges = [
    "0.0.0.0/0",
    ...numbers.map((it) => `10.${it}.0.0/16`),
    `10.${n}.1.0/24`,
    "198.18.245.0/24",
    `10.${n}.3.19/32`,
  ];
  const rule = () => ({
    protocol: pick(["any", 17, 17, 6] as const),
    ...(below(3) === 0 && { ports: { from: 53, to: pick([53, 80]) } }),
  });
  const filterRule = (): FilterRule => ({ ...rule(), peer: { cidr: pick(ranges) }, passes: below(3) > 0 });
  const filterRules = () => [
    ...Array.from({ length: below(3) }, filterRule),
    ...perhaps(85, { protocol: "any", peer: { cidr: "0.0.0.0/0" }, passes: true } satisfies FilterRule),
  ];
  const groupRule = (): TrafficRule => ({
    ...rule(),
    peer: pick<TrafficRule["peer"]>([
      { cidr: pick(ranges) },
      { cidr: "0.0.0.0/0" },
      { group: `sg-${pick([1, 2, 3])}` },
      ...peers.map(({ id, of }) => ({ group: `sg-${of}-${pick([1, 3])}`, peering: id })),
    ]),
  });
  const groups = [1, 2, 3, 9].map((k): Entry => {
    const everything: TrafficRule = { protocol: "any", peer: { cidr: "0.0.0.0/0" } };
    const rules = () => [...Array.from({ length: 1 + below(3) }, groupRule), ...perhaps(50, everything)];
    return [`group/sg-${k}`, { kind: "group", id: `sg-${k}`, ingress: rules(), egress: rules() }];
  });
  const member = (group: string, address: string): Entry => [
    `member/${group}/${address}`,
    { kind: "member", group, address },
  ];
  return new Map<string, NetworkElement>([
    [`range/10.${n}.0.0/16`, { kind: "range", cidr: `10.${n}.0.0/16` }],
    ...tables,
    ...subnets.flatMap((id): Entry[] => [
      [
        `filter/acl-${id}`,
        { kind: "filter", id: `acl-${id}`, ingress: filterRules(), egress: filterRules() },
      ],
      [
        `subnet/${id}`,
        { kind: "subnet", id, cidr: cidr(n, id), table: id, ...(below(3) === 0 && { filter: `acl-${id}` }) },
      ],
    ]),
    ...groups,
    ...cards.flatMap((it) => it.groups.map((group) => member(group, it.address))),
    ...peers.flatMap(({ id, of }): Entry[] => [
      [`peering/${id}`, { kind: "peering", id, network: networkId(of), ranges: [`10.${of}.0.0/16`] }],
      ...([1, 2, 3] as const).map((k) => member(`sg-${of}-${k}`, card(of, k).address)),
    ]),
    ...[...cards, ...gateway].map((it): Entry => [`interface/${it.id}`, it]),
  ]);
};

let networks: NetnsNetworks;
const applied = new Map<string, ReadonlyMap<string, NetworkElement>>();
const reconcile = (id: string) => networks.apply(id, applied.get(id) ?? new Map());
const sockets = new Map<string, number>();
const socketName = (id: string, port: number) => `${id}:${port}`;

const clean = async () => {
  await destroyNetworks(prefix);
  await Promise.allSettled(machines.map(({ id }) => run("ip", ["netns", "del", guest(id)])));
};

before(async () => {
  await clean();
  networks = await openNetnsNetworks({
    prefix,
    publicPool: "198.18.245.0/24",
    hostAddresses: [host, "169.254.70.1"],
    links: "veth",
    onError: (error) => assert.fail(String(error)),
  });
  await topology();
  for (const { n, id, mac, address } of machines) {
    await plugIn(guest(id), networks.port(networkId(n), id), { mac, address });
    for (const port of ports)
      sockets.set(socketName(id, port), openSocket(guest(id), { type: "udp", address: "0.0.0.0", port }));
  }
});
after(async () => {
  for (const fd of sockets.values()) closeSync(fd);
  await networks.close();
  await clean();
});

/** Another one, once both ends of each peering are up. */
const topology = async () => {
  for (const n of numbers) applied.set(networkId(n), generated(n));
  const up = async () => {
    for (const n of numbers) await reconcile(networkId(n));
    const ends = numbers.flatMap((n) =>
      peerings[n].map((id) =>
        run("ip", ["link", "show", "dev", peeringLink(id)], { namespace: `${prefix}-${networkId(n)}` }),
      ),
    );
    return (await Promise.all(ends)).every((it) => it.includes("state UP")) ? "up" : "down";
  };
  assert.equal(
    await until(
      () => up().catch(String),
      (it) => it === "up",
    ),
    "up",
  );
};

interface Probe {
  /** A machine, or this host. */
  readonly from: (typeof machines)[number] | undefined;
  readonly to: (typeof machines)[number];
  readonly public: boolean;
  readonly port: number;
}

const addressOf = ({ to, public: byPublic }: Probe) => (byPublic ? publicAddress(to.n, to.k) : to.address);

/** What led to somewhere. */
const met = new Set<string>();

const expected = (probe: Probe): boolean => {
  const { from, to, port } = probe;
  const elements = applied.get(networkId(from?.n ?? to.n)) ?? new Map<string, NetworkElement>();
  if (from === undefined && !isPublic(elements.get(`interface/${to.id}`))) return false;
  const ends = from ? { from: from.address, to: addressOf(probe) } : { from: host, to: to.address };
  const { arrives, hops } = path(elements.values(), { ...ends, protocol: 17, port }, applied);
  const there = arrives && isDeepStrictEqual(hops.at(-1), { at: "interface", id: to.id });
  if (there) for (const { at, id } of hops) met.add(id.endsWith("-9") ? "NAT gateway" : at);
  return there;
};

const isPublic = (it: NetworkElement | undefined) =>
  it?.kind === "interface" && it.publicAddress !== undefined;

test(`datagrams arrive where the contract says, and nowhere else (CROFT_TEST_SEED=${seed})`, async () => {
  let [arrived, stopped] = [0, 0];
  for (let round = 0; round < rounds; round++) {
    await topology();
    const probes = [undefined, ...machines].flatMap((from) =>
      machines.flatMap((to) =>
        from?.id === to.id
          ? []
          : [true, false].flatMap((byPublic) =>
              from === undefined && !byPublic
                ? []
                : perhaps(40, { from, to, public: byPublic, port: pick(ports) }),
            ),
      ),
    );
    for (const fd of sockets.values()) received(fd);
    for (const [number, probe] of probes.entries())
      sendDatagram(probe.from && guest(probe.from.id), addressOf(probe), probe.port, {
        data: String(number),
      });
    const wanted = probes.flatMap((probe, number) => (expected(probe) ? [number] : []));
    const seen = new Set<number>();
    const look = async () => {
      for (const [name, fd] of sockets)
        for (const data of received(fd)) {
          const number = Number(data);
          const probe = probes[number];
          assert.equal(probe && socketName(probe.to.id, probe.port), name, "at whom it was for");
          seen.add(number);
        }
    };
    await until(look, () => wanted.every((number) => seen.has(number)), 5_000);
    await look();
    for (const [number, probe] of probes.entries())
      assert.equal(
        seen.has(number),
        wanted.includes(number),
        `round ${round}: ${probe.from?.address ?? "host"} to ${addressOf(probe)}:${probe.port}\n${JSON.stringify([...applied].map(([id, it]) => [id, ...it.values()]))}`,
      );
    arrived += wanted.length;
    stopped += probes.length - wanted.length;
  }
  for (const it of ["NAT gateway", "peering", "outside", "filter", "groups"]) assert.ok(met.has(it), it);
  assert.ok(arrived > 5 * rounds && stopped > 5 * rounds, `${arrived} and ${stopped}`);
});
