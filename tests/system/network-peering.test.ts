import assert from "node:assert/strict";
import { closeSync } from "node:fs";
import { after, before, beforeEach, describe, test } from "node:test";
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
import { passes } from "#drivers/network/traffic.ts";
import { until } from "../until.ts";
import { dial, patiently, plugIn, sendDatagram, waiting } from "./guest-namespace.ts";

/** `a` peers with `b`, and `b` with `c`; `twin` has the addresses of `b`. Each has one interface, in one subnet with a table of its own. */
const prefix = "croft-px";
const ids = ["vpc-a", "vpc-b", "vpc-c", "vpc-twin"] as const;
type Id = (typeof ids)[number];
const nets: Readonly<Record<Id, number>> = { "vpc-a": 1, "vpc-b": 2, "vpc-c": 3, "vpc-twin": 2 };
const range = (id: Id) => `10.${nets[id]}.0.0/16`;
const card = (id: Id): InterfaceElement => ({
  kind: "interface",
  id: `eni-${id}`,
  subnet: "subnet",
  mac: `02:aa:00:00:00:0${nets[id]}`,
  address: `10.${nets[id]}.1.10`,
  groups: ["sg"],
  sourceCheck: true,
});
const [a, b, c, twin] = [card("vpc-a"), card("vpc-b"), card("vpc-c"), card("vpc-twin")];
const guest = (id: Id) => `croft-pxguest-${id}`;
const space = (id: Id) => `${prefix}-${id}`;

type Elements = readonly [key: string, element: NetworkElement][];
const anywhere = { cidr: "0.0.0.0/0" };
const everything: TrafficRule = { protocol: "any", peer: anywhere };
const route = (to: string, via: RouteTarget): [string, NetworkElement] => [
  `route/main/${to}`,
  { kind: "route", table: "main", to, via },
];
const peering = (id: string, network: Id): [string, NetworkElement] => [
  `peering/${id}`,
  { kind: "peering", id, network, ranges: [range(network)] },
];
const over = (id: string): RouteTarget => ({ peering: id });
const group = (ingress: readonly TrafficRule[], egress = [everything]): [string, NetworkElement] => [
  "group/sg",
  { kind: "group", id: "sg", ingress, egress },
];

/** Peered with routes both ways, and groups that let everything pass. */
const links: Readonly<Record<Id, Elements>> = {
  "vpc-a": [peering("pcx-ab", "vpc-b"), route(range("vpc-b"), over("pcx-ab"))],
  "vpc-b": [
    peering("pcx-ab", "vpc-a"),
    route(range("vpc-a"), over("pcx-ab")),
    peering("pcx-bc", "vpc-c"),
    route(range("vpc-c"), over("pcx-bc")),
  ],
  "vpc-c": [peering("pcx-bc", "vpc-b"), route(range("vpc-b"), over("pcx-bc"))],
  "vpc-twin": [],
};
const open = (id: Id): Map<string, NetworkElement> =>
  new Map<string, NetworkElement>([
    [`range/${range(id)}`, { kind: "range", cidr: range(id) }],
    ["table/main", { kind: "table", id: "main" }],
    route(range(id), "network"),
    ["subnet/subnet", { kind: "subnet", id: "subnet", cidr: `10.${nets[id]}.1.0/24`, table: "main" }],
    group([everything]),
    [`interface/eni-${id}`, card(id)],
  ]);

let networks: NetnsNetworks;
const applied = new Map<Id, ReadonlyMap<string, NetworkElement>>();
const apply = async (id: Id, elements: Elements) => {
  applied.set(id, new Map([...open(id), ...elements]));
  await reconcile(id);
};
const elementsOf = (id: Id) => applied.get(id) ?? new Map<string, NetworkElement>();
/** What the reconciler does: one network may take a link away that another is about to use. */
const reconcile = async (id: Id): Promise<void> => {
  const tries = () =>
    networks.apply(id, elementsOf(id)).then(
      () => "applied",
      (error: unknown) => String(error),
    );
  assert.equal(await until(tries, (it) => it === "applied"), "applied");
};
const applyAgain = () => Promise.all(ids.map(reconcile));
/** Whether the contract lets a connection begin; its answers need a way back besides. */
const expected = (from: Id, to: string, port = 22) =>
  passes(elementsOf(from).values(), { from: card(from).address, to, protocol: 6, port }, applied);
const connects = (from: Id, to: string, port = 22) => {
  assert.equal(expected(from, to, port), true, "the oracle says that it passes");
  assert.equal(dial(guest(from), to, port, patiently), "connected");
};
const refused = (from: Id, to: string, port = 22) => {
  assert.equal(expected(from, to, port), false, "the oracle says that it does not pass");
  assert.notEqual(dial(guest(from), to, port), "connected");
};

