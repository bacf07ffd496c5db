import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { InterfaceElement, NetworkDriver, NetworkElement } from "./network-driver.ts";

/** What every network driver promises. `driver`: the same one at every call, without networks at first. */
export const networkConformance = (name: string, driver: () => NetworkDriver): void => {
  describe(name, () => {
    test("a network is there with its interfaces, as often as it is applied, until it is applied as nothing", async () => {
      await driver().apply("vpc-1", oneInterface());
      await driver().apply("vpc-1", oneInterface());
      assert.deepEqual(await driver().observe(), new Map([["vpc-1", ["eni-1"]]]));
      await driver().apply("vpc-1", new Map());
      await driver().apply("vpc-1", new Map());
      assert.deepEqual(await driver().observe(), new Map());
    });

    test("interfaces come and go, each with a port of its own that stays the same", async () => {
      const findPorts = () =>
        [
          ["vpc-1", "eni-1"],
          ["vpc-1", "eni-2"],
          ["vpc-2", "eni-3"],
        ].map(([network = "", id = ""]) => driver().port(network, id));
      const ports = findPorts();
      const second: InterfaceElement = {
        ...card,
        id: "eni-2",
        address: "10.0.1.11",
        mac: "02:aa:00:00:00:02",
      };
      await driver().apply("vpc-1", new Map([...oneInterface(), ["interface/eni-2", second]]));
      assert.deepEqual(((await driver().observe()).get("vpc-1") ?? []).toSorted(), ["eni-1", "eni-2"]);
      await driver().apply("vpc-1", oneInterface());
      assert.deepEqual((await driver().observe()).get("vpc-1"), ["eni-1"]);
      assert.deepEqual(findPorts(), ports);
      assert.equal(new Set(ports.map(({ namespace, device }) => `${namespace} ${device}`)).size, 3);
      await driver().apply("vpc-1", new Map());
    });

    test("networks with the same addresses do not meet", async () => {
      await Promise.all(["vpc-1", "vpc-2"].map((id) => driver().apply(id, oneInterface())));
      await driver().apply("vpc-1", new Map());
      assert.deepEqual(await driver().observe(), new Map([["vpc-2", ["eni-1"]]]));
      await driver().apply("vpc-2", new Map());
    });

    test("applied twice at once, the later wish stands", async () => {
      await Promise.all([driver().apply("vpc-1", oneInterface()), driver().apply("vpc-1", new Map())]);
      assert.deepEqual(await driver().observe(), new Map());
      await Promise.all([driver().apply("vpc-1", new Map()), driver().apply("vpc-1", oneInterface())]);
      await Promise.all([driver().apply("vpc-1", new Map()), driver().apply("vpc-1", oneInterface())]);
      assert.deepEqual(await driver().observe(), new Map([["vpc-1", ["eni-1"]]]));
      await driver().apply("vpc-1", new Map());
    });

    test("what could be more than an id, an address or a number is refused, and changes nothing", async () => {
      const wrong: Partial<InterfaceElement>[] = [
        { id: "eni-1\nlink del eth0" },
        { id: "../edge" },
        { address: "10.0.1.10 dev lo" },
        { mac: "02:aa:00:00:00:01 }; flush ruleset" },
        { groups: ['sg-1 { include "/etc/passwd" }'] },
        { publicAddress: "198.18.0.0/16" },
        { subnet: "subnet-1 accept" },
        { secondary: [{ address: "10.0.1.11/8" }] },
      ];
      await driver().apply("vpc-1", oneInterface());
      for (const change of wrong) {
        const desired = new Map<string, NetworkElement>([
          ...oneInterface(),
          ["interface/x", { ...card, ...change }],
        ]);
        await assert.rejects(driver().apply("vpc-1", desired), /not a valid/);
      }
      await assert.rejects(driver().apply("../vpc", oneInterface()), /not a valid id/);
      await driver().apply("vpc-1", oneInterface());
      assert.deepEqual(await driver().observe(), new Map([["vpc-1", ["eni-1"]]]));
      await driver().apply("vpc-1", new Map());
    });
  });
};

const card: InterfaceElement = {
  kind: "interface",
  id: "eni-1",
  subnet: "subnet-1",
  mac: "02:aa:00:00:00:01",
  address: "10.0.1.10",
  groups: ["sg-1"],
  sourceCheck: true,
};

/** A network of one interface that may be reached by TCP port 22; new objects at every call. */
export const oneInterface = (): Map<string, NetworkElement> =>
  new Map<string, NetworkElement>([
    ["range/10.0.0.0/16", { kind: "range", cidr: "10.0.0.0/16" }],
    ["subnet/subnet-1", { kind: "subnet", id: "subnet-1", cidr: "10.0.1.0/24" }],
    ["interface/eni-1", { ...card }],
    [
      "group/sg-1",
      {
        kind: "group",
        id: "sg-1",
        ingress: [{ protocol: 6, ports: { from: 22, to: 22 }, peer: { cidr: "0.0.0.0/0" } }],
        egress: [{ protocol: "any", peer: { cidr: "0.0.0.0/0" } }],
      },
    ],
    ["member/sg-1/10.0.1.10", { kind: "member", group: "sg-1", address: "10.0.1.10" }],
  ]);
