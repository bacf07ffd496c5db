import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { InterfaceElement, RouteTarget } from "../network-driver.ts";
import { factsIn } from "./kernel-facts.ts";
import type { Fact } from "./link-facts.ts";
import { edgeFactsOf, factsOf, failClosedRules, linkBatch } from "./link-facts.ts";
import { peeringLink, tableNumber } from "./names.ts";

const eni: InterfaceElement = {
  kind: "interface",
  id: "eni-1",
  subnet: "one",
  mac: "02:aa:00:00:00:01",
  address: "10.0.1.10",
  groups: [],
  sourceCheck: true,
  publicAddress: "198.18.0.9",
};
const nothing = new Set<Fact>();

describe("an interface in ip's words", () => {
  test("is a tap with a route, which goes with it", () => {
    const { add } = linkBatch(nothing, new Set(factsOf(eni)), () => "tap");
    assert.deepEqual(add, [
      "tuntap add dev enid3c623848a30 mode tap vnet_hdr",
      "link set dev enid3c623848a30 alias eni-1 address 02:00:00:00:00:01 mtu 9001 up",
      "route replace 10.0.1.10 dev enid3c623848a30",
    ]);
    assert.deepEqual(linkBatch(new Set(factsOf(eni)), nothing, () => "tap").remove, [
      "link del dev enid3c623848a30",
    ]);
  });

  test("keeps its tap whatever else changes", () => {
    const other = { ...eni, address: "10.0.1.11", mac: "02:aa:00:00:00:02" };
    const { remove, add } = linkBatch(new Set(factsOf(eni)), new Set(factsOf(other)), () => "tap");
    assert.deepEqual(
      [...remove, ...add].map((line) => line.split(" ").slice(0, 3).join(" ")),
      ["route del 10.0.1.10", "route replace 10.0.1.11"],
    );
  });

  test("is reached at its public address by its network's link", () => {
    assert.deepEqual(linkBatch(nothing, new Set(edgeFactsOf(eni, "vpc-1")), () => "tap").add, [
      "route replace 198.18.0.9 via 169.254.1.2 dev net8ca061c99229 onlink",
    ]);
  });
});

describe("a routing table in ip's words", () => {
  const number = tableNumber("rtb-1");

  test("is what marked packets are routed by, and leads nowhere by itself", () => {
    const table = { kind: "table", id: "rtb-1" } as const;
    const added = (facts: readonly Fact[]) => linkBatch(nothing, new Set(facts), () => "tap").add;
    const asked = (at: number) => `rule add pref ${at} fwmark 0x${number.toString(16)} lookup ${number}`;
    const routes = [
      ...[254, 253, 123, 240].map((it) => `route replace throw 169.254.169.${it} table ${number}`),
      `route replace unreachable default table ${number} metric 4294967295`,
    ];
    assert.deepEqual(added(factsOf(table)), [asked(2), asked(100), ...routes]);
    assert.deepEqual(added(factsOf({ ...table, overrides: true })), [asked(100), ...routes]);
  });

  test("has a line for each of its routes", () => {
    const route = (to: string, via: RouteTarget) => factsOf({ kind: "route", table: "rtb-1", to, via });
    assert.deepEqual(
      [
        ...route("10.0.0.0/16", "network"),
        ...route("0.0.0.0/0", "outside"),
        ...route("192.0.2.0/24", "nowhere"),
        ...route("192.0.2.7/32", { interface: "eni-1", address: "10.0.1.10" }),
        ...route("10.2.0.0/16", { peering: "pcx-1" }),
      ],
      [
        `route throw 10.0.0.0/16 table ${number}`,
        `route default via 169.254.1.1 dev igw onlink table ${number}`,
        `route blackhole 192.0.2.0/24 table ${number}`,
        `route 192.0.2.7 via 10.0.1.10 dev enid3c623848a30 onlink table ${number}`,
        `route 10.2.0.0/16 via 169.254.4.1 dev ${peeringLink("pcx-1")} onlink table ${number}`,
      ],
    );
  });
});

describe("what ip tells of a namespace", () => {
  test("is read back in the words it was made with", () => {
    const text = [
      '[{"ifname":"lo","flags":["UP"],"mtu":65536,"address":"00:00:00:00:00:00","addr_info":[{"family":"inet","local":"127.0.0.1","prefixlen":8},{"family":"inet","local":"10.0.1.1","prefixlen":32}]}]',
      '[{"type":"unreachable","dst":"10.0.0.0/16","flags":[]},{"dst":"10.0.1.10","dev":"eniX","scope":"link","flags":["linkdown"]},{"dst":"default","gateway":"169.254.1.1","dev":"igw","table":"300","flags":["onlink"]},{"type":"unreachable","dst":"default","table":"300","metric":4294967295,"flags":[]},{"dst":"10.9.0.0/24","dev":"eth0","protocol":"kernel","flags":[]}]',
      '[{"dst":"10.0.1.10","dev":"eniX","lladdr":"02:aa:00:00:00:01","state":["PERMANENT"]}]',
      '[{"priority":5,"src":"all","iif":"lo","table":"local"},{"priority":40,"src":"all","fwmark":"0","action":"unreachable"}]',
      '[{"ifname":"lo","flags":["UP"],"mtu":65536,"address":"00:00:00:00:00:00"},{"ifname":"eniX","flags":["UP"],"mtu":9001,"address":"02:00:00:00:00:01","ifalias":"eni-1"}]',
    ].join("\n");
    assert.deepEqual(
      [...factsIn(text)],
      [
        "address 10.0.1.1 dev lo",
        "route unreachable 10.0.0.0/16",
        "route 10.0.1.10 dev eniX",
        "route default via 169.254.1.1 dev igw onlink table 300",
        "route unreachable default table 300 metric 4294967295",
        "neighbour 10.0.1.10 lladdr 02:aa:00:00:00:01 dev eniX",
        "rule pref 5 iif lo lookup local",
        "rule pref 40 fwmark 0 unreachable",
        "settings lo up",
        "link eniX",
        "settings eniX alias eni-1 address 02:00:00:00:00:01 mtu 9001 up",
      ],
    );
  });
});

test("the routing rules close a namespace before anything else in it opens", () => {
  const { add, remove } = linkBatch(
    new Set<Fact>(["rule pref 0 lookup local"]),
    new Set<Fact>([...factsOf(eni), ...failClosedRules]),
    () => "tap",
  );
  assert.deepEqual(remove, ["rule del pref 0 lookup local"]);
  assert.deepEqual(add.slice(0, 5), [
    "rule add pref 1 fwmark 0x2 lookup main",
    "rule add pref 5 iif lo lookup local",
    "rule add pref 10 iif lo lookup main",
    "rule add pref 40 fwmark 0/0xffffffff unreachable",
    "rule add pref 50 lookup local",
  ]);
});
