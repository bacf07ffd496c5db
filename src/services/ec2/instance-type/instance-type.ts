import { readFileSync } from "node:fs";
import { join } from "node:path";
import type {
  ArchitectureType,
  BootModeType,
  DiskType,
  _InstanceType,
  PlacementGroupStrategy,
  RootDeviceType,
  UsageClassType,
  VirtualizationType,
} from "@aws-sdk/client-ec2";
import { checkout } from "#checkout.ts";

/** What AWS publishes of one instance type: a row of instance-types.tsv. */
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
  readonly enclaves: "supported" | "unsupported";
  readonly bootModes: readonly BootModeType[];
  readonly rootDevices: readonly RootDeviceType[];
  readonly virtualization: readonly VirtualizationType[];
  readonly usageClasses: readonly UsageClassType[];
  readonly placementStrategies: readonly PlacementGroupStrategy[];
  readonly networkPerformance: string;
  /** Of each network card. */
  readonly baselineGbps: number | undefined;
  readonly peakGbps: number | undefined;
  readonly networkCards: number;
  readonly maxInterfaces: number;
  readonly addressesPerInterface: number;
  readonly ipv6PerInterface: number;
  readonly ena: "required" | "supported" | "unsupported";
  readonly efa: boolean;
  readonly ebsOptimized: "default" | "supported" | "unsupported";
  /** Absent where EBS has no bandwidth of its own. */
  readonly ebsPerformance: EbsPerformance | undefined;
  readonly ebsAttachments: number;
  readonly nvme: "required" | "supported" | "unsupported";
  /** Instance store volumes; empty for most. */
  readonly disks: readonly InstanceDisk[];
  readonly accelerators: readonly Accelerator[];
}

/** How many interfaces an instance of the type may have: Croft's have one network card. */
export function interfaceLimit(type: string): number {
  const { maxInterfaces = 1, networkCards = 1 } = instanceTypes.get(type) ?? {};
  return maxInterfaces / networkCards;
}

/** How many volumes an instance of the type may have, its root among them. */
export const volumeLimit = (type: string): number => instanceTypes.get(type)?.ebsAttachments ?? 1;

export interface EbsPerformance {
  readonly baselineMbps: number;
  readonly baselineIops: number;
  readonly maximumMbps: number;
  readonly maximumIops: number;
}

export interface InstanceDisk {
  readonly count: number;
  readonly sizeGB: number;
  readonly type: DiskType;
  readonly nvme: boolean;
}

export interface Accelerator {
  /** `neuron` repeats AWS's own inference accelerators and adds those for training. */
  readonly kind: "gpu" | "fpga" | "inferenceaccelerator" | "mediaaccelerator" | "neuron";
  /** 0: a part of one. */
  readonly count: number;
  readonly manufacturer: string;
  readonly name: string;
  /** Of each. */
  readonly memoryMiB: number | undefined;
}

/** Every instance type, by name; read once, when the program starts. */
export const instanceTypes: ReadonlyMap<string, InstanceType> = parse(
  readFileSync(join(checkout, "src/services/ec2/instance-type/instance-types.tsv"), "utf8"),
);

function parse(table: string): ReadonlyMap<string, InstanceType> {
  const [header = "", ...lines] = table.trimEnd().split("\n");
  const columns = new Map(header.split("\t").map((column, n) => [column, n]));
  return new Map(
    lines.map((line) => {
      const cells = line.split("\t");
      const type = instanceType((column) => cells[columns.get(column) ?? -1] ?? "");
      return [type.id, type];
    }),
  );
}

function instanceType(cell: (column: string) => string): InstanceType {
  const list = <T extends string>(column: string) => cell(column).split(",").filter(Boolean) as T[];
  const yes = (column: string) => cell(column) === "1";
  const number = (column: string) => (cell(column) === "" ? undefined : Number(cell(column)));
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
    clockGHz: number("clock_ghz"),
    vcpus: Number(cell("vcpus")),
    cores: Number(cell("cores")),
    threadsPerCore: Number(cell("threads_per_core")),
    memoryMiB: Number(cell("memory_mib")),
    burstable: yes("burstable"),
    freeTier: yes("free_tier"),
    dedicatedHosts: yes("dedicated_hosts"),
    hibernation: yes("hibernation"),
    autoRecovery: yes("auto_recovery"),
    enclaves: cell("enclaves") === "supported" ? "supported" : "unsupported",
    bootModes: list("boot_modes"),
    rootDevices: list("root_devices"),
    virtualization: list("virtualization"),
    usageClasses: list("usage_classes"),
    placementStrategies: list("placement_strategies"),
    networkPerformance: cell("network_performance"),
    baselineGbps: number("baseline_gbps"),
    peakGbps: number("peak_gbps"),
    networkCards: Number(cell("network_cards")),
    maxInterfaces: Number(cell("max_enis")),
    addressesPerInterface: Number(cell("ipv4_per_eni")),
    ipv6PerInterface: Number(cell("ipv6_per_eni")),
    ena: support("ena"),
    efa: yes("efa"),
    ebsOptimized: cell("ebs_optimized") as InstanceType["ebsOptimized"],
    ebsPerformance: ebsPerformance(number),
    ebsAttachments: Number(cell("ebs_attachments")),
    nvme: support("ebs_nvme"),
    disks: cell("instance_store").split(";").filter(Boolean).map(disk),
    accelerators: cell("accelerators").split(";").filter(Boolean).map(accelerator),
  };
}

function ebsPerformance(number: (column: string) => number | undefined): EbsPerformance | undefined {
  const baselineMbps = number("ebs_baseline_mbps");
  return baselineMbps === undefined
    ? undefined
    : {
        baselineMbps,
        baselineIops: number("ebs_baseline_iops") ?? 0,
        maximumMbps: number("ebs_max_mbps") ?? baselineMbps,
        maximumIops: number("ebs_max_iops") ?? 0,
      };
}

/** `2x1900GB-ssd:nvme` */
function disk(text: string): InstanceDisk {
  const [, count, sizeGB, type, nvme] = /^(\d+)x(\d+)GB-(hdd|ssd)(:nvme)?$/.exec(text) ?? [];
  return { count: Number(count), sizeGB: Number(sizeGB), type: type as DiskType, nvme: nvme !== undefined };
}

/** `gpu:8xNVIDIA-A100-40960MiB` */
function accelerator(text: string): Accelerator {
  const [, kind, count, manufacturer = "", name = "", memory] =
    /^(\w+):(\d+)x([^-]+)-(.*?)(?:-(\d+)MiB)?$/.exec(text) ?? [];
  return {
    kind: kind as Accelerator["kind"],
    count: Number(count),
    manufacturer,
    name,
    memoryMiB: memory === undefined ? undefined : Number(memory),
  };
}
