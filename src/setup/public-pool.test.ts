import assert from "node:assert/strict";
import { test } from "node:test";
import { freePool, isNetwork, overlap, routedDestinations } from "./public-pool.ts";

const pools = ["198.18.0.0/16", "198.19.0.0/16", "10.127.0.0/16"];

test("the first pool is taken when the host routes none of them", () => {
  assert.equal(freePool(pools, ["192.168.1.0/24"]), "198.18.0.0/16");
});

test("a pool is passed over when the host routes a part of it, or more than it", () => {
  assert.equal(freePool(pools, ["198.18.7.0/24"]), "198.19.0.0/16");
  assert.equal(freePool(pools, ["198.18.0.0/15"]), "10.127.0.0/16");
  assert.equal(freePool(pools, ["198.19.255.255", "198.18.0.1"]), "10.127.0.0/16");
});

test("a host that routes all pools has none free", () => {
  assert.equal(freePool(pools, ["198.18.0.0/15", "10.0.0.0/8"]), undefined);
});

test("the default route and IPv6 take no pool", () => {
  const json = JSON.stringify([
    { dst: "default" },
    { dst: "10.0.0.0/8" },
    { dst: "fe80::/64" },
    { dst: "192.0.2.7" },
  ]);
  assert.deepEqual(routedDestinations(json), ["10.0.0.0/8", "192.0.2.7"]);
});

test("neighbouring networks do not overlap", () => {
  assert.equal(overlap("198.18.0.0/16", "198.19.0.0/16"), false);
  assert.equal(overlap("0.0.0.0/0", "198.19.0.0/16"), true);
});

test("a network is written by its first address, and has room", () => {
  assert.equal(isNetwork("198.18.0.0/16", 16), true);
  for (const text of [
    "198.18.0.1/16",
    "198.18.0.0",
    "198.18.0.0/29",
    "198.18.0.0/33",
    "198.18.0/16",
    "fe80::/64",
    "1.2.3.0/24/1",
  ]) {
    assert.equal(isNetwork(text, 16), false, text);
  }
});
