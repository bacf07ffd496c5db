import { nameIn } from "../../iam/holder.ts";
import { zoneId } from "../availability-zone/availability-zone.ts";
import { matchingNothing, type FilterTable } from "../filters.ts";
import {
  networkInterfaceFilters,
  publicNameOf,
  type NetworkInterfaceRecord,
} from "../network-interface/network-interface.ts";
import type { Ec2Records, Scope } from "../records.ts";
import { attachmentTo, mappingStatus } from "../volume/volume.ts";
import { currentBootMode } from "./boot-mode.ts";
import { defaultMaintenance, instanceState, stateCodes, type InstanceRecord } from "./instance.ts";
import { interfaceDnsName } from "./private-dns-names.ts";
import { ebsCheck, instanceCheck, reachability, systemCheck } from "./status-checks.ts";

export function instanceFilters(records: Ec2Records, scope: Scope): FilterTable<InstanceRecord> {
  const interfaces = (it: InstanceRecord) => records.interfacesOf(it.id);
  const publicAddresses = (it: InstanceRecord) =>
    interfaces(it).flatMap((nic) => records.publicAddressesOf(nic.id).map(({ id }) => id));
  const volumes = (it: InstanceRecord) => records.volumesOf(it.id);
  const attachments = ({ id }: InstanceRecord) =>
    records.volumesOf(id).flatMap((volume) => attachmentTo(id, volume) ?? []);
  const groups = (it: InstanceRecord) => interfaces(it).flatMap(({ groupIds }) => groupIds);
  const groupNames = (it: InstanceRecord) => groups(it).map((id) => records.get("security-group", id)?.name);
  return {
    affinity: () => undefined,
    architecture: (it) => it.architecture,
    "availability-zone": (it) => it.zone,
    "availability-zone-id": (it) => zoneId(scope.region, it.zone),
    "block-device-mapping.attach-time": (it) => attachments(it).map(({ attachedAt }) => attachedAt),
    "block-device-mapping.delete-on-termination": (it) =>
      attachments(it).map(({ deleteOnTermination }) => String(deleteOnTermination)),
    "block-device-mapping.device-name": (it) => attachments(it).map(({ device }) => device),
    "block-device-mapping.status": (it) =>
      volumes(it).flatMap((volume) => {
        const attachment = attachmentTo(it.id, volume);
        return attachment ? [mappingStatus(volume, attachment)] : [];
      }),
    "block-device-mapping.volume-id": (it) => volumes(it).map(({ id }) => id),
    "boot-mode": (it) => it.bootMode,
    "capacity-reservation-id": () => undefined,
    "capacity-reservation-specification.capacity-reservation-preference": () => "open",
    "client-token": (it) => it.clientToken,
    "current-instance-boot-mode": currentBootMode,
    "dns-name": (it) =>
      interfaces(it).map(({ id, vpcId }) =>
        publicNameOf(records.publicAddressOf(id)?.id, vpcId, records, scope),
      ),
    "ebs-optimized": (it) => String(it.ebsOptimized),
    "ena-support": () => "true",
    "enclave-options.enabled": () => "false",
    "hibernation-options.configured": () => "false",
    "host-id": () => undefined,
    hypervisor: () => "xen",
    "iam-instance-profile.arn": ({ profile }) => profile?.arn,
    "iam-instance-profile.id": ({ profile }) => profile?.profileId,
    "iam-instance-profile.name": ({ profile }) => profile && nameIn(profile.arn),
    "image-id": (it) => it.imageId,
    "instance-id": (it) => it.id,
    "instance-lifecycle": () => undefined,
    "instance-state-code": (it) => String(stateCodes[instanceState(it)]),
    "instance-state-name": instanceState,
    "instance-type": (it) => it.type,
    "instance.group-id": groups,
    "instance.group-name": groupNames,
    "ip-address": publicAddresses,
    "ipv6-address": () => undefined,
    "kernel-id": () => undefined,
    "key-name": (it) => it.keyName,
    "launch-index": (it) => String(it.launchIndex),
    "launch-time": (it) => it.launchedAt,
    "maintenance-options.auto-recovery": (it) => (it.maintenance ?? defaultMaintenance).autoRecovery,
    "metadata-options.http-endpoint": (it) => (it.metadataOptions.enabled ? "enabled" : "disabled"),
    "metadata-options.http-protocol-ipv4": () => "enabled",
    "metadata-options.http-protocol-ipv6": () => "disabled",
    "metadata-options.http-put-response-hop-limit": (it) => String(it.metadataOptions.hopLimit),
    "metadata-options.http-tokens": (it) => it.metadataOptions.tokens,
    "metadata-options.instance-metadata-tags": (it) => (it.metadataOptions.tags ? "enabled" : "disabled"),
    "metadata-options.state": () => "applied",
    "monitoring-state": (it) => (it.monitoring ? "enabled" : "disabled"),
    "operator.managed": () => "false",
    "operator.principal": () => undefined,
    "outpost-arn": () => undefined,
    "owner-id": () => scope.accountId,
    "placement-group-name": ({ placementGroup: group }) =>
      group && records.get("placement-group", group.id)?.name,
    "placement-partition-number": ({ placementGroup: group }) =>
      group?.partition === undefined ? undefined : String(group.partition),
    platform: () => undefined,
    "platform-details": () => "Linux/UNIX",
    "private-dns-name": (it) => interfaces(it).map((nic) => interfaceDnsName(nic, it, scope.region)),
    "private-dns-name-options.enable-resource-name-dns-a-record": (it) =>
      String(it.privateDns?.resourceNameRecords ?? false),
    "private-dns-name-options.enable-resource-name-dns-aaaa-record": () => "false",
    "private-dns-name-options.hostname-type": (it) => it.privateDns?.hostNames ?? "ip-name",
    "private-ip-address": (it) => interfaces(it).map(({ address }) => address),
    "product-code": () => undefined,
    "product-code.type": () => undefined,
    "ramdisk-id": () => undefined,
    reason: (it) => it.so.reason?.message ?? it.wanted.reason?.message,
    "requester-id": () => undefined,
    "reservation-id": (it) => it.reservationId,
    "root-device-name": (it) => it.rootDevice,
    "root-device-type": () => "ebs",
    "source-dest-check": (it) => interfaces(it).map(({ sourceDestCheck }) => String(sourceDestCheck)),
    "spot-instance-request-id": () => undefined,
    "state-reason-code": (it) => it.so.reason?.code ?? it.wanted.reason?.code,
    "state-reason-message": (it) => it.so.reason?.message ?? it.wanted.reason?.message,
    "subnet-id": (it) => it.subnetId,
    tenancy: () => "default",
    "tpm-support": () => undefined,
    "usage-operation": () => "RunInstances",
    "usage-operation-update-time": (it) => it.createdAt,
    "virtualization-type": () => "hvm",
    "vpc-id": (it) => it.vpcId,
    ...interfaceFilters(interfaces, records, scope),
    ...matchingNothing(
      "capacity-reservation-specification.capacity-reservation-target.capacity-reservation-id",
      "capacity-reservation-specification.capacity-reservation-target.capacity-reservation-resource-group-arn",
      "network-interface.addresses.association.carrier-ip",
      "network-interface.addresses.association.customer-owned-ip",
      "network-interface.association.carrier-ip",
      "network-interface.association.customer-owned-ip",
      "network-interface.ipv6-address",
      "network-interface.ipv6-addresses.is-primary-ipv6",
      "network-interface.ipv6-prefixes.ipv6-prefix",
      "network-interface.outpost-arn",
      "network-performance-options.bandwidth-weighting",
    ),
  };
}

