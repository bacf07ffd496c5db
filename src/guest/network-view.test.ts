import assert from "node:assert/strict";
import { test } from "node:test";
import { networkView } from "./network-view.ts";
import { sampleInterface, sampleNetwork } from "./sample-network.ts";

const second = { address: "10.0.1.7", hostName: "ip-10-0-1-7", publicAddress: "198.18.0.7" };

test("an interface is known by each of its addresses, and by none once they are gone", () => {
  const primary = sampleInterface("10.0.1.5");
  const view = networkView(sampleNetwork([{ ...primary, secondary: [second] }]));
  assert.equal(view.byAddress("10.0.1.5")?.id, "eni-5");
  assert.equal(view.byAddress("10.0.1.7")?.id, "eni-5");
  assert.equal(view.addressOf("ip-10-0-1-7.ec2.internal"), "10.0.1.7");
  assert.equal(view.hostNameOf("10.0.1.7"), "ip-10-0-1-7");
  assert.equal(view.behind("198.18.0.7"), "10.0.1.7");
  view.update([primary], []);
  for (const look of [view.byAddress("10.0.1.7"), view.hostNameOf("10.0.1.7"), view.behind("198.18.0.7")])
    assert.equal(look, undefined);
  assert.equal(view.addressOf("ip-10-0-1-7.ec2.internal"), undefined);
  assert.equal(view.byAddress("10.0.1.5")?.id, "eni-5");
});

test("an address that moved is its new interface's, whichever of the two is told of last", () => {
  const [from, to] = [sampleInterface("10.0.1.5"), sampleInterface("10.0.1.6")];
  const view = networkView(sampleNetwork([{ ...from, secondary: [second] }, to]));
  view.update([{ ...to, secondary: [second] }], []);
  view.update([from], []);
  assert.equal(view.byAddress("10.0.1.7")?.id, "eni-6");
  assert.equal(view.behind("198.18.0.7"), "10.0.1.7");
  view.update([], ["eni-6"]);
  assert.equal(view.byAddress("10.0.1.7"), undefined);
});
