import assert from "node:assert/strict";
import { test } from "node:test";
import { testImage, testRegion } from "#testing/region.ts";
import { instanceState } from "./instance.ts";

const limit = { timeout: 10_000 };

test(
  "only running instances have a status, also when others are named, unless all are asked for",
  limit,
  async (t) => {
    const { client, records, until } = await testRegion(t);
    const { Instances = [] } = await client.runInstances({
      ImageId: testImage.id,
      InstanceType: "t3.micro",
      MinCount: 2,
      MaxCount: 2,
    });
    const InstanceIds = Instances.map(({ InstanceId = "" }) => InstanceId);
    const states = () => records.all("instance").map(instanceState).join();
    await until(() => states() === "running,running");
    await client.stopInstances({ InstanceIds: InstanceIds.slice(0, 1) });
    await until(() => states().includes("stopped"));
    const shown = async (more: { IncludeAllInstances?: boolean }) => {
      const { InstanceStatuses = [] } = await client.describeInstanceStatus({ InstanceIds, ...more });
      return new Set(InstanceStatuses.map((it) => it.InstanceId));
    };
    assert.deepEqual(await shown({}), new Set(InstanceIds.slice(1)));
    assert.deepEqual(await shown({ IncludeAllInstances: true }), new Set(InstanceIds));
    await assert.rejects(client.describeInstanceStatus({ InstanceIds: ["i-00000000000000000"] }), {
      name: "InvalidInstanceID.NotFound",
    });
  },
);
