import type {
  Instance,
  InstanceBlockDeviceMapping,
  InstanceNetworkInterface,
  Monitoring,
  Reservation,
  StateReason,
} from "@aws-sdk/client-ec2";
import { zoneId } from "../availability-zone/availability-zone.ts";
import {
  attachmentStatus,
  describeGroups,
  describeInterface,
  publicNameOf,
  type NetworkInterfaceRecord,
} from "../network-interface/network-interface.ts";
import type { Ec2Records, Kind, Scope } from "../records.ts";
import { describeTags } from "../tag/tag.ts";
import { attachmentTo, mappingStatus } from "../volume/volume.ts";
import { currentBootMode } from "./boot-mode.ts";
import {
  cpuOptions,
  defaultMaintenance,
  describeState,
  instanceState,
  reasons,
  type InstanceRecord,
  type MetadataOptions,
  type TransitionReason,
} from "./instance.ts";
import { describeProfile } from "./instance-profile.ts";
import { describePrivateDnsNames, instanceDnsName } from "./private-dns-names.ts";

export function describeReservations(
  instances: readonly InstanceRecord[],
  records: Ec2Records,
  scope: Scope,
): Reservation[] {
  const changedAt = records.changedAt(toldOf);
  const together = Map.groupBy(instances, (it) => it.reservationId);
  return [...together].map(([id, members]) =>
    reservation(id, members, scope, (it) => describeOnce(it, records, scope, changedAt)),
  );
}

/** What was launched this moment: it soon looks otherwise, so nothing is kept of what it looks like. */
export const describeLaunch = (
  reservationId: string,
  instances: readonly InstanceRecord[],
  records: Ec2Records,
  scope: Scope,
): Reservation => reservation(reservationId, instances, scope, (it) => describeInstance(it, records, scope));

/** Instances launched together, in launch order. */
const reservation = (
  ReservationId: string,
  members: readonly InstanceRecord[],
  { accountId: OwnerId }: Scope,
  describe: (it: InstanceRecord) => Instance,
): Reservation => ({
  ReservationId,
  OwnerId,
  Groups: [],
  Instances: members.toSorted((a, b) => a.launchIndex - b.launchIndex).map(describe),
});

interface Described {
  /** When the records beside its own had last changed, as it was looked at last. */
  changedAt: number;
  readonly from: readonly unknown[];
  readonly as: Instance;
}
const described = new WeakMap<InstanceRecord, Described>();

/** Most instances are asked for far more often than they change. Frozen: whoever writes it out may keep what it wrote, too. */
function describeOnce(
  instance: InstanceRecord,
  records: Ec2Records,
  scope: Scope,
  changedAt: number,
): Instance {
  const before = described.get(instance);
  if (before?.changedAt === changedAt) return before.as;
  const from = madeFrom(instance, records);
  if (before?.from.length === from.length && from.every((it, n) => it === before.from[n])) {
    before.changedAt = changedAt;
    return before.as;
  }
  const as = Object.freeze(describeInstance(instance, records, scope));
  described.set(instance, { changedAt, from, as });
  return as;
}

/** The kinds of record beside its own that an instance's description tells of. */
const toldOf = [
  "volume",
  "network-interface",
  "public-address",
  "security-group",
  "placement-group",
  "vpc",
] as const satisfies Kind[];

/** Of those kinds, the records it tells of; a record stays the same object while it is unchanged. */
function madeFrom({ id, placementGroup }: InstanceRecord, records: Ec2Records): unknown[] {
  const from: unknown[] = records.volumesOf(id);
  for (const it of records.interfacesOf(id)) {
    from.push(it, records.get("vpc", it.vpcId), ...records.publicAddressesOf(it.id));
    for (const group of it.groupIds) from.push(records.get("security-group", group));
  }
  if (placementGroup) from.push(records.get("placement-group", placementGroup.id));
  return from;
}

