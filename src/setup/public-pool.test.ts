import assert from "node:assert/strict";
import { test } from "node:test";
import { freePools, isNetwork, rivalRoute } from "./public-pool.ts";

const pools = ["198.18.0.0/16", "198.19.0.0/16", "10.127.0.0/16"];
const routes = (...destinations: string[]) => destinations.map((dst) => ({ dst, dev: "eth0" }));

test("every pool is free on a host that routes none of them", () => {
  assert.deepEqual(freePools(pools, routes("default", "192.168.1.0/24", "198.17.0.0/16")), pools);
});

test("a pool is not free when the host routes it, a part of it, or more than it", () => {
  assert.deepEqual(freePools(pools, routes("198.18.0.0/16")), ["198.19.0.0/16", "10.127.0.0/16"]);
  assert.deepEqual(freePools(pools, routes("198.18.7.0/24", "10.127.0.1")), ["198.19.0.0/16"]);
  assert.deepEqual(freePools(pools, routes("198.18.0.0/15")), ["10.127.0.0/16"]);
  assert.deepEqual(freePools(pools, routes("0.0.0.0/1", "128.0.0.0/1")), []);
});

test("a region's own route, and the claim before it, leave its pool its own", () => {
  const own = [
    { dst: "198.18.0.0/16", dev: "croft-1a2b" },
    { dst: "198.18.0.0/16", type: "blackhole" },
  ];
  assert.equal(rivalRoute("198.18.0.0/16", "croft-1a2b", own), undefined);
});

test("another's route over a region's pool is its rival", () => {
  const rival = { dst: "198.18.4.0/24", dev: "tun0" };
  assert.equal(rivalRoute("198.18.0.0/16", "croft-1a2b", [...routes("default"), rival]), rival);
  const worse = { dst: "198.18.0.0/16", dev: "eth1" };
  assert.equal(rivalRoute("198.18.0.0/16", "croft-1a2b", [rival, worse]), worse);
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
