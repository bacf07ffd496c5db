import type { BootModeValues, ReplaceRootVolumeTask, ReplaceRootVolumeTaskState } from "@aws-sdk/client-ec2";
import { clientTokenClaim } from "../client-token.ts";
import type { FilterTable } from "../filters.ts";
import type { InstanceRecord } from "../instance/instance.ts";
import type { Ec2Records, ResourceRecord, Scope } from "../records.ts";
import { describeTags } from "../tag/tag.ts";

/**
 * An instance's root volume that another takes the place of. An operation writes what is wanted; the reconciler on the instance's
 * host makes it so, together with the instance's own.
 *
 *     pending → in-progress → succeeded
 *        └──────────┴→ failing → failed
 */
export interface RootReplacementRecord extends ResourceRecord {
  readonly id: `replacevol-${string}`;
  readonly instanceId: `i-${string}`;
  /** As the request named it. */
  readonly imageId?: string;
  /** What the replacement begins as, as it is shown. */
  readonly snapshotId?: string;
  readonly from: Root;
  readonly to: Root;
  /** The replacement is the task's: it goes when the task fails. */
  readonly made: boolean;
  readonly deleteReplaced: boolean;
  readonly clientToken?: string;
  /**
   * Written by the reconcilers. `begun`: the replacement has its bytes, and the instance is being rebooted; `exchanged`: it is the
   * root volume; `failed`: why the original is, or is again; `endedAt`: nothing is left to do.
   */
  readonly so: {
    readonly begun?: true;
    readonly exchanged?: true;
    readonly failed?: string;
    readonly endedAt?: string;
  };
}

/** A root volume, and what its instance is with it. */
export interface Root {
  readonly volumeId: `vol-${string}`;
  readonly deleteOnTermination: boolean;
  readonly imageId: string;
  readonly bootMode?: BootModeValues | undefined;
  readonly launchedFrom: NonNullable<InstanceRecord["launchedFrom"]>;
}

export function taskState({ so }: RootReplacementRecord): ReplaceRootVolumeTaskState {
  if (so.failed !== undefined) return so.endedAt === undefined ? "failing" : "failed";
  if (so.endedAt !== undefined) return "succeeded";
  return so.begun ? "in-progress" : "pending";
}

export const hasEnded = ({ so }: RootReplacementRecord): boolean => so.endedAt !== undefined;

/** An instance has one at a time. */
export const taskUnderWay = (instanceId: string, records: Ec2Records): RootReplacementRecord | undefined =>
  records.rootReplacementsOf(instanceId).find((it) => !hasEnded(it));

/** All that is kept of a task. */
export const taskKeys = (
  { id, clientToken: token }: RootReplacementRecord,
  records: Ec2Records,
): string[] => [
  records.key("replace-root-volume-task", id),
  ...(token === undefined
    ? []
    : [records.key("claim", clientTokenClaim("CreateReplaceRootVolumeTask", token))]),
];

export const taskArn = (id: string, { region, accountId }: Scope) =>
  `arn:aws:ec2:${region}:${accountId}:replace-root-volume-task/${id}`;

export const describeTask = (task: RootReplacementRecord): ReplaceRootVolumeTask => ({
  ReplaceRootVolumeTaskId: task.id,
  InstanceId: task.instanceId,
  TaskState: taskState(task),
  StartTime: wholeSeconds(task.createdAt),
  CompleteTime: task.so.endedAt === undefined ? undefined : wholeSeconds(task.so.endedAt),
  ImageId: task.imageId,
  SnapshotId: task.snapshotId,
  DeleteReplacedRootVolume: task.deleteReplaced,
  Tags: describeTags(task.tags),
});

/** EC2 shows these two as text, such as 2022-03-14T15:16:28Z. */
const wholeSeconds = (time: string) => time.replace(/\.\d+Z$/, "Z");

export const taskFilters: FilterTable<RootReplacementRecord> = {
  "instance-id": (it) => it.instanceId,
};
