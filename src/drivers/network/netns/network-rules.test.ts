import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { NetworkElement, RouteTarget, TrafficRule } from "../network-driver.ts";
import { randomNetwork } from "../random-network.ts";
import { difference } from "./difference.ts";
import { groupsName, interfaceLink, peeringLink, tableNumber } from "./names.ts";
import { networkChains, networkTable, rulesOf } from "./network-rules.ts";
import { withOverrides, type RoutedElement } from "./overriding-tables.ts";
import { Ruleset } from "./ruleset.ts";
import { seededRandom } from "#testing/seeded-random.ts";

const eni = {
  kind: "interface",
  id: "eni-1",
  subnet: "one",
  mac: "02:aa:00:00:00:01",
  address: "10.0.1.10",
  groups: ["sg-a", "sg-b"],
  sourceCheck: true,
} as const;

const lines = (...elements: RoutedElement[]) => {
  const rules = new Ruleset(networkTable, networkChains);
  return rules.change([], elements.flatMap(rulesOf));
};

const ruleLines = (...ingress: TrafficRule[]) =>
  lines({ kind: "group", id: "sg-a", ingress, egress: [] })
    .filter((line) => line.startsWith("add rule"))
    .map((line) => line.replace("add rule ip croft in-sg-a ", ""));

test("a peering in nft's words takes what comes from the other network's ranges", () => {
  const ranges = ["10.2.0.0/16", "10.3.0.0/16"];
  assert.deepEqual(lines({ kind: "peering", id: "pcx-1", network: "vpc-2", ranges }), [
    "add chain ip croft from-pcx-1",
    "add rule ip croft from-pcx-1 ip saddr 10.2.0.0/16 goto from_peering",
    "add rule ip croft from-pcx-1 ip saddr 10.3.0.0/16 goto from_peering",
    `add element ip croft arrivals { "${peeringLink("pcx-1")}" : goto from-pcx-1 }`,
    `add element ip croft egress { "${peeringLink("pcx-1")}" : goto from_peer }`,
    `add element ip croft ingress { "${peeringLink("pcx-1")}" : goto to_peer }`,
  ]);
});