function describeInstance(instance: InstanceRecord, records: Ec2Records, scope: Scope): Instance {
  const interfaces = records
    .interfacesOf(instance.id)
    .toSorted((a, b) => (a.attachment?.deviceIndex ?? 0) - (b.attachment?.deviceIndex ?? 0));
  const primary = interfaces[0];
  const publicAddress = primary && records.publicAddressOf(primary.id)?.id;
  const state = instanceState(instance);
  const reason = state === "running" || state === "pending" ? undefined : shownReason(instance);
  return {
    InstanceId: instance.id,
    ImageId: instance.imageId,
    InstanceType: instance.type,
    State: describeState(state),
    StateTransitionReason: reason ? transitionText(reason, instance) : "",
    StateReason: reason && describeReason(reason),
    AmiLaunchIndex: instance.launchIndex,
    LaunchTime: new Date(instance.launchedAt),
    ClientToken: instance.clientToken,
    KeyName: instance.keyName,
    IamInstanceProfile: describeProfile(instance.profile),
    Placement: {
      AvailabilityZone: instance.zone,
      AvailabilityZoneId: zoneId(scope.region, instance.zone),
      ...describePlacement(instance, records),
      Tenancy: "default",
    },
    Monitoring: describeMonitoring(instance),
    Architecture: instance.architecture,
    Hypervisor: "xen",
    VirtualizationType: "hvm",
    EnaSupport: true,
    EbsOptimized: instance.ebsOptimized,
    BootMode: instance.bootMode,
    CurrentInstanceBootMode: currentBootMode(instance),
    PlatformDetails: "Linux/UNIX",
    UsageOperation: "RunInstances",
    UsageOperationUpdateTime: new Date(instance.createdAt),
    ProductCodes: [],
    CpuOptions: cpuOptions(instance),
    CapacityReservationSpecification: { CapacityReservationPreference: "open" },
    HibernationOptions: { Configured: false },
    EnclaveOptions: { Enabled: false },
    MaintenanceOptions: describeMaintenance(instance),
    PrivateDnsNameOptions: describePrivateDnsNames(instance.privateDns),
    MetadataOptions: describeMetadataOptions(instance.metadataOptions),
    RootDeviceName: instance.rootDevice,
    RootDeviceType: "ebs",
    BlockDeviceMappings: describeBlockDevices(instance, records),
    ...(primary && {
      VpcId: instance.vpcId,
      SubnetId: instance.subnetId,
      PrivateIpAddress: primary.address,
      SourceDestCheck: primary.sourceDestCheck,
    }),
    PrivateDnsName: primary ? instanceDnsName(instance, primary.address, scope.region) : "",
    PublicDnsName: (primary && publicNameOf(publicAddress, primary.vpcId, records, scope)) ?? "",
    PublicIpAddress: publicAddress,
    SecurityGroups: primary ? describeGroups(primary, records) : [],
    NetworkInterfaces: interfaces.map((it) => describeAttached(it, records, scope)),
    Tags: describeTags(instance.tags),
  };
}

export const describeMetadataOptions = (options: MetadataOptions) => ({
  State: "applied" as const,
  HttpTokens: options.tokens,
  HttpPutResponseHopLimit: options.hopLimit,
  HttpEndpoint: options.enabled ? ("enabled" as const) : ("disabled" as const),
  HttpProtocolIpv6: "disabled" as const,
  InstanceMetadataTags: options.tags ? ("enabled" as const) : ("disabled" as const),
});

export const describeBlockDevices = (
  instance: InstanceRecord,
  records: Ec2Records,
): InstanceBlockDeviceMapping[] =>
  records
    .volumesOf(instance.id)
    .flatMap((volume) => {
      const attachment = attachmentTo(instance.id, volume);
      if (!attachment) return [];
      const { device: DeviceName, attachedAt, deleteOnTermination: DeleteOnTermination } = attachment;
      const [Status, AttachTime] = [mappingStatus(volume, attachment), new Date(attachedAt)];
      return [{ DeviceName, Ebs: { VolumeId: volume.id, Status, AttachTime, DeleteOnTermination } }];
    })
    .toSorted((a, b) => (a.DeviceName < b.DeviceName ? -1 : 1));

function describePlacement({ placementGroup: place }: InstanceRecord, records: Ec2Records) {
  const group = place && records.get("placement-group", place.id);
  return group
    ? { GroupName: group.name, GroupId: group.id, PartitionNumber: place.partition }
    : { GroupName: "" };
}

export function describeMaintenance({ maintenance = defaultMaintenance }: InstanceRecord) {
  return { AutoRecovery: maintenance.autoRecovery, RebootMigration: maintenance.rebootMigration };
}

/** Why it is, or is becoming, what it is. */
const shownReason = ({ wanted, so }: InstanceRecord): TransitionReason | undefined =>
  so.generation === wanted.generation ? (so.reason ?? wanted.reason) : wanted.reason;

const describeReason = ({ code, message }: TransitionReason): StateReason => ({
  Code: code,
  Message: message,
});

function transitionText(reason: TransitionReason, { so }: InstanceRecord): string {
  const at = so.since === undefined ? "" : ` (${so.since.slice(0, 19).replace("T", " ")} GMT)`;
  return reason.code === reasons.userStopped.code ? `User initiated${at}` : reason.message;
}

function describeAttached(
  it: NetworkInterfaceRecord,
  records: Ec2Records,
  scope: Scope,
): InstanceNetworkInterface {
  return {
    ...describeInterface(it, records, scope),
    Status: "in-use",
    Attachment: it.attachment && {
      AttachmentId: it.attachment.id,
      AttachTime: new Date(it.attachment.attachedAt),
      DeviceIndex: it.attachment.deviceIndex,
      NetworkCardIndex: 0,
      DeleteOnTermination: it.attachment.deleteOnTermination,
      Status: attachmentStatus(it.attachment, it.so),
    },
  };
}

const describeMonitoring = ({ monitoring }: InstanceRecord): Monitoring => ({
  State: monitoring ? "enabled" : "disabled",
});
