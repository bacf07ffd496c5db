import assert from "node:assert/strict";
import { test } from "node:test";
import { testImage, testRegion } from "#testing/region.ts";
import { FakeClock } from "#testing/fake-clock.ts";
import { burstKeeper } from "./burst-keeper.ts";

test(
  "accounts are of attached volumes that spent credits, go on in a later program, and begin anew with their machine",
  { timeout: 20_000 },
  async (t) => {
    const { client, machines, feed, records, until } = await testRegion(t);
    const blockDevices = (["gp2", "gp3"] as const).map((VolumeType, n) => ({
      DeviceName: `/dev/sd${"fg"[n]}`,
      Ebs: { VolumeType, VolumeSize: 100 },
    }));
    const launched = { ImageId: testImage.id, InstanceType: "t3.micro", MinCount: 1, MaxCount: 1 } as const;
    await client.runInstances({ ...launched, BlockDeviceMappings: blockDevices });
    const [instance] = records.all("instance");
    const id = instance?.id ?? "";
    await until(() => records.get("instance", id)?.so.state === "running");
    const of = (type: string) =>
      records.all("volume").find((it) => it.type === type && it.sizeGiB === 100)?.id ?? "";
    const clock = new FakeClock();
    const hostId = instance?.hostId ?? "";
    const count = burstKeeper(hostId, machines, feed, clock, {});
    assert.deepEqual(await count(), {});
    for (const type of ["gp2", "gp3"]) machines.ask(id, of(type), { requests: 60_000, bytes: 60_000 });
    await clock.advance(60_000);
    const accounts = await count();
    assert.deepEqual(
      Object.entries(accounts).map(([volume, { spent }]) => [volume, spent]),
      [[of("gp2"), 60_000 - 300 * 60]],
    );
    await clock.advance(60_000);
    const later = burstKeeper(hostId, machines, feed, clock, accounts);
    assert.equal((await later())[of("gp2")]?.spent, 60_000 - 2 * 300 * 60);

    const deaf = { diskTraffic: () => Promise.reject(new Error("no answer")) };
    assert.deepEqual(await burstKeeper(hostId, deaf, feed, clock, accounts)(), accounts);
    const spec = machines.spec(id);
    assert.ok(spec);
    await machines.stop(id);
    assert.deepEqual(await later(), {});
    await machines.ensure(spec);
    machines.ask(id, of("gp2"), { requests: 60_000, bytes: 60_000 });
    await clock.advance(60_000);
    assert.equal(
      (await later())[of("gp2")]?.spent,
      60_000 - 300 * 60,
      "what it asked since the last look counts",
    );
  },
);
