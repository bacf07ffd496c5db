import type { TouchedResource } from "#api/operation.ts";
import type {
  _InstanceType,
  ArchitectureValues,
  BootModeValues,
  InstanceAutoRecoveryState,
  InstanceRebootMigrationState,
  InstanceStateName,
  ShutdownBehavior,
} from "@aws-sdk/client-ec2";
import type { ResourceRecord, Scope } from "../records.ts";
import type { VolumeRecord } from "../volume/volume.ts";
import type { CreditAccount } from "./credit-account.ts";
import type { StoreDevices } from "./instance-store.ts";
import type { PrivateDnsNames } from "./private-dns-names.ts";

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
  /** Its image's. */
  readonly bootMode?: BootModeValues;
  readonly cpus: number;
  /** Absent in records of the time when every core had one. */
  readonly threadsPerCore?: number;
  readonly memoryMiB: number;
  /** What its type, or the launch, would have given on a larger host. */
  readonly cappedFrom?: { readonly cpus: number; readonly memoryMiB: number };
  readonly keyName?: string;
  /** What its key pair was at launch, as one OpenSSH line: deleting the pair takes nothing from the instance. */
  readonly publicKey?: string;
  readonly userData?: string; // base64
  readonly zone: string;
  readonly vpcId: `vpc-${string}`;
  readonly subnetId: `subnet-${string}`;
  readonly rootDevice: string;
  /** What its root volume is in its launch state; absent: what it was made of. */
  readonly launchedFrom?: Pick<VolumeRecord, "image" | "snapshotId">;
  /** The volumes that were its root before, of whose snapshots it may have a new one. */
  readonly formerRoots?: readonly string[];
  readonly clientToken: string;
  readonly monitoring: boolean;
  readonly ebsOptimized: boolean;
  readonly shutdownBehavior: ShutdownBehavior;
  readonly terminationProtection: boolean;
  readonly stopProtection: boolean;
  readonly metadataOptions: MetadataOptions;
  /** Absent: its type's own, if it has any. */
  readonly cpuCredits?: CpuCredits;
  /** The client tokens of the last changes of its credits, newest first. */
  readonly creditsModifiedBy?: readonly string[];
  readonly maintenance?: MaintenanceOptions;
  /** Absent: named by its address. */
  readonly privateDns?: PrivateDnsNames;
  /** By which it has a role. */
  readonly profile?: ProfileAssociation;
  /** Of instance stores that have one only when a launch says so. */
  readonly storeDevices?: StoreDevices;
  readonly placementGroup?: { readonly id: string; readonly partition?: number };
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
  /** Its processors stand still: why, and since when. */
  readonly paused?: { readonly why: string; readonly since: string };
  /** Interfaces that nothing passes, because their links are gone: which, and since when. */
  readonly cutOff?: { readonly interfaceIds: readonly string[]; readonly since: string };
  /** The host's boot in which the machine was started; absent while it is to be started again after another. */
  readonly bootId?: string;
  /** When `state` was reached. */
  readonly since?: string;
}

/** With an instance profile, which may be gone, or hold another role, since. */
export interface ProfileAssociation {
  readonly id: `iip-assoc-${string}`;
  /** AIPA… */
  readonly profileId: string;
  readonly arn: string;
}

/** Nothing of it is left that its volumes and interfaces could serve. */
export const isGone = (instance: InstanceRecord | undefined): boolean =>
  instance === undefined || instance.so.released === true;

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

export type CpuCredits = "standard" | "unlimited";

export interface MaintenanceOptions {
  readonly autoRecovery: InstanceAutoRecoveryState;
  readonly rebootMigration: InstanceRebootMigrationState;
}
export const defaultMaintenance: MaintenanceOptions = { autoRecovery: "default", rebootMigration: "default" };

/** The last bytes of the serial console, as the host last reported them. The id is the instance's. */
export interface ConsoleRecord extends ResourceRecord {
  readonly output: string; // base64
}

/**
 * What an instance's screen showed when it was last asked for. Operations count `wanted` up; the instance's host takes the
 * picture. The id is the instance's.
 */
export interface ScreenshotRecord extends ResourceRecord {
  readonly wanted: {
    readonly count: number;
    readonly wakeUp: boolean;
    /** Nobody waits for it any longer. */
    readonly until: string;
  };
  /** The count that `jpeg`, in base64, is the answer to. */
  readonly so: { readonly count: number; readonly jpeg: string };
}

/** A burstable instance's CPU credits, as its host last recorded them. The id is the instance's. */
export interface CreditRecord extends ResourceRecord {
  readonly account: CreditAccount;
  /** It has none left, and runs at its baseline. */
  readonly limited: boolean;
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
  /** As EC2 says of a key that cannot be used. */
  clientError: {
    code: "Client.InternalError",
    message: "Client.InternalError: Client error on launch",
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

export const cpuOptions = ({ cpus, threadsPerCore = 1 }: InstanceRecord) => ({
  CoreCount: cpus / threadsPerCore,
  ThreadsPerCore: threadsPerCore,
});

/** What Describe shows: the outcome when there is one, else the way there. */
export function instanceState({ wanted, so }: InstanceRecord): InstanceStateName {
  if (so.generation === wanted.generation && so.state !== "new") return so.state;
  return ({ running: "pending", stopped: "stopping", terminated: "shutting-down" } as const)[wanted.state];
}

/** As RebootInstances wants it. */
export const rebooted = (instance: InstanceRecord): InstanceRecord => ({
  ...instance,
  wanted: { ...instance.wanted, reboots: instance.wanted.reboots + 1 },
});

/** As another boot of its host finds it: its machine is gone, and is started again if it ran. */
export function afterHostBoot({ so, ...instance }: InstanceRecord): InstanceRecord {
  const { bootId: _, booted: _booted, ...outlives } = so;
  return { ...instance, so: outlives };
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

/** What policies may ask about an instance beside its tags. */
export const instanceKeys = (instance: InstanceRecord): Readonly<Record<string, string>> => ({
  "ec2:InstanceType": instance.type,
  ...(instance.profile && { "ec2:InstanceProfile": instance.profile.arn }),
  "ec2:AvailabilityZone": instance.zone,
  "ec2:EbsOptimized": String(instance.ebsOptimized),
  "ec2:RootDeviceType": "ebs",
  "ec2:Tenancy": "default",
  "ec2:MetadataHttpEndpoint": instance.metadataOptions.enabled ? "enabled" : "disabled",
  "ec2:MetadataHttpTokens": instance.metadataOptions.tokens,
  "ec2:MetadataHttpPutResponseHopLimit": String(instance.metadataOptions.hopLimit),
});

/** An instance that an operation is about. */
export const touchedInstance = (instance: InstanceRecord, scope: Scope): TouchedResource => ({
  arn: instanceArn(instance.id, scope),
  tags: instance.tags,
});

export const instanceArn = (id: string, { region, accountId }: Scope) =>
  `arn:aws:ec2:${region}:${accountId}:instance/${id}`;
