import assert from "node:assert/strict";
import { test } from "node:test";
import type { EC2, InstanceRequirementsRequest, LocationType } from "@aws-sdk/client-ec2";
import { testRegion } from "#testing/region.ts";
import { instanceTypes } from "./instance-type.ts";

const limit = { timeout: 30_000 };

const places: readonly [by: LocationType | undefined, locations: string[]][] = [
  [undefined, ["eu-central-1"]],
  ["region", ["eu-central-1"]],
  ["availability-zone", ["eu-central-1a", "eu-central-1b", "eu-central-1c"]],
  ["availability-zone-id", ["euc1-az1", "euc1-az2", "euc1-az3"]],
  ["outpost", []],
];
for (const [by, locations] of places)
  test(`a type is offered by ${by ?? "default in the region"}`, limit, async (t) => {
    const { client } = await testRegion(t);
    const { InstanceTypeOfferings = [] } = await client.describeInstanceTypeOfferings({
      ...(by && { LocationType: by }),
      Filters: [{ Name: "instance-type", Values: ["t3.micro"] }],
    });
    assert.deepEqual(
      InstanceTypeOfferings,
      locations.map((Location) => ({
        InstanceType: "t3.micro",
        LocationType: by ?? "region",
        Location,
      })),
    );
  });

test("offerings come in pages that hold each type of a zone once", limit, async (t) => {
  const { client } = await testRegion(t);
  const seen = new Set<string | undefined>();
  let NextToken: string | undefined;
  let count = 0;
  do {
    const answer = await client.describeInstanceTypeOfferings({
      LocationType: "availability-zone",
      Filters: [{ Name: "location", Values: ["eu-central-1b"] }],
      MaxResults: 500,
      ...(NextToken !== undefined && { NextToken }),
    });
    for (const { InstanceType } of answer.InstanceTypeOfferings ?? []) seen.add(InstanceType);
    count += answer.InstanceTypeOfferings?.length ?? 0;
    NextToken = answer.NextToken;
  } while (NextToken !== undefined);
  assert.equal(seen.size, instanceTypes.size);
  assert.equal(count, instanceTypes.size);
});

