import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { testImage, testRegion } from "#testing/region.ts";
import { layerKeeper } from "./layer-keeper.ts";

const limit = { timeout: 60_000 };
const never = (line: string) => assert.fail(line);

test(
  "a running machine stands on few layers soon after its volume's many snapshots were made",
  limit,
  async (t) => {
    const { below, disks, snapshots, keeper, root } = await running(t);
    const ids = await snapshots(40);
    assert.equal((await below()).length, 41);
    await keeper()(never);
    assert.ok((await below()).length < 34);
    assert.deepEqual(await below(), (await disks.locate(root)).below);
    assert.deepEqual((await disks.snapshots()).toSorted(), ids.toSorted());
  },
);

test(
  "what deleted snapshots left is merged, and the machine is told by the next program when this one ends between",
  limit,
  async (t) => {
    const { below, client, disks, machines, snapshots, region, keeper, root } = await running(t);
    const ids = await snapshots(5);
    for (const SnapshotId of ids.slice(1, 4)) await client.deleteSnapshot({ SnapshotId });
    await region.until(() => region.records.all("snapshot").length === 2);
    const rebaseDisks = machines.rebaseDisks.bind(machines);
    machines.rebaseDisks = () => Promise.reject(new Error("ended"));
    const said: string[] = [];
    await keeper()((line) => void said.push(line));
    assert.match(said.join("\n"), /^layers of vol-.*: Error: ended$/m);
    assert.equal((await below()).length, 6);
    machines.rebaseDisks = rebaseDisks;
    await keeper()(never);
    assert.equal((await below()).length, 3);
    assert.deepEqual(await below(), (await disks.locate(root)).below);
  },
);

test("a machine that has been told is left alone", limit, async (t) => {
  const { machines, snapshots, keeper } = await running(t);
  await snapshots(2);
  const keep = keeper();
  await keep(never);
  machines.rebaseDisks = () => assert.fail("it is told again");
  await keep(never);
});

test("what a pending snapshot holds is not touched: its machine may still write there", limit, async (t) => {
  const { below, client, machines, region, snapshots, keeper, root } = await running(t);
  const [deleted = ""] = await snapshots(1);
  const layerDisks = machines.layerDisks.bind(machines);
  const told = Promise.withResolvers<void>();
  machines.layerDisks = async (...args) => {
    await told.promise;
    return layerDisks(...args);
  };
  const { SnapshotId: pending = "" } = await client.createSnapshot({ VolumeId: root });
  await client.deleteSnapshot({ SnapshotId: deleted });
  await region.until(() => region.records.get("snapshot", deleted) === undefined);
  const before = await below();
  await keeper()(never);
  assert.deepEqual(await below(), before);
  told.resolve();
  await region.until(() => region.records.get("snapshot", pending)?.so.completedAt !== undefined);
  await keeper()(never);
  assert.equal((await below()).length, 2);
});

test("layers that cannot be merged are told of, and the next round tries again", limit, async (t) => {
  const { below, disks, snapshots, keeper } = await running(t);
  await snapshots(40);
  const merge = disks.merge.bind(disks);
  disks.merge = () => Promise.reject(new Error("no room"));
  const keep = keeper();
  const said: string[] = [];
  await keep((line) => void said.push(line));
  assert.deepEqual(said, ["merging layers: Error: no room"]);
  disks.merge = merge;
  await keep(never);
  assert.ok((await below()).length < 34);
});

async function running(t: TestContext) {
  const region = await testRegion(t);
  const { client, disks, machines, records } = region;
  const { Instances: [instance] = [] } = await client.runInstances({
    ImageId: testImage.id,
    InstanceType: "t3.micro",
    MinCount: 1,
    MaxCount: 1,
  });
  const instanceId = instance?.InstanceId ?? "";
  await region.until(() => records.get("instance", instanceId)?.so.state === "running");
  const root = records.volumesOf(instanceId)[0]?.id ?? "";
  return {
    region,
    client,
    disks,
    machines,
    root,
    keeper: () => layerKeeper("host-1", disks, machines, region.feed),
    below: async () => machines.spec(instanceId)?.disks[0]?.below ?? [],
    snapshots: async (count: number): Promise<string[]> => {
      const ids: string[] = [];
      for (let n = 0; n < count; n++) {
        const { SnapshotId: id = "" } = await client.createSnapshot({ VolumeId: root });
        await region.until(() => records.get("snapshot", id)?.so.completedAt !== undefined);
        ids.push(id);
      }
      return ids;
    },
  };
}