describe("an interface in nft's words", () => {
  const both = groupsName(["sg-a", "sg-b"]);

  test("is its source, its port and the chains of its groups", () => {
    assert.deepEqual(lines({ ...eni, publicAddress: "198.18.0.9" }), [
      "add set ip croft links-one { typeof iifname; }",
      "add chain ip croft from-one",
      "add chain ip croft leave-one",
      "add chain ip croft enter-one",
      "add chain ip croft out-sg-a",
      "add chain ip croft out-sg-b",
      `add chain ip croft out-${both}`,
      "add chain ip croft in-sg-a",
      "add chain ip croft in-sg-b",
      `add chain ip croft in-${both}`,
      `add rule ip croft out-${both} jump out-sg-a`,
      `add rule ip croft out-${both} jump out-sg-b`,
      `add rule ip croft in-${both} jump in-sg-a`,
      `add rule ip croft in-${both} jump in-sg-b`,
      'add element ip croft ports { "enid3c623848a30" . 02:aa:00:00:00:01 }',
      'add element arp croft speakers { "enid3c623848a30" : 10.0.1.10 }',
      "add element ip croft inside { 10.0.1.10 }",
      'add element ip croft destinations { "enid3c623848a30" . 10.0.1.10 }',
      'add element ip croft links-one { "enid3c623848a30" }',
      'add element ip croft sources { "enid3c623848a30" . 02:aa:00:00:00:01 . 10.0.1.10 : goto from-one }',
      'add element ip croft subnet_of { "enid3c623848a30" : goto from-one }',
      'add element ip croft leaves { "enid3c623848a30" : goto leave-one }',
      'add element ip croft enters { "enid3c623848a30" : goto enter-one }',
      `add element ip croft egress { "enid3c623848a30" : jump out-${both} }`,
      `add element ip croft ingress { "enid3c623848a30" : jump in-${both} }`,
      "add element ip croft private_of { 198.18.0.9 : 10.0.1.10 }",
      "add element ip croft public_of { 10.0.1.10 : 198.18.0.9 }",
    ]);
  });

  test("shares the chain of its groups with others, in whatever order they have them", () => {
    const rules = new Ruleset(networkTable);
    const twin = { ...eni, id: "eni-2", mac: "02:aa:00:00:00:02", address: "10.0.1.11" };
    const link = interfaceLink(twin.id);
    rules.change([], rulesOf(eni));
    const chains = (all: string[]) => all.filter((line) => /chain|rule|gress/.test(line));
    const twins = rulesOf({ ...twin, groups: ["sg-b", "sg-a"] });
    assert.deepEqual(chains(rules.change([], twins)), [
      `add element ip croft egress { "${link}" : jump out-${both} }`,
      `add element ip croft ingress { "${link}" : jump in-${both} }`,
    ]);
    assert.deepEqual(chains(rules.change(rulesOf(eni), [])), [
      'delete element ip croft egress { "enid3c623848a30" }',
      'delete element ip croft ingress { "enid3c623848a30" }',
    ]);
    assert.deepEqual(
      rules.change(twins, []).filter((line) => line.startsWith("delete chain")),
      [
        "from-one",
        "leave-one",
        "enter-one",
        "out-sg-b",
        "out-sg-a",
        `out-${both}`,
        "in-sg-b",
        "in-sg-a",
        `in-${both}`,
      ].map((name) => `delete chain ip croft ${name}`),
    );
  });

  test("in one group asks that group, and behind which is a NAT gateway asks none", () => {
    const asks = (it: NetworkElement) => lines(it).filter((line) => line.includes(" egress "));
    assert.deepEqual(asks({ ...eni, groups: ["sg-a"] }), [
      'add element ip croft egress { "enid3c623848a30" : jump out-sg-a }',
    ]);
    assert.deepEqual(asks({ ...eni, groups: [], nat: true }), [
      'add element ip croft egress { "enid3c623848a30" : goto entering }',
    ]);
    assert.deepEqual(asks({ ...eni, groups: [] }), []);
  });

  test("that has idle timeouts says so about what begins", () => {
    const timed = (it: object) =>
      lines({ ...eni, groups: [], ...it }).filter((line) => /idle|timeout/.test(line));
    assert.deepEqual(timed({}), []);
    assert.deepEqual(timed({ idle: { tcpEstablished: 300 } }), [
      "add ct timeout ip croft tcp-300 { protocol tcp; l3proto ip; policy = { established : 300 }; }",
      "add ct timeout ip croft udp-30-180 { protocol udp; l3proto ip; policy = { unreplied : 30, replied : 180 }; }",
      "add chain ip croft idle-300-30-180",
      "flush chain ip croft idle",
      'add rule ip croft idle-300-30-180 meta l4proto tcp ct timeout set "tcp-300"',
      'add rule ip croft idle-300-30-180 meta l4proto udp ct timeout set "udp-30-180"',
      "add rule ip croft idle iifname vmap @idle_of",
      "add rule ip croft idle oifname vmap @idle_of",
      'add element ip croft idle_of { "enid3c623848a30" : jump idle-300-30-180 }',
    ]);
    assert.match(timed({ idle: { udp: 45 } }).join(), /udp-45-180/);
    assert.doesNotMatch(timed({ idle: { udp: 45 } }).join(), /tcp/);
  });

  test("that gets a public address is two elements more", () => {
    const rules = new Ruleset(networkTable);
    rules.change([], rulesOf(eni));
    assert.deepEqual(rules.change(rulesOf(eni), rulesOf({ ...eni, publicAddress: "198.18.0.9" })), [
      "add element ip croft private_of { 198.18.0.9 : 10.0.1.10 }",
      "add element ip croft public_of { 10.0.1.10 : 198.18.0.9 }",
    ]);
  });
});