const small = { VCpuCount: { Min: 2, Max: 2 }, MemoryMiB: { Min: 4096, Max: 8192 } };
const any = { VCpuCount: { Min: 0 }, MemoryMiB: { Min: 0 } };
const requirements: readonly [
  what: string,
  wanted: InstanceRequirementsRequest,
  among: string[],
  notAmong: string[],
][] = [
  ["two processors and 4 to 8 GiB", small, ["m5.large", "c5.large"], ["m5.xlarge", "r5.large", "t3.large"]],
  [
    "burstable ones too",
    { ...small, BurstablePerformance: "included" },
    ["t3.large", "m5.large"],
    ["t3.micro"],
  ],
  ["burstable ones only", { ...small, BurstablePerformance: "required" }, ["t3.large"], ["m5.large"]],
  ["bare metal", { ...any, BareMetal: "required" }, ["m5.metal"], ["m5.large"]],
  ["AMD's processors", { ...small, CpuManufacturers: ["amd"] }, ["m5a.large"], ["m5.large"]],
  ["4 GiB for each processor", { ...any, MemoryGiBPerVCpu: { Min: 4, Max: 4 } }, ["m5.large"], ["c5.large"]],
  ["not the fifth generation", { ...small, ExcludedInstanceTypes: ["*5.*"] }, ["m6i.large"], ["m5.large"]],
  ["only M", { ...small, AllowedInstanceTypes: ["m*", "t3.large"] }, ["m5.large"], ["c5.large", "t3.large"]],
  ["the previous generation", { ...any, InstanceGenerations: ["previous"] }, ["m1.small"], ["c7gn.16xlarge"]],
  [
    "GPUs by their name",
    { ...any, AcceleratorNames: ["a100"] },
    ["p4d.24xlarge"],
    ["g4dn.xlarge", "m5.large"],
  ],
  [
    "one GPU",
    { ...any, AcceleratorTypes: ["gpu"], AcceleratorCount: { Min: 1, Max: 1 } },
    ["g4dn.xlarge"],
    ["p4d.24xlarge"],
  ],
  [
    "inference by AWS",
    { ...any, AcceleratorTypes: ["inference"], AcceleratorManufacturers: ["amazon-web-services"] },
    ["inf1.xlarge"],
    ["dl2q.24xlarge"],
  ],
  ["16 Inferentia", { ...any, AcceleratorCount: { Min: 16, Max: 16 } }, ["inf1.24xlarge"], ["inf1.xlarge"]],
  [
    "no accelerators",
    { ...any, AcceleratorCount: { Max: 0 } },
    ["m5.large"],
    ["p4d.24xlarge", "inf1.xlarge"],
  ],
  [
    "300 GiB of GPU memory",
    { ...any, AcceleratorTotalMemoryMiB: { Min: 300_000 } },
    ["p4d.24xlarge"],
    ["g4dn.xlarge"],
  ],
  [
    "local disks",
    { ...any, LocalStorage: "required", LocalStorageTypes: ["hdd"] },
    ["d2.xlarge"],
    ["m5d.large", "m5.large"],
  ],
  ["no local disks", { ...any, LocalStorage: "excluded" }, ["m5.large"], ["m5d.large"]],
  ["8 TB of local disks", { ...any, TotalLocalStorageGB: { Min: 8000 } }, ["p4d.24xlarge"], ["m5d.large"]],
  ["hibernation", { ...any, RequireHibernateSupport: true }, ["m5.large"], ["p4d.24xlarge"]],
  [
    "200 Gbit/s",
    { ...any, NetworkBandwidthGbps: { Min: 200 } },
    ["c7gn.16xlarge", "p4d.24xlarge"],
    ["m5.large"],
  ],
  [
    "fast EBS",
    { ...any, BaselineEbsBandwidthMbps: { Min: 10_000 } },
    ["p4d.24xlarge"],
    ["m5.large", "m1.small"],
  ],
  ["60 interfaces", { ...any, NetworkInterfaceCount: { Min: 60 } }, ["p4d.24xlarge"], ["m5.large"]],
];
for (const [what, wanted, among, notAmong] of requirements)
  test(`types are found that have ${what}`, limit, async (t) => {
    const { client } = await testRegion(t);
    const found = await typesWith(client, wanted);
    for (const type of among) assert.ok(found.includes(type), type);
    for (const type of notAmong) assert.ok(!found.includes(type), type);
  });

test("types are found for the architecture that is asked for", limit, async (t) => {
  const { client } = await testRegion(t);
  const { InstanceTypes = [] } = await client.getInstanceTypesFromInstanceRequirements({
    ArchitectureTypes: ["arm64"],
    VirtualizationTypes: ["hvm"],
    InstanceRequirements: any,
  });
  assert.ok(InstanceTypes.some(({ InstanceType }) => InstanceType === "m6g.large"));
  assert.ok(!InstanceTypes.some(({ InstanceType }) => InstanceType === "m5.large"));
});

test("what cannot be told of a type is refused rather than overlooked", limit, async (t) => {
  const { client } = await testRegion(t);
  await assert.rejects(typesWith(client, { ...any, RequireEncryptionInTransit: true }), {
    name: "UnsupportedOperation",
  });
  const both = { ...any, AllowedInstanceTypes: ["m*"], ExcludedInstanceTypes: ["c*"] };
  await assert.rejects(typesWith(client, both), { name: "InvalidParameterCombination" });
});

async function typesWith(client: EC2, wanted: InstanceRequirementsRequest) {
  const { InstanceTypes = [] } = await client.getInstanceTypesFromInstanceRequirements({
    ArchitectureTypes: ["x86_64", "i386", "arm64"],
    VirtualizationTypes: ["hvm", "paravirtual"],
    InstanceRequirements: wanted,
  });
  return InstanceTypes.map(({ InstanceType }) => InstanceType);
}
