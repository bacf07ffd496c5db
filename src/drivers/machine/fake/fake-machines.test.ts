import assert from "node:assert/strict";
import { test } from "node:test";
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

const machines = createFakeMachines();
machineConformance("fake machines", {
  driver: () => machines,
  specOf,
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