const clean = async () => {
  await destroyNetworks(prefix);
  for (const id of ids) await run("ip", ["netns", "del", guest(id)]).catch(() => {});
};
const listening: number[] = [];

before(async () => {
  await clean();
  networks = await openNetnsNetworks({
    prefix,
    publicPool: "198.18.246.0/24",
    links: "veth",
    lookMs: 100,
    onError: (error) => assert.fail(String(error)),
  });
  networks.onForeignChange((id) => void reconcile(id as Id));
  for (const id of ids) {
    await apply(id, []);
    await plugIn(guest(id), networks.port(id, card(id).id), card(id));
    for (const port of [22, 80])
      listening.push(openSocket(guest(id), { type: "tcp", address: "0.0.0.0", port }));
  }
});
after(async () => {
  for (const fd of listening) closeSync(fd);
  // Who reconciles late removes too.
  applied.clear();
  for (const id of ids) await networks.apply(id, new Map());
  await networks.close();
  await clean();
});
beforeEach(async () => {
  for (const id of ids) await apply(id, links[id]);
  await settled();
});

/** Every network has both its ends again, after a peering whose other end went away. */
const settled = async () => {
  const ready = async () => {
    await applyAgain();
    const up = ids.flatMap((id) =>
      [...elementsOf(id).values()].flatMap((it) =>
        it.kind === "peering" && elementsOf(it.network as Id).has(`peering/${it.id}`)
          ? [run("ip", ["link", "show", "dev", peeringLink(it.id)], { namespace: space(id) })]
          : [],
      ),
    );
    return (await Promise.allSettled(up)).every(
      (it) => it.status === "fulfilled" && /state UP/.test(it.value),
    );
  };
  assert.equal(await until(ready, (it) => it), true);
};

