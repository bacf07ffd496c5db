import assert from "node:assert/strict";
import { closeSync, readFileSync, readlinkSync } from "node:fs";
import { after, before, test } from "node:test";
import { run } from "#drivers/linux/commands.ts";
import { inNamespace, openSocket } from "#drivers/linux/namespaces.ts";
import { openTap } from "#drivers/linux/taps.ts";

const name = "croft-nslinux";
const here = () => readlinkSync("/proc/thread-self/ns/net");
const home = here();

before(async () => {
  await run("ip", ["netns", "del", name]).catch(() => {});
  await run("ip", ["netns", "add", name]);
});
after(() => run("ip", ["netns", "del", name]));

test("what runs in a namespace sees only that, and this process is back afterwards, also after a failure", async () => {
  assert.notEqual(inNamespace(name, here), home);
  assert.throws(
    () =>
      inNamespace(name, () => {
        throw new Error("inside");
      }),
    /inside/,
  );
  assert.equal(here(), home);
  assert.throws(() => inNamespace("croft-no-such", here), /ENOENT/);
  assert.equal(
    await run("ip", ["-o", "link"], { namespace: name }).then((text) => text.split("\n").length),
    2,
  );
});

test("a tap is opened where its namespace is, by one at a time", async () => {
  await run("ip", ["tuntap", "add", "dev", "tap0", "mode", "tap", "vnet_hdr"], { namespace: name });
  const fd = openTap(name, "tap0");
  assert.throws(() => openTap(name, "tap0"), /TUNSETIFF tap0: EBUSY/);
  closeSync(fd);
  closeSync(openTap(name, "tap0"));
  assert.doesNotMatch(readFileSync("/proc/thread-self/net/dev", "utf8"), /tap0/);
});

test("a socket is bound before its address is there, once per port", async () => {
  const dns = { type: "tcp", address: "169.254.169.253", port: 53 } as const;
  const fd = openSocket(name, dns);
  assert.throws(() => openSocket(name, dns), /EADDRINUSE/);
  assert.match(await run("ss", ["-Hltn"], { namespace: name }), /169\.254\.169\.253:53/);
  closeSync(fd);
});
