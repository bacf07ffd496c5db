import assert from "node:assert/strict";
import { test } from "node:test";
import { checkElement } from "./element-check.ts";
import type { TrafficRule } from "./network-driver.ts";

const check = (rule: TrafficRule) => checkElement({ kind: "group", id: "sg-1", ingress: [], egress: [rule] });
const peer = { cidr: "0.0.0.0/0" };

test("rules of every sort are taken", () => {
  check({ protocol: "any", peer });
  check({ protocol: 6, ports: { from: 0, to: 65535 }, peer: { group: "sg-0123456789abcdef0" } });
  check({ protocol: 1, ports: { from: 8, to: -1 }, peer: { cidr: "2001:db8::/32" } });
});

test("ports out of range or order, and peers that are no range, are refused", () => {
  const wrong: TrafficRule[] = [
    { protocol: 6, ports: { from: 22, to: 21 }, peer },
    { protocol: 6, ports: { from: 0, to: 65536 }, peer },
    { protocol: 6, ports: { from: 1.5, to: 2 }, peer },
    { protocol: 256, peer },
    { protocol: "any", peer: { cidr: "10.0.0.0" } },
    { protocol: "any", peer: { cidr: "10.0.0.0/33" } },
    { protocol: "any", peer: { cidr: "10.0.0.0/8 accept" } },
    { protocol: "any", peer: { group: "sg-1 accept" } },
    { protocol: "any", peer: { group: "sg-1", peering: "pcx-1 accept" } },
  ];
  for (const rule of wrong) assert.throws(() => check(rule), /not a valid/, JSON.stringify(rule));
});

test("a peering of anything but ids and ranges is refused", () => {
  const peering = { kind: "peering", id: "pcx-1", network: "vpc-2", ranges: ["10.2.0.0/16"] } as const;
  checkElement(peering);
  for (const wrong of [
    { id: "pcx-1 accept" },
    { network: "../edge" },
    { ranges: ["10.2.0.0/16", "10.3.0.0/16 accept"] },
  ])
    assert.throws(() => checkElement({ ...peering, ...wrong }), /not a valid/, JSON.stringify(wrong));
});
