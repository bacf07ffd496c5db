import type { EbsOptimizedInfo, InstanceStorageInfo, InstanceTypeInfo } from "@aws-sdk/client-ec2";
import type { Accelerator, EbsPerformance, InstanceType } from "./instance-type.ts";

export const describeInstanceType = (type: InstanceType): InstanceTypeInfo => ({
  InstanceType: type.id,
  CurrentGeneration: type.currentGeneration,
  FreeTierEligible: type.freeTier,
  SupportedUsageClasses: [...type.usageClasses],
  SupportedRootDeviceTypes: [...type.rootDevices],
  SupportedVirtualizationTypes: [...type.virtualization],
  BareMetal: type.bareMetal,
  Hypervisor: type.hypervisor,
  ProcessorInfo: {
    SupportedArchitectures: [...type.architectures],
    SustainedClockSpeedInGhz: type.clockGHz,
    Manufacturer: type.manufacturer,
  },
  VCpuInfo: {
    DefaultVCpus: type.vcpus,
    DefaultCores: type.cores,
    DefaultThreadsPerCore: type.threadsPerCore,
  },
  MemoryInfo: { SizeInMiB: type.memoryMiB },
  InstanceStorageSupported: type.disks.length > 0,
  InstanceStorageInfo: instanceStorage(type),
  EbsInfo: {
    EbsOptimizedSupport: type.ebsOptimized,
    EncryptionSupport: "supported",
    EbsOptimizedInfo: type.ebsPerformance && ebsOptimized(type.ebsPerformance),
    NvmeSupport: type.nvme,
    MaximumEbsAttachments: type.ebsAttachments,
  },
  NetworkInfo: {
    NetworkPerformance: type.networkPerformance,
    MaximumNetworkInterfaces: type.maxInterfaces,
    MaximumNetworkCards: type.networkCards,
    DefaultNetworkCardIndex: 0,
    NetworkCards: networkCards(type),
    Ipv4AddressesPerInterface: type.addressesPerInterface,
    Ipv6AddressesPerInterface: type.ipv6PerInterface,
    Ipv6Supported: type.ipv6PerInterface > 0,
    EnaSupport: type.ena,
    EfaSupported: type.efa,
  },
  ...describeAccelerators(type.accelerators),
  PlacementGroupInfo: { SupportedStrategies: [...type.placementStrategies] },
  HibernationSupported: type.hibernation,
  BurstablePerformanceSupported: type.burstable,
  DedicatedHostsSupported: type.dedicatedHosts,
  AutoRecoverySupported: type.autoRecovery,
  SupportedBootModes: [...type.bootModes],
  NitroEnclavesSupport: type.enclaves,
});

const ebsOptimized = (ebs: EbsPerformance): EbsOptimizedInfo => ({
  BaselineBandwidthInMbps: ebs.baselineMbps,
  BaselineThroughputInMBps: ebs.baselineMbps / 8,
  BaselineIops: ebs.baselineIops,
  MaximumBandwidthInMbps: ebs.maximumMbps,
  MaximumThroughputInMBps: ebs.maximumMbps / 8,
  MaximumIops: ebs.maximumIops,
});

/** NVMe instance stores are always encrypted, older ones never. */
export const instanceStorage = (type: InstanceType): InstanceStorageInfo | undefined =>
  type.disks.length === 0
    ? undefined
    : {
        TotalSizeInGB: totalDiskGB(type),
        Disks: type.disks.map((disk) => ({ SizeInGB: disk.sizeGB, Count: disk.count, Type: disk.type })),
        NvmeSupport: type.disks.some((disk) => disk.nvme) ? "required" : "unsupported",
        EncryptionSupport: type.disks.some((disk) => disk.nvme) ? "required" : "unsupported",
      };

export const totalDiskGB = ({ disks }: InstanceType) =>
  disks.reduce((sum, disk) => sum + disk.count * disk.sizeGB, 0);

/** How several cards share a type's interfaces is not in the table. */
const networkCards = (type: InstanceType) =>
  type.networkCards > 1
    ? undefined
    : [
        {
          NetworkCardIndex: 0,
          NetworkPerformance: type.networkPerformance,
          MaximumNetworkInterfaces: type.maxInterfaces,
          BaselineBandwidthInGbps: type.baselineGbps,
          PeakBandwidthInGbps: type.peakGbps,
        },
      ];

function describeAccelerators(all: readonly Accelerator[]): InstanceTypeInfo {
  const of = (kind: Accelerator["kind"]) => {
    const some = all.filter((it) => it.kind === kind);
    return some.length === 0 ? undefined : some;
  };
  const device = ({ name, manufacturer, count }: Accelerator) => ({
    Name: name,
    Manufacturer: manufacturer,
    Count: count,
  });
  const [gpus, fpgas, media] = [of("gpu"), of("fpga"), of("mediaaccelerator")];
  const [inference, neuron] = [of("inferenceaccelerator"), of("neuron")];
  return {
    GpuInfo: gpus && {
      Gpus: gpus.map((it) => ({ ...device(it), MemoryInfo: { SizeInMiB: it.memoryMiB } })),
      TotalGpuMemoryInMiB: totalMemoryMiB(gpus),
    },
    FpgaInfo: fpgas && { Fpgas: fpgas.map(device) },
    MediaAcceleratorInfo: media && { Accelerators: media.map(device) },
    InferenceAcceleratorInfo: inference && { Accelerators: inference.map(device) },
    NeuronInfo: neuron && { NeuronDevices: neuron.map(({ count, name }) => ({ Count: count, Name: name })) },
  };
}

/** A part of an accelerator has its part of the memory. */
export const totalMemoryMiB = (all: readonly Accelerator[]) =>
  all.reduce((sum, it) => sum + Math.max(1, it.count) * (it.memoryMiB ?? 0), 0);