test("what is for an interface's address needs no table, unless the table overrides it", () => {
  const table = { kind: "table", id: "rtb-1" } as const;
  assert.deepEqual(lines(table), [
    "add chain ip croft by-rtb-1",
    "add rule ip croft by-rtb-1 ip daddr @inside meta mark set 2 accept",
    `add rule ip croft by-rtb-1 meta mark set ${tableNumber("rtb-1")} accept`,
  ]);
  const network = (to: string, via: RouteTarget) =>
    withOverrides(
      new Map<string, NetworkElement>([
        ["table", table],
        ["range", { kind: "range", cidr: "10.0.0.0/16" }],
        ["route", { kind: "route", table: "rtb-1", to, via }],
      ]),
    ).get("table");
  const through = { interface: "eni-1", address: "10.0.1.10" };
  assert.deepEqual(network("10.0.0.0/16", "network"), table);
  assert.deepEqual(network("10.0.0.0/8", through), table);
  assert.deepEqual(network("10.1.0.0/16", "nowhere"), table);
  assert.deepEqual(network("0.0.0.0/0", "outside"), table);
  const overriding = { ...table, overrides: true } as const;
  assert.deepEqual(network("10.0.0.0/16", through), overriding);
  assert.deepEqual(network("10.0.2.0/24", "nowhere"), overriding);
  assert.deepEqual(lines(overriding), [
    "add chain ip croft by-rtb-1",
    `add rule ip croft by-rtb-1 meta mark set ${tableNumber("rtb-1")} accept`,
  ]);
});

describe("a subnet in nft's words", () => {
  const subnet = { kind: "subnet", id: "one", cidr: "10.0.1.0/24", table: "rtb-1", filter: "acl-1" } as const;
  const filter: NetworkElement = {
    kind: "filter",
    id: "acl-1",
    ingress: [
      { protocol: 6, ports: { from: 22, to: 22 }, peer: { cidr: "192.0.2.0/24" }, passes: false },
      { protocol: "any", peer: { cidr: "0.0.0.0/0" }, passes: true },
    ],
    egress: [],
  };

  test("marks what its interfaces send with its table, and asks its filter about what crosses its edge", () => {
    assert.deepEqual(lines(subnet, filter), [
      "add set ip croft links-one { typeof iifname; }",
      "add chain ip croft by-rtb-1",
      "add chain ip croft from-one",
      "add chain ip croft leave-acl-1",
      "add chain ip croft leave-one",
      "add chain ip croft enter-acl-1",
      "add chain ip croft enter-one",
      "flush chain ip croft edges",
      "add rule ip croft from-one goto by-rtb-1",
      "add rule ip croft leave-acl-1 drop",
      "add rule ip croft leave-one jump leave-acl-1",
      "add rule ip croft leave-one return",
      "add rule ip croft enter-acl-1 ip saddr 192.0.2.0/24 tcp dport 22 drop",
      "add rule ip croft enter-acl-1 return",
      "add rule ip croft enter-acl-1 drop",
      "add rule ip croft enter-one iifname @links-one return",
      "add rule ip croft enter-one jump enter-acl-1",
      "add rule ip croft enter-one iifname vmap @leaves",
      "add rule ip croft edges oifname vmap @enters",
      "add rule ip croft edges iifname vmap @leaves",
      "add element ip croft gateways { 10.0.1.1 }",
    ]);
  });

  test("that gets another table is one rule replaced, however many interfaces it has", () => {
    const rules = new Ruleset(networkTable);
    rules.change([], [subnet, eni, filter].flatMap(rulesOf));
    assert.deepEqual(rules.change(rulesOf(subnet), rulesOf({ ...subnet, table: "rtb-2" })), [
      "add chain ip croft by-rtb-2",
      "flush chain ip croft by-rtb-1",
      "flush chain ip croft from-one",
      "add rule ip croft from-one goto by-rtb-2",
      "delete chain ip croft by-rtb-1",
    ]);
  });
});

