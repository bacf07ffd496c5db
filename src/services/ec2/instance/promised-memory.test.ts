import assert from "node:assert/strict";
import { test } from "node:test";
import { testHost, testImage, testRegion } from "#testing/region.ts";
import { holdsMemory, promisedMemory } from "./promised-memory.ts";

test(
  "a host has promised what its instances hold, as they start, stop and go",
  { timeout: 10_000 },
  async (t) => {
    const { client, feed, records, until } = await testRegion(t);
    const held = () =>
      records
        .instancesOn(testHost.id)
        .filter(holdsMemory)
        .reduce((sum, it) => sum + it.memoryMiB, 0);
    const seen: number[] = [];
    feed.onChange(() => {
      assert.equal(records.promisedOn(testHost.id), held());
      if (seen.at(-1) !== held()) seen.push(held());
    });
    const launch = { ImageId: testImage.id, InstanceType: "t3.small", MinCount: 2, MaxCount: 2 } as const;
    const { Instances = [] } = await client.runInstances(launch);
    const [first = "", second = ""] = Instances.map(({ InstanceId }) => InstanceId);
    await until(() => records.all("instance").every(({ so }) => so.state === "running"));
    await client.stopInstances({ InstanceIds: [first] });
    await until(() => records.get("instance", first)?.so.state === "stopped");
    await client.startInstances({ InstanceIds: [first] });
    await client.terminateInstances({ InstanceIds: [first, second] });
    await until(() => records.all("instance").every(({ so }) => so.state === "terminated"));
    assert.deepEqual(seen, [4096, 2048, 4096, 2048, 0]);
    assert.equal(promisedMemory(feed)(testHost.id), 0, "counted anew, it is the same");
  },
);
