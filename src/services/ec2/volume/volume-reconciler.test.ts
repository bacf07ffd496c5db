import assert from "node:assert/strict";
import { test } from "node:test";
import { createFakeDisks } from "#drivers/disk/fake/fake-disks.ts";
import { createFakeMachines } from "#drivers/machine/fake/fake-machines.ts";
import { testRegion } from "#testing/region.ts";
import { reconcileVolume } from "./volume-reconciler.ts";
import type { VolumeRecord } from "./volume.ts";

test(
  "a volume whose bytes cannot be made is tried again for two minutes, then in error, and can be deleted",
  { timeout: 60_000 },
  async (t) => {
    const { client, store, feed, records } = await testRegion(t);
    const id = "vol-0123456789abcdef0";
    const key = records.key("volume", id);
    const value: VolumeRecord = {
      id,
      hostId: "host-2",
      zone: "eu-central-1a",
      type: "gp2",
      sizeGiB: 1,
      iops: 100,
      attachments: [],
      tags: {},
      createdAt: new Date().toISOString(),
      so: { ready: false },
    };
    await feed.reached((await store.commit({ put: [{ key, value }] })).revision);
    const disks = createFakeDisks();
    disks.ensure = () => Promise.reject(new Error("the disk is broken"));
    const stepAfter = async (ms: number) => {
      const worked = { since: () => ms, forget: () => {} };
      const host = {
        hostId: "host-2",
        disks,
        machines: createFakeMachines(),
        imageFile: (entry: string) => entry,
        worked,
        now: () => new Date(),
      };
      const outcome = await reconcileVolume(id, records, host);
      assert.equal(outcome.kind, "moved");
      if (outcome.kind === "moved") await feed.reached((await store.commit(outcome.transaction)).revision);
    };
    await assert.rejects(stepAfter(119_999), /the disk is broken/);
    await stepAfter(120_000);
    assert.equal(records.get("volume", id)?.so.failed, "the disk is broken");
    const { Volumes: [volume] = [] } = await client.describeVolumes({});
    assert.equal(volume?.State, "error");
    const { VolumeStatuses: [status] = [] } = await client.describeVolumeStatus({});
    assert.equal(status?.VolumeStatus?.Status, "insufficient-data");
    await client.deleteVolume({ VolumeId: id });
    await stepAfter(0);
    assert.equal(records.get("volume", id), undefined);
  },
);
