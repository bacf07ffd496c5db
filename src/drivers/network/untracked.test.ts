import assert from "node:assert/strict";
import test, { describe } from "node:test";
import type { InterfaceElement, NetworkElement, TrafficRule } from "./network-driver.ts";
import { routedRange } from "./routed-range.ts";
import { judgeOf, mayStop } from "./untracked.ts";

const anywhere = { cidr: "0.0.0.0/0" };
const everything: TrafficRule = { protocol: "any", peer: anywhere };
const web: TrafficRule = { protocol: 6, ports: { from: 443, to: 443 }, peer: anywhere };

const server: InterfaceElement = {
  kind: "interface",
  id: "eni-1",
  subnet: "one",
  mac: "02:aa:00:00:00:01",
  address: "10.0.1.10",
  groups: ["sg-1"],
  sourceCheck: true,
};

/** A server, and what its group lets in and out. */
const network = (
  ingress: readonly TrafficRule[],
  egress: readonly TrafficRule[] = [everything],
  ...more: [string, NetworkElement][]
): ReadonlyMap<string, NetworkElement> =>
  new Map<string, NetworkElement>([
    ...routedRange("10.0.0.0/16", { one: "10.0.1.0/24" }),
    ["interface/eni-1", server],
    ["group/sg-1", { kind: "group", id: "sg-1", ingress, egress }],
    ...more,
  ]);

const from = "203.0.113.7";
const request = { from, to: server.address, protocol: 6, port: 443 };
const stops = (
  before: ReadonlyMap<string, NetworkElement>,
  after: ReadonlyMap<string, NetworkElement>,
  flow = request,
  stopped = false,
) => judgeOf(before.values(), after.values())(flow, stopped);

describe("a change of groups", () => {
  test("stops what all might send, while everything might be answered", () => {
    assert.equal(stops(network([web]), network([])), true);
    assert.equal(stops(network([everything]), network([])), true);
  });

  test("stops nothing that it still lets pass, however", () => {
    assert.equal(stops(network([web]), network([{ ...web, peer: { cidr: `${from}/32` } }])), false);
    assert.equal(stops(network([web]), network([web], [])), false);
  });

  test("stops nothing that only some might send, or that not everything might answer", () => {
    assert.equal(stops(network([{ ...web, peer: { cidr: "203.0.113.0/24" } }]), network([])), false);
    assert.equal(
      stops(network([web], [{ ...everything, peer: { cidr: "203.0.113.0/24" } }]), network([])),
      false,
    );
    assert.equal(stops(network([web], [{ ...everything, protocol: 17 }]), network([])), false);
    assert.equal(
      stops(network([web], [{ ...everything, protocol: 6, ports: { from: 1024, to: 65_535 } }]), network([])),
      false,
    );
  });

  test("takes all ports of its protocol for everything", () => {
    const answers: TrafficRule = { protocol: 17, ports: { from: 0, to: 65_535 }, peer: anywhere };
    const question = { ...request, protocol: 17, port: 53 };
    const names: TrafficRule = { protocol: 17, ports: { from: 53, to: 53 }, peer: anywhere };
    assert.equal(stops(network([names], [answers]), network([], [answers]), question), true);
  });

  test("stops what the interface began, where all may send to it", () => {
    const begun = { from: server.address, to: from, protocol: 6, port: 443 };
    assert.equal(stops(network([everything], [web]), network([everything], []), begun), true);
    assert.equal(stops(network([web], [web]), network([web], []), begun), false);
  });

  test("stops nothing that passes a NAT gateway, which is always tracked", () => {
    const gateway: InterfaceElement = { ...server, id: "eni-2", address: "10.0.1.20", groups: [], nat: true };
    const table = network([everything]).get("subnet/one");
    assert.ok(table?.kind === "subnet" && table.table !== undefined);
    const via = { interface: "eni-2", address: gateway.address };
    const behind: [string, NetworkElement][] = [
      ["interface/eni-2", gateway],
      [`route/${table.table}/0.0.0.0/0`, { kind: "route", table: table.table, to: "0.0.0.0/0", via }],
    ];
    const begun = { from: server.address, to: from, protocol: 6, port: 443 };
    const before = network([everything], [web], ...behind);
    assert.equal(stops(before, network([everything], [], ...behind), begun), false);
  });

  test("lets go on what it stopped once all of its ends let it pass", () => {
    assert.equal(stops(network([]), network([]), request, true), true);
    assert.equal(stops(network([]), network([web]), request, true), false);
  });

  test("is one of a group's rules or of an interface's groups", () => {
    const [before, after] = [network([web]), network([])];
    const group = before.get("group/sg-1");
    assert.ok(group);
    assert.equal(mayStop([group], after), true);
    assert.equal(mayStop([{ ...server, groups: [] }], after), true);
    assert.equal(mayStop([{ ...server, mac: "02:aa:00:00:00:02" }], after), false);
  });
});
