import assert from "node:assert/strict";
import { test } from "node:test";
import type { DescribeInstanceTypesCommandInput } from "@aws-sdk/client-ec2";
import { testRegion } from "#testing/region.ts";
import { instanceTypeFilters, instanceTypes } from "./instance-type.ts";

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

test("every filter finds some type", () => {
  for (const [name, values] of Object.entries(instanceTypeFilters))
    assert.ok(
      [...instanceTypes.values()].some((it) => [values(it)].flat().some((value) => value !== undefined)),
      name,
    );
});

test("a type that does not exist is named in the error", limit, async (t) => {
  const { client } = await testRegion(t);
  await assert.rejects(
    client.describeInstanceTypes({ InstanceTypes: ["t3.micro", "t3.mega" as "t3.micro"] }),
    ({ name, message }: Error) =>
      /InvalidInstanceType|InvalidParameterValue/.test(name) && message.includes("t3.mega"),
  );
});
