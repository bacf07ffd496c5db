import type {
  _InstanceType,
  ArchitectureValues,
  Instance,
  InstanceBlockDeviceMapping,
  InstanceNetworkInterface,
  InstanceStateName,
  Monitoring,
  Reservation,
  ShutdownBehavior,
  StateReason,
} from "@aws-sdk/client-ec2";
import {
  describeAssociation,
  describeGroups,
  privateDnsName,
  publicDnsName,
} from "../network-interface/network-interface.ts";
import type { Ec2Records, ResourceRecord, Scope } from "../records.ts";
import { describeTags } from "../tag/tag.ts";
import { attachmentState } from "../volume/volume.ts";
import { zoneId } from "../availability-zone/availability-zone.ts";

/**
 * One instance. Operations write `wanted` and count its `generation` up; the reconciler on its host writes `so`.
 *
 *     pending → running ⇄ stopping → stopped → pending …
 *        any of them → shutting-down → terminated → (an hour later) gone
 */
export interface InstanceRecord extends ResourceRecord {
  readonly id: `i-${string}`;
  readonly hostId: string;
  readonly reservationId: `r-${string}`;
  readonly launchIndex: number;
  readonly imageId: string;
  readonly type: _InstanceType;
  readonly architecture: ArchitectureValues;
  readonly cpus: number;
  readonly memoryMiB: number;
  readonly keyName?: string;
  readonly userData?: string; // base64
  readonly zone: string;
  readonly vpcId: `vpc-${string}`;
  readonly subnetId: `subnet-${string}`;
  readonly rootDevice: string;
  readonly clientToken: string;
  readonly monitoring: boolean;
  readonly ebsOptimized: boolean;
  readonly shutdownBehavior: ShutdownBehavior;
  readonly terminationProtection: boolean;
  readonly stopProtection: boolean;
  readonly metadataOptions: MetadataOptions;
  readonly launchedAt: string;
  readonly wanted: {
    readonly state: "running" | "stopped" | "terminated";
    readonly generation: number;
    /** Grows with each RebootInstances. */
    readonly reboots: number;
    /** Off at once, without asking the guest. */
    readonly force: boolean;
    readonly reason?: TransitionReason;
  };
  readonly so: InstanceSo;
}

export interface InstanceSo {
  /** The generation that `state` is the outcome of; below `wanted.generation`: on the way. */
  readonly generation: number;
  readonly state: Exclude<InstanceStateName, "pending"> | "new";
  readonly reboots: number;
  readonly reason?: TransitionReason;
  /** The machine is gone for good, so its disks and interfaces may go. */
  readonly released?: true;
  /** Its guest has come up since it was last started. */
  readonly booted?: true;
  /** The host's boot in which the machine was started. */
  readonly bootId?: string;
  /** When `state` was reached. */
  readonly since?: string;
}

export interface TransitionReason {
  readonly code: string;
  readonly message: string;
}

export interface MetadataOptions {
  readonly tokens: "optional" | "required";
  readonly enabled: boolean;
  readonly hopLimit: number;
  readonly tags: boolean;
}

/** The last bytes of the serial console, as the host last reported them. The id is the instance's. */
export interface ConsoleRecord extends ResourceRecord {
  readonly output: string; // base64
}

/** AWS's reasons that Croft gives. */
export const reasons = {
  userStopped: {
    code: "Client.UserInitiatedShutdown",
    message: "Client.UserInitiatedShutdown: User initiated shutdown",
  },
  guestStopped: {
    code: "Client.InstanceInitiatedShutdown",
    message: "Client.InstanceInitiatedShutdown: Instance initiated shutdown",
  },
  noRoom: {
    code: "Server.InsufficientInstanceCapacity",
    message: "Server.InsufficientInstanceCapacity: the host has no memory left for it",
  },
  internal: (detail: string) => ({
    code: "Server.InternalError",
    message: `Server.InternalError: ${detail}`,
  }),
} as const satisfies Record<string, TransitionReason | ((detail: string) => TransitionReason)>;

/** What Describe shows: the outcome when there is one, else the way there. */
export function instanceState({ wanted, so }: InstanceRecord): InstanceStateName {
  if (so.generation === wanted.generation && so.state !== "new") return so.state;
  return ({ running: "pending", stopped: "stopping", terminated: "shutting-down" } as const)[wanted.state];
}

/** The states each operation is accepted in, and those in which it changes nothing. */
export const instanceAllows = {
  start: { from: ["stopped"], idle: ["pending", "running"] },
  stop: { from: ["running", "pending"], idle: ["stopping", "stopped"] },
  reboot: { from: ["running"], idle: [] },
  terminate: {
    from: ["pending", "running", "stopping", "stopped"],
    idle: ["shutting-down", "terminated"],
  },
} as const satisfies Record<
  string,
  { from: readonly InstanceStateName[]; idle: readonly InstanceStateName[] }
>;

export const stateCodes = {
  pending: 0,
  running: 16,
  "shutting-down": 32,
  terminated: 48,
  stopping: 64,
  stopped: 80,
} as const satisfies Record<InstanceStateName, number>;

export const describeState = (state: InstanceStateName) => ({ Code: stateCodes[state], Name: state });

export const instanceArn = (id: string, { region, accountId }: Scope) =>
  `arn:aws:ec2:${region}:${accountId}:instance/${id}`;

export const describeMonitoring = (instance: InstanceRecord): Monitoring => ({
  State: instance.monitoring ? "enabled" : "disabled",
});

