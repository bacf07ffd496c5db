import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { run } from "#drivers/linux/commands.ts";
import type { NetworkElement } from "#drivers/network/network-driver.ts";
import { factsOf, failClosedRules, linkBatch, type Fact } from "#drivers/network/netns/link-facts.ts";
import { interfaceLink, tableNumber, uplink } from "#drivers/network/netns/names.ts";
import { ensureNamespace, namespaceExists, removeNamespace } from "#drivers/network/netns/namespace.ts";
import { RoutedNamespace } from "#drivers/network/netns/routed-namespace.ts";

const name = "croft-rns-one";
const elements: NetworkElement[] = [
  { kind: "range", cidr: "10.0.0.0/16" },
  { kind: "subnet", id: "one", cidr: "10.0.1.0/24", table: "rtb-1" },
  { kind: "table", id: "rtb-1" },
  { kind: "route", table: "rtb-1", to: "10.0.0.0/16", via: "network" },
  { kind: "route", table: "rtb-1", to: "0.0.0.0/0", via: "outside" },
  { kind: "route", table: "rtb-1", to: "192.0.2.0/24", via: "nowhere" },
  { kind: "route", table: "rtb-1", to: "192.0.2.7/32", via: { interface: "eni-1", address: "10.0.1.10" } },
  {
    kind: "interface",
    id: "eni-1",
    subnet: "one",
    mac: "02:aa:00:00:00:01",
    address: "10.0.1.10",
    secondary: [{ address: "10.0.1.11" }],
    groups: [],
    sourceCheck: true,
  },
];
const link = interfaceLink("eni-1");
const up = `settings ${uplink} address 02:00:00:00:00:03 mtu 1500 up` as const;
const facts = (them: readonly NetworkElement[]) =>
  new Set<Fact>([...failClosedRules, up, "address 192.0.2.200/30 dev lo", ...them.flatMap(factsOf)]);
const ip = (...args: string[]) => run("ip", args, { namespace: name });

let namespace: RoutedNamespace;
const become = async (have: ReadonlySet<Fact>, want: ReadonlySet<Fact>) => {
  const batch = linkBatch(have, want, () => "tap");
  await namespace.removeLinks(batch);
  await namespace.addLinks(batch);
};

before(async () => {
  await removeNamespace(name);
  await ensureNamespace(name);
  namespace = new RoutedNamespace(name);
  await ip("link", "add", uplink, "type", "veth", "peer", "name", "other");
  await become(await namespace.facts(), facts(elements));
});
after(async () => {
  namespace[Symbol.dispose]();
  await removeNamespace(name);
});

test("what a killed ip left of a namespace is taken for none, and makes room for one", async () => {
  const half = "croft-rns-half";
  const file = `/run/netns/${half}`;
  writeFileSync(file, "");
  assert.equal(namespaceExists(half), false);
  await removeNamespace(half);
  assert.equal(existsSync(file), false);
  writeFileSync(file, "");
  await ensureNamespace(half);
  assert.equal(namespaceExists(half), true);
  await removeNamespace(half);
  assert.equal(existsSync(file), false);
});

describe("the kernel's own news", () => {
  test("of what Croft does are nothing strange, whatever it is", async () => {
    assert.deepEqual(await namespace.strangeLinks(), new Set());
    const other = elements.map((it): NetworkElement =>
      it.kind === "interface" ? { ...it, mac: "02:aa:00:00:00:09", address: "10.0.1.99" } : it,
    );
    await become(facts(elements), facts(other));
    await become(facts(other), facts(elements.slice(0, 6)));
    await become(facts(elements.slice(0, 6)), facts(elements));
    assert.deepEqual(await namespace.strangeLinks(), new Set());
  });

  const table = String(tableNumber("rtb-1"));
  const doings: Record<string, [doing: string[][], undoing: string[][], subject: string]> = {
    "a route removed": [
      [["route", "del", "10.0.1.10"]],
      [["route", "add", "10.0.1.10", "dev", link]],
      `route 10.0.1.10 dev ${link}`,
    ],
    "a route of a table replaced": [
      [["route", "replace", "blackhole", "default", "table", table]],
      [["route", "replace", "default", "via", "169.254.1.1", "dev", uplink, "onlink", "table", table]],
      `route blackhole default table ${table}`,
    ],
    "an address removed": [
      [["address", "del", "10.0.1.1/32", "dev", "lo"]],
      [["address", "add", "10.0.1.1/32", "dev", "lo"]],
      "address 10.0.1.1 dev lo",
    ],
    "a rule removed": [
      [["rule", "del", "pref", "40"]],
      [["rule", "add", "pref", "40", "fwmark", "0/0xffffffff", "unreachable"]],
      "rule pref 40 fwmark 0 unreachable",
    ],
    "another size of packets": [
      [["link", "set", link, "mtu", "1400"]],
      [["link", "set", link, "mtu", "9001"]],
      `settings ${link}`,
    ],
    // What went with it comes back only by a repair.
    "a link down and up again": [
      [
        ["link", "set", uplink, "down"],
        ["link", "set", uplink, "up"],
      ],
      [],
      `settings ${uplink}`,
    ],
    "a link removed": [[["link", "del", link]], [], `link ${link}`],
  };
  for (const [what, [doing, undoing, subject]] of Object.entries(doings))
    test(`tell ${what} by another, once`, async () => {
      for (const args of doing) await ip(...args);
      const strange = await namespace.strangeLinks();
      assert.ok(strange?.has(subject), [...(strange ?? [])].join("; "));
      assert.deepEqual(await namespace.strangeLinks(), new Set());
      for (const args of undoing) await ip(...args);
      await namespace.strangeLinks();
    });
});
