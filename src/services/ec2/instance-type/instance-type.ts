import { readFileSync } from "node:fs";
import type {
  ArchitectureType,
  BootModeType,
  InstanceTypeInfo,
  _InstanceType,
  PlacementGroupStrategy,
  RootDeviceType,
  UsageClassType,
  VirtualizationType,
} from "@aws-sdk/client-ec2";
import type { FilterTable } from "../filters.ts";

/** What AWS publishes of one instance type, as far as Croft uses it: a row of instance-types.tsv. */
export interface InstanceType {
  readonly id: _InstanceType;
  readonly currentGeneration: boolean;
  readonly bareMetal: boolean;
  readonly hypervisor: "nitro" | "xen" | undefined;
  readonly architectures: readonly ArchitectureType[];
  readonly manufacturer: string;
  readonly clockGHz: number | undefined;
  readonly vcpus: number;
  readonly cores: number;
  readonly threadsPerCore: number;
  readonly memoryMiB: number;
  readonly burstable: boolean;
  readonly freeTier: boolean;
  readonly dedicatedHosts: boolean;
  readonly hibernation: boolean;
  readonly autoRecovery: boolean;
  readonly bootModes: readonly BootModeType[];
  readonly rootDevices: readonly RootDeviceType[];
  readonly virtualization: readonly VirtualizationType[];
  readonly usageClasses: readonly UsageClassType[];
  readonly placementStrategies: readonly PlacementGroupStrategy[];
  readonly networkPerformance: string;
  readonly networkCards: number;
  readonly maxInterfaces: number;
  readonly addressesPerInterface: number;
  readonly ena: "required" | "supported" | "unsupported";
  readonly ebsOptimized: "default" | "supported" | "unsupported";
  readonly ebsAttachments: number;
  readonly nvme: "required" | "supported" | "unsupported";
  readonly instanceStore: boolean;
}

/** Every instance type, by name; read once, when the program starts. */
export const instanceTypes: ReadonlyMap<string, InstanceType> = parse(
  readFileSync(new URL("instance-types.tsv", import.meta.url), "utf8"),
);

function parse(table: string): ReadonlyMap<string, InstanceType> {
  const [header = "", ...lines] = table.trimEnd().split("\n");
  const columns = header.split("\t");
  return new Map(
    lines.map((line) => {
      const cells = line.split("\t");
      const type = instanceType((column) => cells[columns.indexOf(column)] ?? "");
      return [type.id, type];
    }),
  );
}

function instanceType(cell: (column: string) => string): InstanceType {
  const list = <T extends string>(column: string) => cell(column).split(",").filter(Boolean) as T[];
  const yes = (column: string) => cell(column) === "1";
  const support = (column: string) =>
    cell(column) === "required" || cell(column) === "supported"
      ? (cell(column) as "required")
      : "unsupported";
  return {
    id: cell("type") as _InstanceType,
    currentGeneration: yes("current_generation"),
    bareMetal: yes("bare_metal"),
    hypervisor: cell("hypervisor") === "" ? undefined : (cell("hypervisor") as "nitro"),
    architectures: list("architectures"),
    manufacturer: cell("manufacturer"),
    clockGHz: cell("clock_ghz") === "" ? undefined : Number(cell("clock_ghz")),
    vcpus: Number(cell("vcpus")),
    cores: Number(cell("cores")),
    threadsPerCore: Number(cell("threads_per_core")),
    memoryMiB: Number(cell("memory_mib")),
    burstable: yes("burstable"),
    freeTier: yes("free_tier"),
    dedicatedHosts: yes("dedicated_hosts"),
    hibernation: yes("hibernation"),
    autoRecovery: yes("auto_recovery"),
    bootModes: list("boot_modes"),
    rootDevices: list("root_devices"),
    virtualization: list("virtualization"),
    usageClasses: list("usage_classes"),
    placementStrategies: list("placement_strategies"),
    networkPerformance: cell("network_performance"),
    networkCards: Number(cell("network_cards")),
    maxInterfaces: Number(cell("max_enis")),
    addressesPerInterface: Number(cell("ipv4_per_eni")),
    ena: support("ena"),
    ebsOptimized: cell("ebs_optimized") as InstanceType["ebsOptimized"],
    ebsAttachments: Number(cell("ebs_attachments")),
    nvme: support("ebs_nvme"),
    instanceStore: cell("instance_store") !== "",
  };
}

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
  InstanceStorageSupported: type.instanceStore,
  EbsInfo: {
    EbsOptimizedSupport: type.ebsOptimized,
    EncryptionSupport: "supported",
    NvmeSupport: type.nvme,
    MaximumEbsAttachments: type.ebsAttachments,
  },
  NetworkInfo: {
    NetworkPerformance: type.networkPerformance,
    MaximumNetworkInterfaces: type.maxInterfaces,
    MaximumNetworkCards: type.networkCards,
    DefaultNetworkCardIndex: 0,
    Ipv4AddressesPerInterface: type.addressesPerInterface,
    EnaSupport: type.ena,
  },
  PlacementGroupInfo: { SupportedStrategies: [...type.placementStrategies] },
  HibernationSupported: type.hibernation,
  BurstablePerformanceSupported: type.burstable,
  DedicatedHostsSupported: type.dedicatedHosts,
  AutoRecoverySupported: type.autoRecovery,
  SupportedBootModes: [...type.bootModes],
});

export const instanceTypeFilters: FilterTable<InstanceType> = {
  "auto-recovery-supported": (it) => String(it.autoRecovery),
  "bare-metal": (it) => String(it.bareMetal),
  "burstable-performance-supported": (it) => String(it.burstable),
  "current-generation": (it) => String(it.currentGeneration),
  "dedicated-hosts-supported": (it) => String(it.dedicatedHosts),
  "ebs-info.ebs-optimized-support": (it) => it.ebsOptimized,
  "ebs-info.nvme-support": (it) => it.nvme,
  "free-tier-eligible": (it) => String(it.freeTier),
  "hibernation-supported": (it) => String(it.hibernation),
  hypervisor: (it) => it.hypervisor,
  "instance-storage-supported": (it) => String(it.instanceStore),
  "instance-type": (it) => it.id,
  "memory-info.size-in-mib": (it) => String(it.memoryMiB),
  "network-info.ena-support": (it) => it.ena,
  "network-info.maximum-network-interfaces": (it) => String(it.maxInterfaces),
  "network-info.network-performance": (it) => it.networkPerformance,
  "processor-info.supported-architecture": (it) => it.architectures,
  "processor-info.sustained-clock-speed-in-ghz": (it) =>
    it.clockGHz === undefined ? undefined : String(it.clockGHz),
  "supported-boot-mode": (it) => it.bootModes,
  "supported-root-device-type": (it) => it.rootDevices,
  "supported-usage-class": (it) => it.usageClasses,
  "supported-virtualization-type": (it) => it.virtualization,
  "vcpu-info.default-cores": (it) => String(it.cores),
  "vcpu-info.default-threads-per-core": (it) => String(it.threadsPerCore),
  "vcpu-info.default-vcpus": (it) => String(it.vcpus),
};
