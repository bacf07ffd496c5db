import type { GuestMetadata } from "#guest/guest-snapshot.ts";
import { zoneId } from "../availability-zone/availability-zone.ts";
import {
  addressesOf,
  publicNameOf,
  type NetworkInterfaceRecord,
} from "../network-interface/network-interface.ts";
import type { Ec2Records, Scope } from "../records.ts";
import type { SignIdentity } from "./identity-signature.ts";
import { instanceStores } from "./instance-store.ts";
import type { InstanceRecord } from "./instance.ts";
import type { InstanceRoles } from "./instance-roles.ts";
import { instanceDnsName, interfaceDnsName } from "./private-dns-names.ts";
import { attachmentTo } from "../volume/volume.ts";

const nothing: GuestMetadata = { enabled: false, tokens: "required", hopLimit: 1, tree: {}, dynamic: {} };

/**
 * What IMDS tells through an interface of the instance that has it. Paths follow "Instance metadata categories" of the EC2
 * guide; what an instance has none of (an IAM role, events, tags not enabled) is not there.
 */
export function instanceMetadata(
  nic: NetworkInterfaceRecord,
  scope: Scope,
  records: Ec2Records,
  { signIdentity, roles }: { readonly signIdentity: SignIdentity; readonly roles: InstanceRoles },
): GuestMetadata {
  const instance = nic.attachment && records.get("instance", nic.attachment.instanceId);
  if (!instance) return nothing;
  const interfaces = records
    .interfacesOf(instance.id)
    .toSorted((a, b) => (a.attachment?.deviceIndex ?? 0) - (b.attachment?.deviceIndex ?? 0));
  const primary = interfaces[0] ?? nic;
  const { enabled, tokens, hopLimit } = instance.metadataOptions;
  const { tree: roleTree, treeByToken } = roles.metadata(instance, primary.address, scope, records.iam);
  return {
    enabled,
    tokens,
    hopLimit,
    tree: Object.assign(
      instanceTree(instance, primary, scope, records),
      ...interfaces.map((it) => interfaceTree(it, scope, records)),
      tagTree(instance),
      roleTree,
    ),
    ...(treeByToken && { treeByToken }),
    dynamic: {
      "fws/instance-monitoring": instance.monitoring ? "enabled" : "disabled",
      ...identity(instance, primary, scope, signIdentity),
    },
    ...(instance.userData !== undefined && { userData: instance.userData }),
  };
}

function instanceTree(
  instance: InstanceRecord,
  primary: NetworkInterfaceRecord,
  scope: Scope,
  records: Ec2Records,
): Record<string, string> {
  const name = instanceDnsName(instance, primary.address, scope.region);
  const publicAddress = records.publicAddressOf(primary.id)?.id;
  const publicName = publicNameOf(publicAddress, primary.vpcId, records, scope);
  return {
    "ami-id": instance.imageId,
    "ami-launch-index": String(instance.launchIndex),
    "ami-manifest-path": "(unknown)",
    ...blockDeviceTree(instance, records),
    "events/maintenance/history": "[]",
    "events/maintenance/scheduled": "[]",
    "hibernation/configured": "false",
    hostname: name,
    "instance-action": "none",
    "instance-id": instance.id,
    "instance-life-cycle": "on-demand",
    "instance-type": instance.type,
    "local-hostname": name,
    "local-ipv4": primary.address,
    mac: primary.mac,
    ...placementTree(instance, scope, records),
    profile: "default-hvm",
    ...(publicName !== undefined && { "public-hostname": publicName }),
    ...(publicAddress !== undefined && { "public-ipv4": publicAddress }),
    ...(instance.publicKey !== undefined && {
      [`public-keys/0=${instance.keyName}/openssh-key`]: instance.publicKey,
    }),
    "reservation-id": instance.reservationId,
    "security-groups": groupNames(primary, records),
    "services/domain": "amazonaws.com",
    "services/partition": "aws",
    system: "nitro",
  };
}

