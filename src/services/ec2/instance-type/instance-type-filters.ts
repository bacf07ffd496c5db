import { matchingNothing, type FilterTable } from "../filters.ts";
import { instanceStorage } from "./describe-instance-type.ts";
import type { InstanceType } from "./instance-type.ts";

export const instanceTypeFilters: FilterTable<InstanceType> = {
  "auto-recovery-supported": (it) => text(it.autoRecovery),
  "bare-metal": (it) => text(it.bareMetal),
  "burstable-performance-supported": (it) => text(it.burstable),
  "current-generation": (it) => text(it.currentGeneration),
  "dedicated-hosts-supported": (it) => text(it.dedicatedHosts),
  "ebs-info.ebs-optimized-info.baseline-bandwidth-in-mbps": (it) => text(it.ebsPerformance?.baselineMbps),
  "ebs-info.ebs-optimized-info.baseline-iops": (it) => text(it.ebsPerformance?.baselineIops),
  "ebs-info.ebs-optimized-info.baseline-throughput-in-mbps": (it) =>
    it.ebsPerformance && text(it.ebsPerformance.baselineMbps / 8),
  "ebs-info.ebs-optimized-info.maximum-bandwidth-in-mbps": (it) => text(it.ebsPerformance?.maximumMbps),
  "ebs-info.ebs-optimized-info.maximum-iops": (it) => text(it.ebsPerformance?.maximumIops),
  "ebs-info.ebs-optimized-info.maximum-throughput-in-mbps": (it) =>
    it.ebsPerformance && text(it.ebsPerformance.maximumMbps / 8),
  "ebs-info.ebs-optimized-support": (it) => it.ebsOptimized,
  "ebs-info.encryption-support": () => "supported",
  "ebs-info.maximum-ebs-attachments": (it) => text(it.ebsAttachments),
  "ebs-info.nvme-support": (it) => it.nvme,
  "free-tier-eligible": (it) => text(it.freeTier),
  "hibernation-supported": (it) => text(it.hibernation),
  hypervisor: (it) => it.hypervisor,
  "instance-storage-info.disk.count": (it) => it.disks.map((disk) => text(disk.count)),
  "instance-storage-info.disk.size-in-gb": (it) => it.disks.map((disk) => text(disk.sizeGB)),
  "instance-storage-info.disk.type": (it) => it.disks.map((disk) => disk.type),
  "instance-storage-info.encryption-support": (it) => instanceStorage(it)?.EncryptionSupport,
  "instance-storage-info.nvme-support": (it) => instanceStorage(it)?.NvmeSupport,
  "instance-storage-info.total-size-in-gb": (it) => text(instanceStorage(it)?.TotalSizeInGB),
  "instance-storage-supported": (it) => text(it.disks.length > 0),
  "instance-type": (it) => it.id,
  "memory-info.size-in-mib": (it) => text(it.memoryMiB),
  "network-info.efa-supported": (it) => text(it.efa),
  "network-info.ena-support": (it) => it.ena,
  "network-info.ipv4-addresses-per-interface": (it) => text(it.addressesPerInterface),
  "network-info.ipv6-addresses-per-interface": (it) => text(it.ipv6PerInterface),
  "network-info.ipv6-supported": (it) => text(it.ipv6PerInterface > 0),
  "network-info.maximum-network-cards": (it) => text(it.networkCards),
  "network-info.maximum-network-interfaces": (it) => text(it.maxInterfaces),
  "network-info.network-performance": (it) => it.networkPerformance,
  "nitro-enclaves-support": (it) => it.enclaves,
  "processor-info.supported-architecture": (it) => it.architectures,
  "processor-info.sustained-clock-speed-in-ghz": (it) => text(it.clockGHz),
  "supported-boot-mode": (it) => it.bootModes,
  "supported-root-device-type": (it) => it.rootDevices,
  "supported-usage-class": (it) => it.usageClasses,
  "supported-virtualization-type": (it) => it.virtualization,
  "vcpu-info.default-cores": (it) => text(it.cores),
  "vcpu-info.default-threads-per-core": (it) => text(it.threadsPerCore),
  "vcpu-info.default-vcpus": (it) => text(it.vcpus),
  // What the table does not say.
  ...matchingNothing(
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
  ),
};

function text(value: number | boolean | undefined): string | undefined {
  return value === undefined ? undefined : String(value);
}
