import assert from "node:assert/strict";
import { test } from "node:test";
import { localAnswer } from "#api/local-answer.ts";
import { systemClock } from "#clock.ts";
import { testHost, testImage, testRegion } from "#testing/region.ts";
import { regionActivity } from "./region-activity.ts";

const limit = { timeout: 20_000 };

test(
  "machines are told with state, addresses and time, and what they take of their host",
  limit,
  async (t) => {
    const { client, feed, records, until } = await testRegion(t);
    const launch = { ImageId: testImage.id, InstanceType: "t3.micro", MinCount: 1, MaxCount: 1 } as const;
    const { Instances: [first] = [] } = await client.runInstances(launch);
    const { Instances: [second] = [] } = await client.runInstances(launch);
    assert.ok(first?.InstanceId && second?.InstanceId);
    await until(() => records.all("instance").every(({ so }) => so.state === "running"));

    const activity = regionActivity(feed, systemClock);
    assert.deepEqual(
      activity.machines.map(({ id }) => id),
      [first.InstanceId, second.InstanceId],
    );
    const { since, publicAddress, ...machine } = activity.machines[0] ?? assert.fail("a machine is there");
    assert.deepEqual(machine, {
      id: first.InstanceId,
      region: "eu-central-1",
      type: "t3.micro",
      state: "running",
      privateAddress: first.PrivateIpAddress,
      paused: null,
    });
    assert.match(publicAddress ?? "", /^198\.18\./);
    assert.ok(Math.abs(Date.parse(since) - Date.now()) < 20_000, since);
    assert.deepEqual(activity.memoryMiB, { promised: 2048, promisable: testHost.memoryMiB });
    assert.deepEqual(activity.cpus, { promised: 4, real: testHost.cpus });
    assert.deepEqual(activity.volumes, { count: 2, promisedGiB: 2 * testImage.sizeGiB });
    const [disk] = activity.disks;
    assert.deepEqual(
      [activity.disks.length, disk?.promisedGiB, disk?.usedBytes],
      [2, testImage.sizeGiB, null],
    );

    await client.stopInstances({ InstanceIds: [first.InstanceId] });
    await client.terminateInstances({ InstanceIds: [second.InstanceId] });
    await until(() =>
      records.all("instance").every(({ so }) => ["stopped", "terminated"].includes(so.state)),
    );
    const after = regionActivity(feed, systemClock);
    assert.deepEqual(
      after.machines.map(({ state, publicAddress: address }) => [state, address]),
      [["stopped", null]],
    );
    assert.equal(after.memoryMiB.promised, 0);
  },
);

test("what a host cannot settle is told, oldest first, until its lease runs out", limit, async (t) => {
  const { store, feed, records } = await testRegion(t);
  const trouble = (key: string, since: string) => ({ key, message: "no space left on device", since });
  const [later, earlier] = [
    trouble("volume/1", "2026-01-01T00:00:05Z"),
    trouble("vpc/1", "2026-01-01T00:00:01Z"),
  ];
  const value = { ...testHost, troubles: [later, earlier] };
  await feed.reached(
    (await store.commit({ put: [{ key: records.key("host", testHost.id), value }] })).revision,
  );
  assert.deepEqual(regionActivity(feed, systemClock).troubles, [earlier, later]);
  const { revision } = await store.commit({ delete: [`lease/host/${testHost.id}`] });
  await feed.reached(revision);
  assert.deepEqual(regionActivity(feed, systemClock).troubles, []);
});

test("it is told to callers on this machine alone", () => {
  const answer = localAnswer("the status is", "application/json", () => "{}");
  assert.equal(answer({ remoteAddress: "127.0.0.1" }).body, "{}");
  const { status, body } = answer({ remoteAddress: "192.0.2.1" });
  assert.deepEqual([status, body], [403, "the status is for callers on this machine only\n"]);
});
