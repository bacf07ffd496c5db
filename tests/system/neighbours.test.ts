import assert from "node:assert/strict";
import { closeSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { after, afterEach, before, describe, test } from "node:test";
import { run } from "#drivers/linux/commands.ts";
import { send } from "#drivers/linux/libc.ts";
import { openSocket } from "#drivers/linux/namespaces.ts";
import type { InterfaceElement, NetworkElement } from "#drivers/network/network-driver.ts";
import { networkLink } from "#drivers/network/netns/names.ts";
import { destroyNetworks, openNetnsNetworks } from "#drivers/network/netns/netns-networks.ts";
import type { NetnsNetworks } from "#drivers/network/netns/netns-networks.ts";
import { routedRange } from "#drivers/network/routed-range.ts";
import { until } from "../until.ts";
import { firewalls } from "./firewalls.ts";
import { dial, dialed, patiently, plugIn, unacknowledged } from "./guest-namespace.ts";
import { playHost } from "./played-host.ts";

/** This file plays a host of its own, on which other programs are at work. */
const prefix = "croft-nb";
const host = "croft-nbhost";
const world = "croft-nbworld";
const server = "203.0.113.10";
const pool = "198.18.250.0/24";
const edge = `${prefix}-edge`;

const card = (n: number): InterfaceElement => ({
  kind: "interface",
  id: `eni-${n}`,
  mac: `02:aa:00:00:00:0${n}`,
  address: `10.0.1.${9 + n}`,
  publicAddress: `198.18.250.${10 + n}`,
  subnet: "one",
  groups: ["sg"],
  sourceCheck: true,
});
const [one, two] = [card(1), card(2)];
const guest = ({ id }: InterfaceElement) => `croft-nbguest-${id}`;

const anything = [{ protocol: "any", peer: { cidr: "0.0.0.0/0" } }] as const;
const elements = new Map<string, NetworkElement>([
  ...routedRange("10.0.0.0/16", { one: "10.0.1.0/24" }),
  ["group/sg", { kind: "group", id: "sg", ingress: anything, egress: anything }],
  ["interface/eni-1", one],
  ["interface/eni-2", two],
]);

const directory = mkdtempSync(join(tmpdir(), "croft-neighbours-"));
const complaints: string[] = [];
let networks: NetnsNetworks;
const listening: number[] = [];

const clean = async () => {
  await destroyNetworks(prefix);
  for (const name of [world, host, guest(one), guest(two)])
    await run("ip", ["netns", "del", name]).catch(() => {});
};

/** As the reconciler of networks does, until the tests are over. */
const applyPatiently = (id: string): void => {
  if (over) return;
  networks.apply(id, elements).catch((error: unknown) => {
    complaints.push(String(error));
    setTimeout(() => applyPatiently(id), 100);
  });
};
let over = false;

before(async () => {
  await clean();
  await playHost({ host, world, ownAddresses: ["192.168.77.2"], worldAddresses: [server] });
  networks = await openNetnsNetworks({
    prefix,
    publicPool: pool,
    links: "veth",
    outbound: { uid: 0x7fff_fff1, complaints: join(directory, "pasta.log"), to: [] },
    onError: (error) => complaints.push(String(error)),
  });
  await networks.apply("vpc-one", elements);
  networks.onForeignChange(applyPatiently);
  for (const element of [one, two]) {
    await plugIn(guest(element), networks.port("vpc-one", element.id), element);
    listening.push(openSocket(guest(element), { type: "tcp", address: "0.0.0.0", port: 22 }));
  }
  listening.push(openSocket(world, { type: "tcp", address: "0.0.0.0", port: 80 }));
  listening.push(openSocket(host, { type: "tcp", address: "0.0.0.0", port: 8000 }));
  await everythingWorks();
});

after(async () => {
  for (const fd of listening) closeSync(fd);
  over = true;
  await networks.apply("vpc-one", new Map());
  await networks.close();
  await clean();
  rmSync(directory, { recursive: true });
});

/** From this host to an instance, between instances, and from an instance to the internet; given a slow machine's time for repairs. */
const everythingWorks = async () => {
  const ways = [
    ["host to public address", undefined, "198.18.250.11", 22],
    ["guest to guest", guest(one), two.address, 22],
    ["guest to guest's public address", guest(one), "198.18.250.12", 22],
    ["guest to internet", guest(one), server, 80],
  ] as const;
  const since = performance.now();
  for (const [way, from, to, port] of ways) {
    const outcome = await until(
      async () => dial(from, to, port),
      (seen) => seen === "connected",
      Math.max(1, since + 20_000 - performance.now()),
    );
    assert.equal(outcome, "connected", `${way}: ${complaints.join()}`);
  }
};

const ruleset = () => run("nft", ["--stateless", "list", "ruleset"]);

describe("beside the rules of", () => {
  afterEach(() => run("nft", ["flush", "ruleset"]));

  for (const [name, rules] of Object.entries(firewalls))
    test(`${name} everything works, also after repairs, and they stay as they are`, async () => {
      await run("nft", ["-f", "-"], { input: rules });
      const loaded = await ruleset();
      await everythingWorks();
      await run("ip", ["link", "del", "dev", prefix]);
      await everythingWorks();
      assert.equal(await ruleset(), loaded);
      // The rules do count: who is not asked for comes in nowhere.
      if (name === "ufw" || name === "firewalld")
        assert.notEqual(dial(world, "192.168.77.2", 8000), "connected");
    });

  test("none, the host's port is open", () => {
    assert.equal(dial(world, "192.168.77.2", 8000, patiently), "connected");
  });
});

describe("is repaired by itself, without an open connection noticing:", () => {
  const disturbances: readonly [what: string, namespace: string | undefined, ...command: string[]][] = [
    ["the host's link deleted", undefined, "ip", "link", "del", "dev", prefix],
    ["the host's link renamed", undefined, "ip", "link", "set", "dev", prefix, "down", "name", "other0"],
    ["the host's link set down", undefined, "ip", "link", "set", "dev", prefix, "down"],
    ["the host's address flushed", undefined, "ip", "address", "flush", "dev", prefix],
    ["the host's route deleted", undefined, "ip", "route", "del", pool],
    ["all the host's routes of the link flushed", undefined, "ip", "route", "flush", "dev", prefix],
    ["the edge's link to a network deleted", edge, "ip", "link", "del", "dev", networkLink("vpc-one")],
    ["the network's link to the edge deleted", `${prefix}-vpc-one`, "ip", "link", "del", "dev", "igw"],
    ["the edge's rules flushed", edge, "nft", "flush", "ruleset"],
    ["the network's rules flushed", `${prefix}-vpc-one`, "nft", "flush", "ruleset"],
    ["the edge's routing rules flushed", edge, "ip", "rule", "flush"],
    ["the edge's routes flushed", edge, "ip", "route", "flush", "table", "main"],
    ["the edge's link to the world set down", edge, "ip", "link", "set", "dev", "world", "down"],
  ];
  for (const [what, namespace, file = "", ...args] of disturbances)
    test(what, async () => {
      const flow = dialed(undefined, "198.18.250.11", 22);
      try {
        await run(file, args, namespace === undefined ? {} : { namespace });
        await everythingWorks();
        assert.equal(send(flow, Buffer.from("x"), 1, 0), 1);
        const left = await until(
          async () => unacknowledged(flow),
          (bytes) => bytes === 0,
          20_000,
        );
        assert.equal(left, 0, "what an open connection sends arrives");
      } finally {
        closeSync(flow);
      }
    });
});

describe("a route of somebody else's", () => {
  const foreign = (...words: string[]) => run("ip", [...words, "dev", "eth0"]);

  test("to some public addresses is named while it is there, and left alone", async () => {
    assert.equal(networks.conflict, undefined);
    await foreign("route", "add", "198.18.250.128/25");
    await until(
      async () => networks.conflict,
      (said) => said !== undefined,
      20_000,
    );
    assert.match(networks.conflict ?? "", /198\.18\.250\.128\/25 dev eth0/);
    await everythingWorks();
    await foreign("route", "del", "198.18.250.128/25");
    await until(
      async () => networks.conflict,
      (said) => said === undefined,
      20_000,
    );
    assert.equal(networks.conflict, undefined);
  });

  test("to all of them is not replaced, and the region's comes back when it goes", async () => {
    // By an address, as a bridge of Docker's comes to it.
    await foreign("address", "add", "198.18.250.1/24");
    await run("ip", ["route", "del", pool, "dev", prefix]);
    await sleep(1_500);
    assert.match(networks.conflict ?? "", /198\.18\.250\.0\/24 dev eth0/);
    assert.match(await run("ip", ["route", "show", pool]), /^198\.18\.250\.0\/24 dev eth0 [^\n]*\n$/);
    await foreign("address", "del", "198.18.250.1/24");
    await everythingWorks();
    assert.equal(networks.conflict, undefined);
  });
});