/** As AWS names them: the root by its whole path, the others without "/dev/"; instance stores of NVMe are not among them. */
function blockDeviceTree(instance: InstanceRecord, records: Ec2Records): Record<string, string> {
  const { id, rootDevice } = instance;
  const others = records
    .volumesOf(id)
    .flatMap((volume) => attachmentTo(id, volume)?.device ?? [])
    .filter((device) => device !== rootDevice)
    .toSorted();
  const short = (device: string) => device.replace(/^\/dev\//, "");
  return {
    "block-device-mapping/ami": short(rootDevice),
    "block-device-mapping/root": rootDevice,
    ...Object.fromEntries(others.map((device, n) => [`block-device-mapping/ebs${n + 1}`, short(device)])),
    ...Object.fromEntries(
      instanceStores(instance).flatMap(({ name, device }) =>
        device === undefined ? [] : [[`block-device-mapping/${name}`, short(device)]],
      ),
    ),
  };
}

function placementTree(
  { zone, placementGroup }: InstanceRecord,
  { region }: Scope,
  records: Ec2Records,
): Record<string, string> {
  const group = placementGroup && records.get("placement-group", placementGroup.id)?.name;
  return {
    "placement/availability-zone": zone,
    "placement/availability-zone-id": zoneId(region, zone) ?? "",
    "placement/region": region,
    ...(group !== undefined && { "placement/group-name": group }),
    ...(placementGroup?.partition !== undefined && {
      "placement/partition-number": String(placementGroup.partition),
    }),
  };
}

function interfaceTree(
  nic: NetworkInterfaceRecord,
  scope: Scope,
  records: Ec2Records,
): Record<string, string> {
  const vpcCidr = records.get("vpc", nic.vpcId)?.cidr ?? "";
  const publicAddress = records.publicAddressOf(nic.id)?.id;
  const mapped = records.publicAddressesOf(nic.id);
  const instance = records.get("instance", nic.attachment?.instanceId ?? "");
  const publicName = publicNameOf(publicAddress, nic.vpcId, records, scope);
  const leaves: Record<string, string> = {
    "device-number": String(nic.attachment?.deviceIndex ?? 0),
    "interface-id": nic.id,
    "local-hostname": interfaceDnsName(nic, instance, scope.region),
    ...(nic.prefixes?.length && { "ipv4-prefix": nic.prefixes.join("\n") }),
    "local-ipv4s": addressesOf(nic).join("\n"),
    mac: nic.mac,
    "owner-id": scope.accountId,
    "security-group-ids": nic.groupIds.join("\n"),
    "security-groups": groupNames(nic, records),
    "subnet-id": nic.subnetId,
    "subnet-ipv4-cidr-block": records.get("subnet", nic.subnetId)?.cidr ?? "",
    "vpc-id": nic.vpcId,
    "vpc-ipv4-cidr-block": vpcCidr,
    "vpc-ipv4-cidr-blocks": vpcCidr,
    ...Object.fromEntries(
      mapped.map(({ id, secondary }) => [`ipv4-associations/${id}`, secondary ?? nic.address]),
    ),
    ...(publicName !== undefined && { "public-hostname": publicName }),
    ...(mapped.length > 0 && { "public-ipv4s": mapped.map(({ id }) => id).join("\n") }),
  };
  return Object.fromEntries(
    Object.entries(leaves).map(([name, value]) => [`network/interfaces/macs/${nic.mac}/${name}`, value]),
  );
}

const groupNames = ({ groupIds }: NetworkInterfaceRecord, records: Ec2Records): string =>
  groupIds.map((id) => records.get("security-group", id)?.name ?? "").join("\n");

const tagTree = ({ metadataOptions, tags }: InstanceRecord): Record<string, string> =>
  metadataOptions.tags
    ? Object.fromEntries(Object.entries(tags).map(([key, value]) => [`tags/instance/${key}`, value]))
    : {};

/** A signature takes a millisecond, and a network is told anew with every change of one of its interfaces. */
const identities = new WeakMap<
  InstanceRecord,
  { readonly of: string; readonly is: Record<string, string> }
>();

function identity(
  instance: InstanceRecord,
  primary: NetworkInterfaceRecord,
  scope: Scope,
  signIdentity: SignIdentity,
): Record<string, string> {
  const document = identityDocument(instance, primary, scope);
  const known = identities.get(instance);
  if (known?.of === document) return known.is;
  const { signature, pkcs7 } = signIdentity(document);
  const is = {
    "instance-identity/document": document,
    "instance-identity/pkcs7": pkcs7,
    "instance-identity/rsa2048": pkcs7,
    "instance-identity/signature": signature,
  };
  identities.set(instance, { of: document, is });
  return is;
}

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
