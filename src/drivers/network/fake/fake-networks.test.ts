import assert from "node:assert/strict";
import { test } from "node:test";
import { networkConformance, oneInterface } from "../network-conformance.ts";
import { createFakeNetworks } from "./fake-networks.ts";

const networks = createFakeNetworks();
networkConformance("fake networks", () => networks);

test("a disturbed fake network passes nothing until it is applied again", async () => {
  const flow = { from: "10.0.1.11", to: "10.0.1.10", protocol: 6, port: 22 };
  const told: string[] = [];
  networks.onForeignChange((id) => told.push(id));
  const desired = new Map(oneInterface());
  const first = desired.get("interface/eni-1");
  if (first?.kind === "interface")
    desired.set("interface/eni-2", { ...first, id: "eni-2", address: "10.0.1.11" });
  await networks.apply("vpc-1", desired);
  assert.equal(networks.passes("vpc-1", flow), true);
  networks.disturb("vpc-1");
  assert.deepEqual(told, ["vpc-1"]);
  assert.equal(networks.passes("vpc-1", flow), false);
  await networks.apply("vpc-1", desired);
  assert.equal(networks.passes("vpc-1", flow), true);
});