/** Instances launched together, in launch order. */
export function describeReservations(
  instances: readonly InstanceRecord[],
  records: Ec2Records,
  scope: Scope,
): Reservation[] {
  const together = Map.groupBy(instances, (it) => it.reservationId);
  return [...together].map(([ReservationId, members]) => ({
    ReservationId,
    OwnerId: scope.accountId,
    Groups: [],
    Instances: members
      .toSorted((a, b) => a.launchIndex - b.launchIndex)
      .map((it) => describeInstance(it, records, scope)),
  }));
}

export function describeInstance(instance: InstanceRecord, records: Ec2Records, scope: Scope): Instance {
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
    Placement: {
      AvailabilityZone: instance.zone,
      AvailabilityZoneId: zoneId(scope.region, instance.zone),
      GroupName: "",
      Tenancy: "default",
    },
    Monitoring: describeMonitoring(instance),
    Architecture: instance.architecture,
    Hypervisor: "xen",
    VirtualizationType: "hvm",
    EnaSupport: true,
    EbsOptimized: instance.ebsOptimized,
    BootMode: "uefi-preferred",
    CurrentInstanceBootMode: "legacy-bios",
    PlatformDetails: "Linux/UNIX",
    UsageOperation: "RunInstances",
    UsageOperationUpdateTime: new Date(instance.createdAt),
    ProductCodes: [],
    CpuOptions: { CoreCount: instance.cpus, ThreadsPerCore: 1 },
    CapacityReservationSpecification: { CapacityReservationPreference: "open" },
    HibernationOptions: { Configured: false },
    EnclaveOptions: { Enabled: false },
    MaintenanceOptions: { AutoRecovery: "default", RebootMigration: "default" },
    PrivateDnsNameOptions: {
      HostnameType: "ip-name",
      EnableResourceNameDnsARecord: false,
      EnableResourceNameDnsAAAARecord: false,
    },
    MetadataOptions: describeMetadataOptions(instance.metadataOptions, "applied"),
    RootDeviceName: instance.rootDevice,
    RootDeviceType: "ebs",
    BlockDeviceMappings: describeBlockDevices(instance, records),
    ...(primary && {
      VpcId: instance.vpcId,
      SubnetId: instance.subnetId,
      PrivateIpAddress: primary.address,
      SourceDestCheck: primary.sourceDestCheck,
    }),
    PrivateDnsName: primary ? privateDnsName(primary.address, scope.region) : "",
    PublicDnsName: publicAddress === undefined ? "" : publicDnsName(publicAddress, scope.region),
    PublicIpAddress: publicAddress,
    SecurityGroups: primary ? describeGroups(primary, records) : [],
    NetworkInterfaces: interfaces.map((it): InstanceNetworkInterface => ({
      NetworkInterfaceId: it.id,
      InterfaceType: "interface",
      Status: "in-use",
      Description: it.description,
      OwnerId: scope.accountId,
      VpcId: it.vpcId,
      SubnetId: it.subnetId,
      MacAddress: it.mac,
      PrivateIpAddress: it.address,
      PrivateDnsName: privateDnsName(it.address, scope.region),
      SourceDestCheck: it.sourceDestCheck,
      Groups: describeGroups(it, records),
      Association: describeAssociation(it, records, scope),
      PrivateIpAddresses: [
        {
          Primary: true,
          PrivateIpAddress: it.address,
          PrivateDnsName: privateDnsName(it.address, scope.region),
          Association: describeAssociation(it, records, scope),
        },
      ],
      Ipv6Addresses: [],
      Attachment: it.attachment && {
        AttachmentId: it.attachment.id,
        AttachTime: new Date(it.attachment.attachedAt),
        DeviceIndex: it.attachment.deviceIndex,
        NetworkCardIndex: 0,
        DeleteOnTermination: it.attachment.deleteOnTermination,
        Status: it.so.ready ? "attached" : "attaching",
      },
    })),
    Tags: describeTags(instance.tags),
  };
}

export const describeMetadataOptions = (options: MetadataOptions, state: "applied" | "pending") => ({
  State: state,
  HttpTokens: options.tokens,
  HttpPutResponseHopLimit: options.hopLimit,
  HttpEndpoint: options.enabled ? ("enabled" as const) : ("disabled" as const),
  HttpProtocolIpv6: "disabled" as const,
  InstanceMetadataTags: options.tags ? ("enabled" as const) : ("disabled" as const),
});

const describeBlockDevices = (instance: InstanceRecord, records: Ec2Records): InstanceBlockDeviceMapping[] =>
  records
    .volumesOf(instance.id)
    .flatMap((volume) =>
      volume.attachment
        ? [
            {
              DeviceName: volume.attachment.device,
              Ebs: {
                VolumeId: volume.id,
                Status: attachmentState(volume),
                AttachTime: new Date(volume.attachment.attachedAt),
                DeleteOnTermination: volume.attachment.deleteOnTermination,
              },
            },
          ]
        : [],
    )
    .toSorted((a, b) => (a.DeviceName < b.DeviceName ? -1 : 1));

/** Why it is, or is becoming, what it is. */
const shownReason = ({ wanted, so }: InstanceRecord): TransitionReason | undefined =>
  so.generation === wanted.generation ? (so.reason ?? wanted.reason) : wanted.reason;

export const describeReason = ({ code, message }: TransitionReason): StateReason => ({
  Code: code,
  Message: message,
});

function transitionText(reason: TransitionReason, { so }: InstanceRecord): string {
  const at = so.since === undefined ? "" : ` (${so.since.slice(0, 19).replace("T", " ")} GMT)`;
  return reason.code === reasons.userStopped.code ? `User initiated${at}` : reason.message;
}