test("edges are asked as long as one filter may hold something back", () => {
  const anything = { protocol: "any", peer: { cidr: "0.0.0.0/0" }, passes: true } as const;
  const open: NetworkElement = { kind: "filter", id: "acl-1", ingress: [anything], egress: [anything] };
  const closed: NetworkElement = { ...open, id: "acl-2", egress: [] };
  const rules = new Ruleset(networkTable, networkChains);
  const aboutEdges = (all: string[]) =>
    all.filter((line) => / chain \S+ \S+ edges|rule ip croft edges/.test(line));
  assert.deepEqual(aboutEdges(rules.change([], rulesOf(open))), []);
  assert.deepEqual(aboutEdges(rules.change([], rulesOf(closed))), [
    "flush chain ip croft edges",
    "add rule ip croft edges oifname vmap @enters",
    "add rule ip croft edges iifname vmap @leaves",
  ]);
  assert.deepEqual(aboutEdges(rules.change([], rulesOf({ ...closed, id: "acl-3" }))), []);
  assert.deepEqual(aboutEdges(rules.change(rulesOf(closed), [])), []);
  assert.deepEqual(aboutEdges(rules.change(rulesOf({ ...closed, id: "acl-3" }), [])), [
    "flush chain ip croft edges",
  ]);
});

describe("a group's rules in nft's words", () => {
  test("are one line each", () => {
    const anywhere = { cidr: "0.0.0.0/0" };
    assert.deepEqual(
      ruleLines(
        { protocol: "any", peer: anywhere },
        { protocol: 6, ports: { from: 22, to: 22 }, peer: anywhere },
        { protocol: 17, ports: { from: 1000, to: 2000 }, peer: { cidr: "10.0.0.0/8" } },
        { protocol: 6, peer: { group: "sg-b" } },
        { protocol: 1, ports: { from: -1, to: -1 }, peer: anywhere },
        { protocol: 1, ports: { from: 3, to: 4 }, peer: anywhere },
        { protocol: 50, peer: anywhere },
      ),
      [
        "accept",
        "tcp dport 22 accept",
        "ip saddr 10.0.0.0/8 udp dport 1000-2000 accept",
        "ip saddr @members-sg-b meta l4proto tcp accept",
        "meta l4proto icmp accept",
        "icmp type 3 icmp code 4 accept",
        "meta l4proto 50 accept",
      ],
    );
  });

  test("that name another network's group mean who comes by the peering", () => {
    const link = peeringLink("pcx-1");
    const peer = { group: "sg-b", peering: "pcx-1" } as const;
    assert.deepEqual(ruleLines({ protocol: 17, peer }), [
      `iifname "${link}" ip saddr @members-sg-b meta l4proto udp accept`,
    ]);
  });

  test("that speak of IPv6 allow nothing", () => {
    assert.deepEqual(ruleLines({ protocol: "any", peer: { cidr: "::/0" } }), []);
    assert.deepEqual(ruleLines({ protocol: 58, peer: { cidr: "0.0.0.0/0" } }), []);
  });

  test("that change replace only their own chain", () => {
    const before: NetworkElement = { kind: "group", id: "sg-a", ingress: [], egress: [] };
    const ssh: TrafficRule = { protocol: 6, ports: { from: 22, to: 22 }, peer: { cidr: "0.0.0.0/0" } };
    const rules = new Ruleset(networkTable);
    rules.change([], [...rulesOf(before), ...rulesOf(eni)]);
    assert.deepEqual(rules.change(rulesOf(before), rulesOf({ ...before, ingress: [ssh] })), [
      "flush chain ip croft in-sg-a",
      "add rule ip croft in-sg-a tcp dport 22 accept",
    ]);
  });
});

