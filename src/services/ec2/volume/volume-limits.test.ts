import assert from "node:assert/strict";
import { test } from "node:test";
import { instanceTypes } from "../instance-type/instance-type.ts";
import { typeLimits, volumeLimits } from "./volume-limits.ts";

const MiB = 1024 ** 2;

test("gp3 is held to what it was given", () => {
  assert.deepEqual(volumeLimits({ type: "gp3", sizeGiB: 8, iops: 3000, throughputMiBps: 125 }), {
    requests: { rate: 3000, bytes: 256 * 1024 },
    bytes: { rate: 125 * MiB },
  });
});

test("gp2 bursts to 3,000 requests a second for half an hour, and one that has as many needs no credits", () => {
  const { requests, bytes } = volumeLimits({ type: "gp2", sizeGiB: 100, iops: 300 });
  assert.deepEqual(requests, { rate: 300, burst: { rate: 3000, seconds: 1800 }, bytes: 256 * 1024 });
  assert.deepEqual(bytes, { rate: 128 * MiB });
  const large = volumeLimits({ type: "gp2", sizeGiB: 2000, iops: 6000 });
  assert.deepEqual(large, { requests: { rate: 6000, bytes: 256 * 1024 }, bytes: { rate: 250 * MiB } });
});

test("provisioned volumes have a throughput by their requests, up to their type's most", () => {
  const throughput = (type: "io1" | "io2", iops: number) =>
    volumeLimits({ type, sizeGiB: 1000, iops }).bytes?.rate;
  assert.equal(throughput("io1", 100), 25 * MiB);
  assert.equal(throughput("io1", 30_000), 500 * MiB);
  assert.equal(throughput("io1", 50_000), 1000 * MiB);
  assert.equal(throughput("io2", 50_000), 4000 * MiB);
});

test("hard disks have a baseline and a burst by their size", () => {
  assert.deepEqual(volumeLimits({ type: "st1", sizeGiB: 1024 }), {
    bytes: { rate: 40 * MiB, burst: { rate: 250 * MiB, seconds: 4194 } },
  });
  assert.deepEqual(volumeLimits({ type: "st1", sizeGiB: 16_384 }).bytes?.rate, 500 * MiB);
  assert.deepEqual(volumeLimits({ type: "sc1", sizeGiB: 1024 }).bytes?.burst?.rate, 80 * MiB);
  assert.deepEqual(volumeLimits({ type: "standard", sizeGiB: 1 }).requests?.rate, 200);
});

test("a type's volumes together have its baseline, and its most for half an hour; large types have that always", () => {
  const of = (id: string) => {
    const ebs = instanceTypes.get(id)?.ebsPerformance;
    return ebs && typeLimits(ebs);
  };
  assert.deepEqual(of("t3.micro"), {
    requests: { rate: 500, burst: { rate: 11_800, seconds: 1800 }, bytes: 256 * 1024 },
    bytes: { rate: 10_875_000, burst: { rate: 260_625_000, seconds: 1800 } },
  });
  assert.deepEqual(of("m5.24xlarge"), {
    requests: { rate: 80_000, bytes: 256 * 1024 },
    bytes: { rate: 2_375_000_000 },
  });
  assert.equal(of("m1.small"), undefined);
});
