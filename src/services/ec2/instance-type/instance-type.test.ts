import assert from "node:assert/strict";
import { test } from "node:test";
import type { DescribeInstanceTypesCommandInput } from "@aws-sdk/client-ec2";
import { testRegion } from "#testing/region.ts";
import { instanceTypeFilters } from "./instance-type-filters.ts";
import { instanceTypes } from "./instance-type.ts";

const limit = { timeout: 30_000 };

test("every type of the table is described, page by page, each once and whole", limit, async (t) => {
  const { client } = await testRegion(t);
  const seen = new Set<string>();
  let input: DescribeInstanceTypesCommandInput = { MaxResults: 100 };
  for (;;) {
    const { InstanceTypes = [], NextToken } = await client.describeInstanceTypes(input);
    for (const it of InstanceTypes) {
      const id = it.InstanceType ?? "";
      assert.ok(!seen.has(id), id);
      seen.add(id);
      assert.ok((it.VCpuInfo?.DefaultVCpus ?? 0) > 0 && (it.MemoryInfo?.SizeInMiB ?? 0) > 0, id);
      assert.ok((it.ProcessorInfo?.SupportedArchitectures?.length ?? 0) > 0, id);
      assert.ok((it.NetworkInfo?.MaximumNetworkInterfaces ?? 0) > 0, id);
    }
    if (NextToken === undefined) break;
    input = { MaxResults: 100, NextToken };
  }
  assert.equal(seen.size, instanceTypes.size);
  assert.ok(seen.size > 1000);
});

test("no number of the table is missing, and every word is one the schema knows", () => {
  const words = {
    architectures: ["i386", "x86_64", "arm64", "x86_64_mac", "arm64_mac"],
    bootModes: ["legacy-bios", "uefi"],
    rootDevices: ["ebs", "instance-store"],
    virtualization: ["hvm", "paravirtual"],
    usageClasses: ["on-demand", "spot", "capacity-block"],
    placementStrategies: ["cluster", "partition", "spread"],
  } as const;
  for (const it of instanceTypes.values()) {
    for (const value of Object.values(it)) assert.ok(!Number.isNaN(value), it.id);
    for (const [name, known] of Object.entries(words))
      for (const word of it[name as keyof typeof words])
        assert.ok((known as readonly string[]).includes(word), `${it.id}: ${word}`);
    assert.ok([undefined, "nitro", "xen"].includes(it.hypervisor), it.id);
    assert.ok(["default", "supported", "unsupported"].includes(it.ebsOptimized), it.id);
    for (const { count, sizeGB } of it.disks) assert.ok(count > 0 && sizeGB > 0, it.id);
    for (const { count, kind, name, manufacturer } of it.accelerators)
      assert.ok(count >= 0 && kind && name && manufacturer, it.id);
  }
});

test("t3.micro has two processors and a GiB", limit, async (t) => {
  const { client } = await testRegion(t);
  const { InstanceTypes: [type] = [] } = await client.describeInstanceTypes({ InstanceTypes: ["t3.micro"] });
  assert.deepEqual(type?.VCpuInfo, { DefaultVCpus: 2, DefaultCores: 1, DefaultThreadsPerCore: 2 });
  assert.equal(type?.MemoryInfo?.SizeInMiB, 1024);
  assert.deepEqual(type?.ProcessorInfo?.SupportedArchitectures, ["x86_64"]);
  assert.equal(type?.CurrentGeneration, true);
  assert.equal(type?.BareMetal, false);
});

test("types are found by what they have", limit, async (t) => {
  const { client } = await testRegion(t);
  const { InstanceTypes = [] } = await client.describeInstanceTypes({
    Filters: [
      { Name: "instance-type", Values: ["t4g.*"] },
      { Name: "processor-info.supported-architecture", Values: ["arm64"] },
      { Name: "memory-info.size-in-mib", Values: ["512", "1024"] },
    ],
  });
  assert.deepEqual(
    InstanceTypes.map((it) => it.InstanceType),
    ["t4g.micro", "t4g.nano"],
  );
});

test("a filter finds some type, unless the table does not say what it asks", () => {
  const empty = Object.entries(instanceTypeFilters)
    .filter(([, values]) => ![...instanceTypes.values()].flatMap(values).some((it) => it !== undefined))
    .map(([name]) => name);
  assert.deepEqual(empty, [
    "ebs-info.attachment-limit-type",
    "network-info.bandwidth-weightings",
    "network-info.efa-info.maximum-efa-interfaces",
    "network-info.encryption-in-transit-supported",
    "network-info.flexible-ena-queues-support",
    "nitro-tpm-info.supported-versions",
    "nitro-tpm-support",
    "processor-info.supported-features",
    "reboot-migration-support",
    "vcpu-info.valid-cores",
    "vcpu-info.valid-threads-per-core",
  ]);
});

test("disks, accelerators and bandwidth are told of the types that have them", limit, async (t) => {
  const { client } = await testRegion(t);
  const { InstanceTypes = [] } = await client.describeInstanceTypes({
    Filters: [{ Name: "instance-type", Values: ["p4d.24xlarge", "m5.large"] }],
  });
  const [m5, p4d] = InstanceTypes;
  assert.deepEqual(p4d?.InstanceStorageInfo, {
    TotalSizeInGB: 8000,
    Disks: [{ SizeInGB: 1000, Count: 8, Type: "ssd" }],
    NvmeSupport: "required",
    EncryptionSupport: "required",
  });
  assert.deepEqual(p4d?.GpuInfo, {
    Gpus: [{ Name: "A100", Manufacturer: "NVIDIA", Count: 8, MemoryInfo: { SizeInMiB: 40_960 } }],
    TotalGpuMemoryInMiB: 327_680,
  });
  assert.equal(p4d?.NetworkInfo?.EfaSupported, true);
  assert.equal(m5?.GpuInfo, undefined);
  assert.equal(m5?.InstanceStorageSupported, false);
  assert.deepEqual(m5?.EbsInfo?.EbsOptimizedInfo, {
    BaselineBandwidthInMbps: 650,
    BaselineThroughputInMBps: 81.25,
    BaselineIops: 3600,
    MaximumBandwidthInMbps: 4750,
    MaximumThroughputInMBps: 593.75,
    MaximumIops: 18_750,
  });
});

test("a type that does not exist is named in the error", limit, async (t) => {
  const { client } = await testRegion(t);
  await assert.rejects(
    client.describeInstanceTypes({ InstanceTypes: ["t3.micro", "t3.mega" as "t3.micro"] }),
    ({ name, message }: Error) =>
      /InvalidInstanceType|InvalidParameterValue/.test(name) && message.includes("t3.mega"),
  );
});
