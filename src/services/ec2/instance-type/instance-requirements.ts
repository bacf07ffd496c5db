import type {
  AcceleratorManufacturer,
  AcceleratorName,
  AcceleratorType,
  ArchitectureType,
  BareMetal,
  CpuManufacturer,
  InstanceRequirementsRequest,
  VirtualizationType,
} from "@aws-sdk/client-ec2";
import { exclusiveParameters, unsupportedParameter } from "../errors.ts";
import { pattern } from "../filters.ts";
import { totalDiskGB, totalMemoryMiB } from "./describe-instance-type.ts";
import type { Accelerator, InstanceType } from "./instance-type.ts";

interface Requirements {
  readonly ArchitectureTypes: readonly ArchitectureType[];
  readonly VirtualizationTypes: readonly VirtualizationType[];
  readonly InstanceRequirements: InstanceRequirementsRequest;
}

/**
 * Which types meet the attributes that a request asks for. Follows "Attribute-based instance type selection"; there are no
 * prices here, so none protects.
 */
export function requirementTest({
  ArchitectureTypes: architectures,
  VirtualizationTypes: virtualization,
  InstanceRequirements: wanted,
}: Requirements): (type: InstanceType) => boolean {
  if (wanted.BaselinePerformanceFactors) throw unsupportedParameter("BaselinePerformanceFactors");
  if (wanted.RequireEncryptionInTransit) throw unsupportedParameter("RequireEncryptionInTransit");
  if (wanted.AllowedInstanceTypes?.length && wanted.ExcludedInstanceTypes?.length)
    throw exclusiveParameters("AllowedInstanceTypes", "ExcludedInstanceTypes");
  const allowed = names(wanted.AllowedInstanceTypes ?? ["*"]);
  const excluded = names(wanted.ExcludedInstanceTypes ?? []);
  return (type) =>
    type.architectures.some((it) => architectures.includes(it)) &&
    type.virtualization.some((it) => virtualization.includes(it)) &&
    within(type.vcpus, wanted.VCpuCount) &&
    within(type.memoryMiB, wanted.MemoryMiB) &&
    within(type.memoryMiB / 1024 / type.vcpus, wanted.MemoryGiBPerVCpu) &&
    oneOf(cpuManufacturers[type.manufacturer], wanted.CpuManufacturers) &&
    oneOf(type.currentGeneration ? "current" : "previous", wanted.InstanceGenerations) &&
    allowed(type.id) &&
    !excluded(type.id) &&
    fits(type.bareMetal, wanted.BareMetal ?? "excluded") &&
    fits(type.burstable, wanted.BurstablePerformance ?? "excluded") &&
    (!wanted.RequireHibernateSupport || type.hibernation) &&
    within(type.maxInterfaces, wanted.NetworkInterfaceCount) &&
    within((type.peakGbps ?? 0) * type.networkCards, wanted.NetworkBandwidthGbps) &&
    within(type.ebsPerformance?.baselineMbps ?? 0, wanted.BaselineEbsBandwidthMbps) &&
    hasStorage(type, wanted) &&
    hasAccelerators(type, wanted);
}

function hasStorage(type: InstanceType, wanted: InstanceRequirementsRequest): boolean {
  const types = wanted.LocalStorageTypes;
  return (
    fits(type.disks.length > 0, wanted.LocalStorage ?? "included") &&
    (type.disks.length === 0 || !types?.length || type.disks.some((disk) => types.includes(disk.type))) &&
    within(totalDiskGB(type), wanted.TotalLocalStorageGB)
  );
}

function hasAccelerators(type: InstanceType, wanted: InstanceRequirementsRequest): boolean {
  // AWS's own inference accelerators stand in the table a second time, as Neuron devices.
  const all = type.accelerators.filter(
    (it) =>
      it.kind !== "neuron" ||
      !type.accelerators.some((other) => other.kind === "inferenceaccelerator" && other.name === it.name),
  );
  const some = <Word>(word: (it: Accelerator) => Word | undefined, words: readonly Word[] | undefined) =>
    !words?.length || all.some((it) => oneOf(word(it), words));
  return (
    within(
      all.reduce((sum, it) => sum + it.count, 0),
      wanted.AcceleratorCount,
    ) &&
    within(totalMemoryMiB(all), wanted.AcceleratorTotalMemoryMiB) &&
    some((it) => acceleratorTypes[it.kind], wanted.AcceleratorTypes) &&
    some((it) => acceleratorManufacturers[it.manufacturer], wanted.AcceleratorManufacturers) &&
    some(acceleratorName, wanted.AcceleratorNames)
  );
}

const cpuManufacturers: Readonly<Record<string, CpuManufacturer>> = {
  AMD: "amd",
  AWS: "amazon-web-services",
  Apple: "apple",
  Intel: "intel",
};

const acceleratorTypes: Readonly<Record<Accelerator["kind"], AcceleratorType>> = {
  fpga: "fpga",
  gpu: "gpu",
  inferenceaccelerator: "inference",
  mediaaccelerator: "media",
  neuron: "inference",
};

const acceleratorManufacturers: Readonly<Record<string, AcceleratorManufacturer>> = {
  AMD: "amd",
  AWS: "amazon-web-services",
  Habana: "habana",
  NVIDIA: "nvidia",
  Xilinx: "xilinx",
};

/** `Radeon Pro V520` is radeon-pro-v520, `Virtex UltraScale (VU9P)` is vu9p. */
const acceleratorName = ({ name }: Accelerator) =>
  (/\((.*)\)/.exec(name)?.[1] ?? name).toLowerCase().replaceAll(" ", "-") as AcceleratorName;

interface Range {
  Min?: number | undefined;
  Max?: number | undefined;
}
const within = (value: number, range: Range | undefined) =>
  value >= (range?.Min ?? Number.NEGATIVE_INFINITY) && value <= (range?.Max ?? Number.POSITIVE_INFINITY);

const oneOf = <Word>(word: Word | undefined, words: readonly Word[] | undefined) =>
  !words?.length || (word !== undefined && words.includes(word));

const fits = (has: boolean, wanted: BareMetal) => wanted === "included" || has === (wanted === "required");

function names(patterns: readonly string[]): (name: string) => boolean {
  const tests = patterns.map(pattern);
  return (name) => tests.some((test) => test(name));
}
