import assert from "node:assert/strict";
import { test } from "node:test";
import type { MachineDisk } from "../machine-driver.ts";
import { machineConformance } from "../machine-conformance.ts";
import { createFakeMachines } from "./fake-machines.ts";

const specOf = (id: string) => ({
  id,
  cpus: 1,
  threadsPerCore: 1,
  memoryMiB: 64,
  identity: { uuid: "ec200000-0000-4000-8000-000000000000", product: "t3.nano" },
  boot: { by: "bios" } as const,
  disks: [],
  ports: [],
});

const port = { id: "eni-1", mac: "02:00:00:00:00:01", mtu: 9001, namespace: "vpc", device: "tap1" };

let disk: MachineDisk = { id: "vol-1", path: "/fake/vol-1", below: [] };

const machines = createFakeMachines();
machineConformance("fake machines", {
  driver: () => machines,
  specOf,
  port: () => port,
  isWired: async (id, { id: portId }) => machines.spec(id)?.ports.some((it) => it.id === portId) ?? false,
  disk: () => disk,
  snapshot: async () => (disk = { id: "vol-1", path: "/fake/vol-1/snap-1", below: [disk.path] }),
  holds: async (id, { id: diskId }) => machines.spec(id)?.disks.some((it) => it.id === diskId) ?? false,
  sizeGiB: async (id, diskId) => machines.sizeOf(id, diskId),
  kill: async (id) => machines.kill(id),
});

test("a fake guest shuts itself down when a test says so", async () => {
  const driver = createFakeMachines({ boots: false, listens: false });
  await driver.ensure(specOf("i-1"));
  await driver.pressPower("i-1");
  assert.deepEqual(await driver.observe("i-1"), { state: "running", booted: false });
  driver.guestPowersOff("i-1");
  assert.deepEqual(await driver.observe("i-1"), { state: "off", how: "powered-off" });
});

test("a fake guest lets go of a port soon after it is asked; one that does not listen keeps it", async () => {
  const asked = { force: false };
  const driver = createFakeMachines();
  await driver.ensure({ ...specOf("i-1"), ports: [port] });
  assert.equal(await driver.unplug("i-1", port.id, asked), false);
  await new Promise(setImmediate);
  assert.equal(await driver.unplug("i-1", port.id, asked), true);

  const deaf = createFakeMachines({ listens: false });
  await deaf.ensure({ ...specOf("i-1"), ports: [port] });
  assert.equal(await deaf.unplug("i-1", port.id, asked), false);
  await new Promise(setImmediate);
  assert.equal(await deaf.unplug("i-1", port.id, asked), false);
});
