import assert from "node:assert/strict";
import { test } from "node:test";
import { exposition } from "#api/exposition.ts";
import { metricsAnswer } from "#api/metrics-answer.ts";
import { processMetrics } from "#api/process-metrics.ts";
import { systemClock } from "#clock.ts";
import { testImage, testRegion } from "#testing/region.ts";
import type { HostRecord } from "./host.ts";
import { regionMetrics } from "./region-metrics.ts";
import { usedBytes } from "./used-bytes.ts";

const limit = { timeout: 20_000 };

test(
  "instances are counted by region and state, launches while they last, commits for good",
  limit,
  async (t) => {
    const { client, feed, records, store, until } = await testRegion(t);
    await store.acquire("host/host-1", "host-1", 60_000);
    const before = feed.revision;
    await client.runInstances({ ImageId: testImage.id, InstanceType: "t3.micro", MinCount: 2, MaxCount: 2 });
    await until(() => records.all("instance").every(({ so }) => so.state === "running"));
    const answer = metricsAnswer(() => regionMetrics("1.2.3", feed, systemClock));
    const { body } = answer({ remoteAddress: "127.0.0.1" });
    const lines = body.split("\n");
    for (const line of [
      'croft_info{version="1.2.3"} 1',
      "croft_hosts 1",
      'croft_instances{region="eu-central-1",state="running"} 2',
      'croft_instances{region="eu-central-1",state="stopped"} 0',
      'croft_launches{stage="waiting"} 0',
      `croft_store_commits_total ${feed.revision}`,
    ])
      assert.ok(lines.includes(line), `${line}\n${body}`);
    assert.ok(feed.revision > before);
  },
);

test("what a NAT gateway had no ports for is counted as its host tells it", limit, async (t) => {
  const { client, feed, records, store, until } = await testRegion(t);
  await store.acquire("host/host-1", "host-1", 60_000);
  const { Subnets: [subnet] = [] } = await client.describeSubnets({});
  const made = await client.createNatGateway({ SubnetId: subnet?.SubnetId, ConnectivityType: "private" });
  const { NatGatewayId = "" } = made.NatGateway ?? {};
  await until(() => records.get("nat-gateway", NatGatewayId)?.interfaceId !== undefined);
  const interfaceId = records.get("nat-gateway", NatGatewayId)?.interfaceId ?? "";
  const [host] = feed.list<HostRecord>("host/");
  assert.ok(host);
  await store.commit({
    put: [{ key: host.key, value: { ...host.value, portErrors: { [interfaceId]: 7 } } }],
  });
  const line = `croft_nat_gateway_error_port_allocation_total{nat_gateway="${NatGatewayId}"} 7`;
  await until(() => exposition(regionMetrics("1.2.3", feed, systemClock)).includes(line));
});

test(
  "what volumes and snapshots are promised and take is told as their host looked at it",
  limit,
  async (t) => {
    const { client, disks, feed, records, store, until } = await testRegion(t);
    await store.acquire("host/host-1", "host-1", 60_000);
    const { VolumeId = "" } = await client.createVolume({ AvailabilityZone: "eu-central-1a", Size: 3 });
    await until(() => records.get("volume", VolumeId)?.so.ready === true);
    disks.write(VolumeId, "12345");
    const { SnapshotId = "" } = await client.createSnapshot({ VolumeId });
    await until(() => records.get("snapshot", SnapshotId)?.so.completedAt !== undefined);
    disks.write(VolumeId, "123");
    const metrics = () => exposition(regionMetrics("1.2.3", feed, systemClock));
    assert.doesNotMatch(metrics(), /used_bytes\{/);
    const [host] = feed.list<HostRecord>("host/");
    assert.ok(host);
    await store.commit({
      put: [{ key: host.key, value: { ...host.value, usedBytes: await usedBytes(disks) } }],
    });
    const region = 'region="eu-central-1"';
    for (const line of [
      `croft_volume_promised_bytes{${region},volume="${VolumeId}"} ${3 * 2 ** 30}`,
      `croft_volume_used_bytes{${region},volume="${VolumeId}"} 3`,
      `croft_snapshot_promised_bytes{${region},snapshot="${SnapshotId}"} ${3 * 2 ** 30}`,
      `croft_snapshot_used_bytes{${region},snapshot="${SnapshotId}"} 5`,
    ])
      await until(() => metrics().includes(line));
  },
);

test("the credits that an attached volume has left are told as its host counts them", limit, async (t) => {
  const { client, feed, records, store, until } = await testRegion(t);
  await store.acquire("host/host-1", "host-1", 60_000);
  await client.runInstances({ ImageId: testImage.id, InstanceType: "t3.micro", MinCount: 1, MaxCount: 1 });
  const [instance] = records.all("instance");
  await until(() => records.get("instance", instance?.id ?? "")?.so.state === "running");
  const create = async (VolumeType: "gp2" | "gp3", attached: boolean) => {
    const { VolumeId = "" } = await client.createVolume({
      AvailabilityZone: instance?.zone,
      Size: 10,
      VolumeType,
    });
    await until(() => records.get("volume", VolumeId)?.so.ready === true);
    const Device = `/dev/sd${VolumeType === "gp2" ? "f" : "g"}`;
    if (attached) await client.attachVolume({ VolumeId, InstanceId: instance?.id, Device });
    return VolumeId;
  };
  const gp2 = await create("gp2", true);
  for (const id of [await create("gp2", false), await create("gp3", true)])
    assert.ok(!metrics().includes(`burst_balance_percent{region="eu-central-1",volume="${id}"}`));
  const told = (percent: number) =>
    metrics().includes(
      `croft_volume_burst_balance_percent{region="eu-central-1",volume="${gp2}"} ${percent}\n`,
    );
  await until(() => told(100));
  const [host] = feed.list<HostRecord>("host/");
  assert.ok(host);
  const bursts = { [gp2]: { atMs: 0, asked: 0, spent: 1_350_000, most: 5_400_000 } };
  await store.commit({ put: [{ key: host.key, value: { ...host.value, bursts } }] });
  await until(() => told(75));

  function metrics() {
    return exposition(regionMetrics("1.2.3", feed, systemClock));
  }
});

test("metrics are answered to callers on this machine alone", () => {
  const answer = metricsAnswer(processMetrics);
  for (const remoteAddress of ["127.0.0.1", "::1", "::ffff:127.0.0.1"]) {
    const { status, body } = answer({ remoteAddress });
    assert.equal(status, 200);
    assert.match(body, /^process_resident_memory_bytes [1-9]\d{6,}$/m);
  }
  for (const remoteAddress of ["10.0.0.1", "::ffff:192.0.2.1", "2001:db8::1", ""]) {
    const { status, body } = answer({ remoteAddress });
    assert.equal(status, 403);
    assert.doesNotMatch(body, /process_/);
  }
});