/** `network-interface.…`: what the interfaces' own Describe knows and a little more, of any interface of the instance. */
function interfaceFilters(
  interfaces: (it: InstanceRecord) => readonly NetworkInterfaceRecord[],
  records: Ec2Records,
  scope: Scope,
): FilterTable<InstanceRecord> {
  const known = networkInterfaceFilters(records, scope);
  const none = () => undefined;
  const table: FilterTable<NetworkInterfaceRecord> = {
    ...known,
    "addresses.association.allocation-id": known["association.allocation-id"] ?? none,
    "addresses.association.association-id": known["association.association-id"] ?? none,
    "addresses.association.ip-owner-id": known["association.ip-owner-id"] ?? none,
    "addresses.association.public-dns-name": known["association.public-dns-name"] ?? none,
    "addresses.private-dns-name": known["private-dns-name"] ?? none,
    "attachment.network-card-index": () => "0",
    "deny-all-igw-traffic": () => "false",
    "ipv4-prefixes.ipv4-prefix": ({ prefixes }) => prefixes,
    "ipv6-native": () => "false",
    "public-dns-name": known["association.public-dns-name"] ?? none,
    "tag-key": ({ tags }) => Object.keys(tags),
    "tag-value": ({ tags }) => Object.values(tags),
  };
  return Object.fromEntries(
    Object.entries(table).map(([name, values]) => [
      `network-interface.${name}`,
      (it: InstanceRecord) => interfaces(it).flatMap((nic) => values(nic)),
    ]),
  );
}

export const instanceStatusFilters = (scope: Scope): FilterTable<InstanceRecord> => ({
  ...matchingNothing("application-status.status"),
  "attached-ebs-status.status": ebsCheck,
  "availability-zone": (it) => it.zone,
  "availability-zone-id": (it) => zoneId(scope.region, it.zone),
  "event.code": () => undefined,
  "event.description": () => undefined,
  "event.instance-event-id": () => undefined,
  "event.not-after": () => undefined,
  "event.not-before": () => undefined,
  "event.not-before-deadline": () => undefined,
  "instance-state-code": (it) => String(stateCodes[instanceState(it)]),
  "instance-state-name": instanceState,
  "instance-status.reachability": (it) => reachability(instanceCheck(it)),
  "instance-status.status": instanceCheck,
  "operator.managed": () => "false",
  "operator.principal": () => undefined,
  "system-status.reachability": (it) => reachability(systemCheck(it)),
  "system-status.status": systemCheck,
});