describe("10,000 random changes, one by one", () => {
  test("are lines nft accepts, and leave what the last set alone would give", () => {
    const network = randomNetwork(seededRandom(1));
    const rules = new Ruleset(networkTable, networkChains);
    const kernel = new ModelTable();
    let applied: ReadonlyMap<string, RoutedElement> = new Map();
    for (let step = 0; step < 10_000; step++) {
      const desired = withOverrides(network.step());
      const { gone, come } = difference(applied, desired);
      kernel.apply(rules.change(gone.flatMap(rulesOf), come.flatMap(rulesOf)));
      applied = desired;
      if (step % 10 !== 0) continue;
      const scratch = new ModelTable();
      scratch.apply(lines(...desired.values()));
      assert.deepEqual(kernel.contents(), scratch.contents(), `step ${step}`);
    }
  });
});

/** As much of nft as decides whether a transaction is refused: what exists, and what names it. */
class ModelTable {
  readonly #sets = new Map<string, Map<string, string>>(
    [
      "sources",
      "ports",
      "speakers",
      "unchecked",
      "destinations",
      "forwarders",
      "subnet_of",
      "leaves",
      "enters",
      "arrivals",
      "inside",
      "idle_of",
      "gateways",
      "inspected",
      "resolvers",
      "egress",
      "ingress",
      "private_of",
      "public_of",
    ].map((name) => [name, new Map()]),
  );
  readonly #chains = new Map<string, string[]>(networkChains.map((name) => [name, []]));

  readonly #timeouts = new Set<string>();

  apply(all: readonly string[]): void {
    for (const line of all) this.#line(line.replace(/ (ip|arp) croft/, ""));
    const named = [
      ...this.#chains.values(),
      ...[...this.#sets.values()].map((set) => [...set.values()]),
    ].flat();
    for (const text of named) {
      const [, chain] = /(?:jump|goto) ((?:in|out|by|from|enter|leave|idle)-\S+)/.exec(text) ?? [];
      if (chain !== undefined) assert.ok(this.#chains.has(chain), `${text}: no such chain`);
      const [, timeout] = /timeout set "(\S+)"/.exec(text) ?? [];
      if (timeout !== undefined) assert.ok(this.#timeouts.has(timeout), `${text}: no such timeout`);
      const [, set] = /@(\S+)/.exec(text) ?? [];
      if (set !== undefined) assert.ok(this.#sets.has(set), `${text}: no such set`);
    }
  }

  contents(): unknown {
    return { chains: this.#chains, sets: this.#sets, timeouts: this.#timeouts };
  }

  #line(line: string): void {
    const [verb, kind, name = "", ...rest] = line.replace(" ct timeout ", " timeout ").split(" ");
    const chain = this.#chains.get(name);
    const set = this.#sets.get(name);
    if (kind === "timeout") {
      assert.equal(this.#timeouts.has(name), verb === "delete", line);
      if (verb === "add") this.#timeouts.add(name);
      else this.#timeouts.delete(name);
      return;
    }
    const absent = verb === "add" && (kind === "chain" || kind === "set");
    assert.equal(chain === undefined && set === undefined, absent, line);
    if (absent && kind === "chain") this.#chains.set(name, []);
    else if (absent) this.#sets.set(name, new Map());
    else if (kind === "rule") chain?.push(rest.join(" "));
    else if (kind === "element") this.#elements(verb, set ?? new Map(), rest.join(" ").slice(2, -2), line);
    else if (verb === "flush") this.#chains.set(name, []);
    else if (kind === "chain") this.#chains.delete(name);
    else this.#sets.delete(name);
  }

  #elements(verb: string | undefined, set: Map<string, string>, text: string, line: string): void {
    for (const part of text.split(", ")) {
      const [key = "", value = ""] = part.split(" : ");
      assert.equal(set.has(key), verb === "delete", line);
      if (verb === "delete") set.delete(key);
      else set.set(key, value);
    }
  }
}
