import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryDirectory } from "#testing/temporary-directory.ts";
import { disableIpv6 } from "./namespace.ts";

test("IPv6 is switched off where the kernel has it, and not missed where it has none", async (t) => {
  const root = await temporaryDirectory(t);
  disableIpv6("all", root);
  const link = join(root, "ipv6", "conf", "all");
  mkdirSync(link, { recursive: true });
  writeFileSync(join(link, "disable_ipv6"), "0");
  disableIpv6("all", root);
  assert.equal(readFileSync(join(link, "disable_ipv6"), "utf8"), "1");
});
