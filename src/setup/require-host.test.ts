import assert from "node:assert/strict";
import { test } from "node:test";
import { defaults } from "#config.ts";
import { Refusal } from "#cli/command.ts";
import { pretendedHost } from "#testing/pretended-host.ts";
import { kernelReadings, kernelTrials } from "./checks/kernel-checks.ts";
import { requireHost } from "./require-host.ts";

const place = { dataDir: "/var/lib/croft", cacheDir: "/var/cache/croft", capacity: defaults.capacity };

test("a start goes on where something is only missed", async () => {
  const host = pretendedHost({ stats: { "/dev/kvm": undefined } });
  await requireHost(kernelReadings, place, host);
});

test("a start says all that keeps it from starting, what to do about each, and what works all the same", async () => {
  const host = pretendedHost({
    stats: { "/dev/net/tun": undefined },
    failing: { "type veth": "Unknown device type." },
  });
  await assert.rejects(requireHost(kernelTrials, place, host), (error) => {
    assert.ok(error instanceof Refusal);
    assert.match(error.message, /joins no namespaces by links .*: modprobe -a veth/);
    assert.match(error.message, /no \/dev\/net\/tun.*: modprobe tun/);
    assert.match(error.message, /croft start --machines fake/);
    return true;
  });
});
