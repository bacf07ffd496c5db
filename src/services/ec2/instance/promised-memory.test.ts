import assert from "node:assert/strict";
import { test } from "node:test";
import { testHost, testImage, testRegion } from "#testing/region.ts";
import { promisedMemory } from "./promised-memory.ts";

test(
  "a host has promised what its instances hold, as they start, stop and go",
  { timeout: 10_000 },
  async (t) => {
    const { client, feed, records, until } = await testRegion(t);
    const promised = () => records.promisedOn(testHost.id);
    const launch = { ImageId: testImage.id, InstanceType: "t3.small", MinCount: 2, MaxCount: 2 } as const;
    const { Instances = [] } = await client.runInstances(launch);
    const [first = "", second = ""] = Instances.map(({ InstanceId }) => InstanceId);
    assert.equal(promised(), 4096);
    await until(() => records.all("instance").every(({ so }) => so.state === "running"));
    assert.equal(promised(), 4096);
    await client.stopInstances({ InstanceIds: [first] });
    await until(() => records.get("instance", first)?.so.state === "stopped");
    assert.equal(promised(), 2048);
    assert.equal(promisedMemory(feed)(testHost.id), 2048, "counted anew, it is the same");
    await client.startInstances({ InstanceIds: [first] });
    assert.equal(promised(), 4096);
    await client.terminateInstances({ InstanceIds: [first, second] });
    await until(() => records.all("instance").every(({ so }) => so.state === "terminated"));
    assert.equal(promised(), 0);
  },
);
