import type { GuestMetadata } from "#guest/guest-snapshot.ts";
import { zoneId } from "../availability-zone/availability-zone.ts";
import { keyNameClaim } from "../key-pair/key-pair.ts";
import {
  privateDnsName,
  publicDnsName,
  type NetworkInterfaceRecord,
} from "../network-interface/network-interface.ts";
import type { Ec2Records, Scope } from "../records.ts";
import type { InstanceRecord } from "./instance.ts";

const nothing: GuestMetadata = { enabled: false, tokens: "required", hopLimit: 1, tree: {}, dynamic: {} };

/** What IMDS tells the instance behind an interface. Paths follow "Instance metadata categories" of the EC2 guide. */
export function instanceMetadata(
  nic: NetworkInterfaceRecord,
  scope: Scope,
  records: Ec2Records,
): GuestMetadata {
  const instance = nic.attachment && records.get("instance", nic.attachment.instanceId);
  if (!instance) return nothing;
  const { enabled, tokens, hopLimit } = instance.metadataOptions;
  return {
    enabled,
    tokens,
    hopLimit,
    tree: { ...instanceTree(instance, nic, scope, records), ...tagTree(instance) },
    dynamic: { "instance-identity/document": identityDocument(instance, nic, scope) },
    ...(instance.userData !== undefined && { userData: instance.userData }),
  };
}

function instanceTree(
  instance: InstanceRecord,
  nic: NetworkInterfaceRecord,
  scope: Scope,
  records: Ec2Records,
): Record<string, string> {
  const name = privateDnsName(nic.address, scope.region);
  const publicAddress = records.publicAddressOf(nic.id)?.id;
  const groups = nic.groupIds.map((id) => records.get("security-group", id)?.name ?? "");
  return {
    "ami-id": instance.imageId,
    "ami-launch-index": String(instance.launchIndex),
    "ami-manifest-path": "(unknown)",
    "block-device-mapping/ami": instance.rootDevice,
    "block-device-mapping/root": instance.rootDevice,
    hostname: name,
    "instance-action": "none",
    "instance-id": instance.id,
    "instance-life-cycle": "on-demand",
    "instance-type": instance.type,
    "local-hostname": name,
    "local-ipv4": nic.address,
    mac: nic.mac,
    "placement/availability-zone": instance.zone,
    "placement/availability-zone-id": zoneId(scope.region, instance.zone) ?? "",
    "placement/region": scope.region,
    profile: "default-hvm",
    "reservation-id": instance.reservationId,
    "security-groups": groups.join("\n"),
    "services/domain": "amazonaws.com",
    "services/partition": "aws",
    system: "nitro",
    ...(publicAddress !== undefined && {
      "public-hostname": publicDnsName(publicAddress, scope.region),
      "public-ipv4": publicAddress,
    }),
    ...keyTree(instance, records),
    ...interfaceTree(nic, groups, publicAddress, scope, records),
  };
}

function keyTree({ keyName }: InstanceRecord, records: Ec2Records): Record<string, string> {
  if (keyName === undefined) return {};
  const key = records.get("key-pair", records.claimed(keyNameClaim(keyName)) ?? "");
  return key ? { [`public-keys/0=${keyName}/openssh-key`]: key.publicKey } : {};
}

function interfaceTree(
  nic: NetworkInterfaceRecord,
  groups: readonly string[],
  publicAddress: string | undefined,
  scope: Scope,
  records: Ec2Records,
): Record<string, string> {
  const vpcCidr = records.get("vpc", nic.vpcId)?.cidr ?? "";
  const leaves: Record<string, string> = {
    "device-number": String(nic.attachment?.deviceIndex ?? 0),
    "interface-id": nic.id,
    "local-hostname": privateDnsName(nic.address, scope.region),
    "local-ipv4s": nic.address,
    mac: nic.mac,
    "owner-id": scope.accountId,
    "security-group-ids": nic.groupIds.join("\n"),
    "security-groups": groups.join("\n"),
    "subnet-id": nic.subnetId,
    "subnet-ipv4-cidr-block": records.get("subnet", nic.subnetId)?.cidr ?? "",
    "vpc-id": nic.vpcId,
    "vpc-ipv4-cidr-block": vpcCidr,
    "vpc-ipv4-cidr-blocks": vpcCidr,
    ...(publicAddress !== undefined && {
      [`ipv4-associations/${publicAddress}`]: nic.address,
      "public-hostname": publicDnsName(publicAddress, scope.region),
      "public-ipv4s": publicAddress,
    }),
  };
  return Object.fromEntries(
    Object.entries(leaves).map(([name, value]) => [`network/interfaces/macs/${nic.mac}/${name}`, value]),
  );
}

const tagTree = ({ metadataOptions, tags }: InstanceRecord): Record<string, string> =>
  metadataOptions.tags
    ? Object.fromEntries(Object.entries(tags).map(([key, value]) => [`tags/instance/${key}`, value]))
    : {};

const identityDocument = (instance: InstanceRecord, nic: NetworkInterfaceRecord, scope: Scope): string =>
  JSON.stringify(
    {
      accountId: scope.accountId,
      architecture: instance.architecture,
      availabilityZone: instance.zone,
      billingProducts: null,
      devpayProductCodes: null,
      marketplaceProductCodes: null,
      imageId: instance.imageId,
      instanceId: instance.id,
      instanceType: instance.type,
      kernelId: null,
      pendingTime: `${instance.launchedAt.slice(0, 19)}Z`,
      privateIp: nic.address,
      ramdiskId: null,
      region: scope.region,
      version: "2017-09-30",
    },
    null,
    2,
  );