describe("a peering", () => {
  test("connects two networks both ways, where both route to it", async () => {
    connects("vpc-a", b.address);
    connects("vpc-b", a.address);
    connects("vpc-b", c.address);
    await apply(
      "vpc-b",
      links["vpc-b"].filter(([key]) => key !== `route/main/${range("vpc-a")}`),
    );
    assert.notEqual(dial(guest("vpc-a"), b.address, 22), "connected", "the answer has no way back");
    refused("vpc-b", a.address);
    await apply("vpc-b", links["vpc-b"]);
    await apply("vpc-a", [peering("pcx-ab", "vpc-b")]);
    refused("vpc-a", b.address);
  });

  test("is one only while both networks have it", async () => {
    await apply("vpc-b", []);
    refused("vpc-a", b.address);
    await apply("vpc-b", links["vpc-b"]);
    await settled();
    connects("vpc-a", b.address);
    await apply("vpc-a", []);
    refused("vpc-b", a.address);
  });

  test("lets pass what groups do, also those that name a group of the other network", async () => {
    await apply("vpc-b", [...links["vpc-b"], group([])]);
    refused("vpc-a", b.address);
    const ssh = { protocol: 6, ports: { from: 22, to: 22 } } as const;
    await apply("vpc-b", [...links["vpc-b"], group([{ ...ssh, peer: { cidr: range("vpc-a") } }])]);
    connects("vpc-a", b.address);
    refused("vpc-a", b.address, 80);
    const theirs: Elements = [
      group([{ ...ssh, peer: { group: "sg-of-a", peering: "pcx-ab" } }]),
      ["member/sg-of-a/10.1.1.10", { kind: "member", group: "sg-of-a", address: "10.1.1.10" }],
    ];
    await apply("vpc-b", [...links["vpc-b"], ...theirs]);
    connects("vpc-a", b.address);
    refused("vpc-c", b.address);
    await apply("vpc-b", [...links["vpc-b"], ...theirs.slice(0, 1)]);
    refused("vpc-a", b.address);
    await apply("vpc-b", links["vpc-b"]);
    await apply("vpc-a", [...links["vpc-a"], group([everything], [])]);
    refused("vpc-a", b.address);
  });

  test("lies beyond the edge of a subnet", async () => {
    const pass: FilterRule = { protocol: "any", peer: anywhere, passes: true };
    const closed = (ingress: readonly FilterRule[], egress: readonly FilterRule[]): Elements => [
      ["filter/acl", { kind: "filter", id: "acl", ingress, egress }],
      ["subnet/subnet", { kind: "subnet", id: "subnet", cidr: "10.2.1.0/24", table: "main", filter: "acl" }],
    ];
    await apply("vpc-b", [...links["vpc-b"], ...closed([{ ...pass, passes: false }], [pass])]);
    refused("vpc-a", b.address);
    await apply("vpc-b", [...links["vpc-b"], ...closed([pass], [pass])]);
    connects("vpc-a", b.address);
    await apply("vpc-b", [...links["vpc-b"], ...closed([pass], [{ ...pass, passes: false }])]);
    refused("vpc-b", a.address);
  });

  test("leads no further than the other network: not to its peers, its services or the outside", async () => {
    const beyond: Elements = [route(range("vpc-c"), over("pcx-ab")), route("0.0.0.0/0", over("pcx-ab"))];
    await apply("vpc-a", [...links["vpc-a"], ...beyond]);
    await apply("vpc-b", [
      ...links["vpc-b"],
      route("0.0.0.0/0", "outside"),
      ["interface/eni-vpc-b", { ...b, publicAddress: "198.18.246.12" }],
    ]);
    await apply("vpc-c", [
      ...links["vpc-c"],
      route(range("vpc-a"), over("pcx-bc")),
      route("0.0.0.0/0", "outside"),
      ["interface/eni-vpc-c", { ...c, publicAddress: "198.18.246.13" }],
    ]);
    assert.equal(dial(guest("vpc-b"), "198.18.246.13", 22, patiently), "connected");
    const resolver = openSocket(space("vpc-b"), { type: "tcp", address: "10.2.0.2", port: 53 });
    refused("vpc-a", c.address);
    refused("vpc-a", "198.18.246.13");
    assert.equal(dial(guest("vpc-b"), "10.2.0.2", 53, patiently), "connected");
    refused("vpc-a", "10.2.0.2", 53);
    connects("vpc-a", b.address);
    closeSync(resolver);
  });

  test("takes nothing from addresses that are not the other network's", async () => {
    const forged = "10.9.9.9";
    await run("ip", ["address", "add", `${forged}/32`, "dev", "eth0"], { namespace: guest("vpc-a") });
    const inbox = openSocket(guest("vpc-b"), { type: "udp", address: "0.0.0.0", port: 7 });
    await apply("vpc-a", [...links["vpc-a"], ["interface/eni-vpc-a", { ...a, sourceCheck: false }]]);
    sendDatagram(guest("vpc-a"), b.address, 7, { from: forged });
    sendDatagram(guest("vpc-a"), b.address, 7);
    assert.equal(
      await until(
        async () => waiting(inbox),
        (it) => it > 0,
      ),
      1,
      "only its own arrives",
    );
    closeSync(inbox);
    await run("ip", ["address", "del", `${forged}/32`, "dev", "eth0"], { namespace: guest("vpc-a") });
  });

  test("of one of two networks with the same addresses leads to that one", async () => {
    const toTwin: Elements = [peering("pcx-twin", "vpc-twin"), route(range("vpc-b"), over("pcx-twin"))];
    const back: Elements = [peering("pcx-twin", "vpc-a"), route(range("vpc-a"), over("pcx-twin"))];
    await apply("vpc-twin", [...back, group([])]);
    await apply("vpc-a", [...links["vpc-a"], ...toTwin]);
    await settled();
    refused("vpc-a", twin.address);
    await apply("vpc-twin", back);
    connects("vpc-a", twin.address);
    // Each range by its own way; a rule that names a group of `b` means nobody of the twin.
    await apply("vpc-b", [...links["vpc-b"], group([])]);
    connects("vpc-a", twin.address);
    await apply("vpc-a", [
      ...links["vpc-a"],
      ...toTwin,
      group([{ protocol: "any", peer: { group: "sg-of-b", peering: "pcx-ab" } }]),
      ["member/sg-of-b/10.2.1.10", { kind: "member", group: "sg-of-b", address: "10.2.1.10" }],
    ]);
    refused("vpc-twin", a.address);
  });

  test("that someone else takes down, deletes or takes a network's namespace from is made again", async () => {
    const link = peeringLink("pcx-ab");
    for (const disturb of [
      () => run("ip", ["link", "set", "dev", link, "down"], { namespace: space("vpc-a") }),
      () => run("ip", ["link", "del", "dev", link], { namespace: space("vpc-b") }),
      () => run("nft", ["flush", "ruleset"], { namespace: space("vpc-b") }),
      () => run("ip", ["netns", "del", space("vpc-c")]),
    ]) {
      await disturb();
      const reached = async () => dial(guest("vpc-a"), b.address, 22) === "connected";
      assert.equal(await until(reached, (it) => it), true, String(disturb));
    }
    const there = async () =>
      /state UP/.test(
        await run("ip", ["link", "show", "dev", peeringLink("pcx-bc")], { namespace: space("vpc-c") }).catch(
          () => "",
        ),
      );
    assert.equal(await until(there, (it) => it), true);
  });

  test("leaves nothing when it goes", async () => {
    for (const id of ids) await apply(id, []);
    await applyAgain();
    for (const namespace of [...ids.map(space), `${prefix}-edge`]) {
      const gone = async () =>
        !/pcx[0-9a-f]{12}|169\.254\.4\.1/.test(
          await run("ip", ["-batch", "-"], { namespace, input: "link show\nroute show table all\n" }),
        );
      assert.equal(await until(gone, (it) => it), true, namespace);
    }
  });
});
