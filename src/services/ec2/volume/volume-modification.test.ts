import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { CreateVolumeCommandInput, ModifyVolumeCommandInput } from "@aws-sdk/client-ec2";
import { testRegion } from "#testing/region.ts";
import { reconcileVolume } from "./volume-reconciler.ts";

const limit = { timeout: 60_000 };

test("a volume is made larger, and what was changed is told", limit, async (t) => {
  const { client, disks, create, modify, modified } = await withRegion(t);
  const id = await create({ VolumeType: "gp3", Size: 10 });
  await assert.rejects(client.describeVolumesModifications({ VolumeIds: [id] }), {
    name: "InvalidVolumeModification.NotFound",
    message: `Modification for volume '${id}' does not exist.`,
  });
  const { VolumeModification: answer } = await modify(id, { Size: 20, Throughput: 250 });
  assert.deepEqual(
    [answer?.ModificationState, answer?.Progress, answer?.OriginalSize, answer?.TargetSize],
    ["modifying", 0, 10, 20],
  );
  const told = await modified(id);
  assert.deepEqual(
    [told?.ModificationState, told?.Progress, told?.OriginalThroughput, told?.TargetThroughput],
    ["completed", 100, 125, 250],
  );
  assert.ok(told?.StartTime && told.EndTime && told.EndTime >= told.StartTime);
  assert.equal(disks.sizeOf(id), 20);
  const { Volumes: [volume] = [] } = await client.describeVolumes({ VolumeIds: [id] });
  assert.deepEqual(
    [volume?.State, volume?.Size, volume?.Iops, volume?.Throughput],
    ["available", 20, 3000, 250],
  );
  const found = async (Name: string, value: string) => {
    const Filters = [{ Name, Values: [value] }];
    const { VolumesModifications = [] } = await client.describeVolumesModifications({ Filters });
    return VolumesModifications.length;
  };
  assert.deepEqual(
    [await found("target-size", "20"), await found("modification-state", "modifying")],
    [1, 0],
  );
});

test("another type brings its own rates, and takes away those it has none of", limit, async (t) => {
  const { client, create, modify, modified } = await withRegion(t);
  const id = await create({ VolumeType: "gp2", Size: 200 });
  const shape = async (input: Partial<ModifyVolumeCommandInput>) => {
    await modify(id, input);
    await modified(id);
    const { Volumes: [it] = [] } = await client.describeVolumes({ VolumeIds: [id] });
    return [it?.VolumeType, it?.Size, it?.Iops, it?.Throughput];
  };
  assert.deepEqual(await shape({ VolumeType: "gp3" }), ["gp3", 200, 3000, 125]);
  assert.deepEqual(await shape({ Iops: 5000 }), ["gp3", 200, 5000, 125]);
  assert.deepEqual(await shape({ VolumeType: "io1" }), ["io1", 200, 3000, undefined]);
  assert.deepEqual(await shape({ VolumeType: "gp2" }), ["gp2", 200, 600, undefined]);
  assert.deepEqual(await shape({ VolumeType: "st1", Size: 250 }), ["st1", 250, undefined, undefined]);
});

test("what cannot be modified is refused by AWS's codes, and nothing changes", limit, async (t) => {
  const { client, store, create, modify } = await withRegion(t);
  const id = await create({ VolumeType: "gp3", Size: 10 });
  const before = (await store.list("")).revision;
  for (const [input, name, message = /./] of [
    [{ Size: 9 }, "InvalidParameterValue", /^New size cannot be smaller than existing size$/],
    [{ Size: 65_537 }, "InvalidParameterValue", /at most 65536 GiB/],
    [{ Iops: 5001 }, "InvalidParameterValue", /ratio of 500\.100000 is too high/],
    [{ VolumeType: "io1" }, "InvalidParameterValue", /ratio of 300\.000000 is too high; maximum is 50$/],
    [{ VolumeType: "gp2", Iops: 3000 }, "InvalidParameterCombination"],
    [{ VolumeType: "st1" }, "InvalidParameterValue", /at least 125 GiB/],
    [{}, "InvalidParameterCombination"],
    [{ MultiAttachEnabled: true }, "InvalidParameterCombination"],
    [{ Size: 11, DryRun: true }, "DryRunOperation"],
    [{ VolumeId: "vol-1", Size: 11 }, "InvalidVolume.NotFound"],
  ] as [Partial<ModifyVolumeCommandInput>, string, RegExp?][])
    await assert.rejects(modify(id, input), { name, message });
  await assert.rejects(client.describeVolumesModifications({ VolumeIds: ["vol-1"] }), {
    name: "InvalidVolume.NotFound",
  });
  assert.equal((await store.list("")).revision, before);
});

test(
  "a volume whose bytes cannot be made more stays as it was, and says why; meanwhile it is not modified",
  limit,
  async (t) => {
    const { client, store, feed, records, machines, disks, create, modify, modified } = await withRegion(t);
    const id = await create({ VolumeType: "gp3", Size: 10 });
    const grow = disks.grow.bind(disks);
    disks.grow = () => Promise.reject(new Error("no room"));
    await modify(id, { Size: 20 });
    await assert.rejects(modify(id, { Size: 30 }), {
      name: "IncorrectModificationState",
      message: `Cannot modify volume ${id} in modification state MODIFYING`,
    });
    const outcome = await reconcileVolume(id, records, {
      hostId: records.get("volume", id)?.hostId ?? "",
      disks,
      machines,
      imageFile: (entry) => entry,
      worked: { since: () => 120_000, forget: () => {} },
      now: () => new Date(),
    });
    assert.equal(outcome.kind, "moved");
    if (outcome.kind === "moved") await feed.reached((await store.commit(outcome.transaction)).revision);
    const told = await modified(id);
    assert.deepEqual([told?.ModificationState, told?.StatusMessage], ["failed", "no room"]);
    const { Volumes: [volume] = [] } = await client.describeVolumes({ VolumeIds: [id] });
    assert.equal(volume?.Size, 10);
    disks.grow = grow;
    await modify(id, { Size: 20 });
    assert.equal((await modified(id))?.ModificationState, "completed");
  },
);

async function withRegion(t: TestContext) {
  const region = await testRegion(t);
  const { client, records, until } = region;
  return {
    ...region,
    create: async (input: Partial<CreateVolumeCommandInput>) => {
      const { VolumeId: id = "" } = await client.createVolume({
        AvailabilityZone: "eu-central-1a",
        ...input,
      });
      await until(() => records.get("volume", id)?.so.ready === true);
      return id;
    },
    modify: (VolumeId: string, input: Partial<ModifyVolumeCommandInput>) =>
      client.modifyVolume({ VolumeId, ...input }),
    /** Once it has come to its end. */
    modified: async (id: string) => {
      await until(() => records.get("volume", id)?.modification?.endedAt !== undefined);
      const { VolumesModifications: [told] = [] } = await client.describeVolumesModifications({
        VolumeIds: [id],
      });
      return told;
    },
  };
}
