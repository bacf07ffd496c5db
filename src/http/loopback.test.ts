import assert from "node:assert/strict";
import { test } from "node:test";
import { isLoopback } from "./loopback.ts";

for (const address of ["127.0.0.1", "127.255.0.3", "::1", "::ffff:127.0.0.1", "0:0:0:0:0:0:0:1"])
  test(`${address} is this machine's alone`, () => assert.ok(isLoopback(address)));

for (const address of [
  "128.0.0.1",
  "0.0.0.0",
  "::",
  "::2",
  "::ffff:10.0.0.1",
  "10.127.0.1",
  "localhost",
  "",
  "127.1",
])
  test(`${JSON.stringify(address)} is not`, () => assert.ok(!isLoopback(address)));
