import type * as ec2 from "@aws-sdk/client-ec2";
import type { CreateReplaceRootVolumeTaskRequest } from "@aws-sdk/client-ec2";
import type { OperationsOf, TouchedResource } from "#api/operation.ts";
import type { Transaction } from "#store/store.ts";
import { once, type MakingPlan } from "../client-token.ts";
import type { Ec2Context } from "../context.ts";
import { describe } from "../describe.ts";
import {
  exclusiveParameters,
  incorrectState,
  noRoomForVolume,
  replaceRootVolumeTaskNotFound,
  rootIsBeingReplaced,
  rootVolumeMissing,
  unsupportedParameter,
} from "../errors.ts";
import { diskShortage } from "../instance/capacity.ts";
import { instancesOf, rewrite } from "../instance/instance-change.ts";
import { instanceState, touchedInstance, type InstanceRecord } from "../instance/instance.ts";
import { onlyTags, tagsFor } from "../tag/tag.ts";
import { together } from "../together.ts";
import { attachmentTo, volumeArn, type VolumeRecord } from "../volume/volume.ts";
import { chosenReplacement } from "./chosen-replacement.ts";
import {
  describeTask,
  hasEnded,
  taskArn,
  taskFilters,
  taskKeys,
  taskUnderWay,
  type Root,
  type RootReplacementRecord,
} from "./root-replacement.ts";

export const rootReplacementOperations = {
  /** Of a running instance, which is shut down for it and started again. */
  CreateReplaceRootVolumeTask: {
    resolve: (input, context) =>
      once("CreateReplaceRootVolumeTask", input, context, () => creation(input, context)),
    answer({ made }: MakingPlan, { records }) {
      const task = records.get("replace-root-volume-task", made);
      if (!task) throw replaceRootVolumeTaskNotFound([made]);
      return { ReplaceRootVolumeTask: describeTask(task) };
    },
  },

  DescribeReplaceRootVolumeTasks: {
    resolve: (input, { records }) =>
      describe(records.named("replace-root-volume-task", input.ReplaceRootVolumeTaskIds), input, {
        ids: input.ReplaceRootVolumeTaskIds,
        parameter: "replaceRootVolumeTaskIds",
        missing: replaceRootVolumeTaskNotFound,
        filters: taskFilters,
        bounds: { min: 1, max: 50 },
      }),
    answer: ({ items, nextToken }: { items: readonly RootReplacementRecord[]; nextToken?: string }) => ({
      ReplaceRootVolumeTasks: items.map(describeTask),
      NextToken: nextToken,
    }),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

function creation(
  input: CreateReplaceRootVolumeTaskRequest & { InstanceId: string },
  context: Ec2Context,
): MakingPlan {
  const { records } = context;
  const sources = (["SnapshotId", "ImageId", "VolumeId"] as const).filter((name) => input[name]);
  const [one, other] = sources.map((name) => name.replace(/^./, (letter) => letter.toLowerCase()));
  if (one !== undefined && other !== undefined) throw exclusiveParameters(one, other);
  // With a volume of one's own there is nothing to initialize, and EC2 ignores it too.
  if (input.VolumeInitializationRate && !input.VolumeId)
    throw unsupportedParameter("VolumeInitializationRate");
  onlyTags(["replace-root-volume-task"], input.TagSpecifications);
  const [instance, root] = replaceable(input.InstanceId, context);
  const { volume, made, stays, touches, ...chosen } = chosenReplacement(input, instance, root, context);
  const from = rootAsIs(instance, root);
  const task: RootReplacementRecord = {
    id: context.newId("replacevol"),
    instanceId: instance.id,
    ...(input.ImageId && { imageId: input.ImageId }),
    ...(chosen.snapshotId !== undefined && { snapshotId: chosen.snapshotId }),
    from,
    to: { ...from, ...chosen.root, volumeId: volume.id },
    made,
    deleteReplaced: input.DeleteReplacedRootVolume ?? false,
    ...(input.ClientToken && { clientToken: input.ClientToken }),
    tags: tagsFor("replace-root-volume-task", input.TagSpecifications),
    createdAt: context.now().toISOString(),
    so: {},
  };
  const key = records.key("replace-root-volume-task", task.id);
  return {
    touches: [
      touchedInstance(instance, context),
      { arn: taskArn("*", context), tags: task.tags },
      touchedVolume(volume, made, context),
      ...touches,
    ],
    transaction: together(
      { expect: [{ absent: key }, ...stays], put: [{ key, value: task }] },
      made ? newVolume(volume, context) : records.rewrite("volume", volume),
      chosen.transaction,
      rewrite([instance], context), // lest two tasks come to be at once
      { delete: forgotten(instance.id, context) },
    ),
    made: task.id,
  };
}

/** An instance and its root volume. */
function replaceable(id: string, context: Ec2Context): [InstanceRecord, VolumeRecord] {
  const { records, now } = context;
  const [instance] = instancesOf([id], context);
  if (!instance || instanceState(instance) !== "running") throw incorrectState(id, "running");
  const underWay = taskUnderWay(id, records);
  if (underWay) throw rootIsBeingReplaced(id, underWay.id);
  const root = records.volumesOf(id).find((it) => attachmentTo(id, it)?.device === instance.rootDevice);
  if (!root) throw rootVolumeMissing(id, instance.rootDevice);
  const host = records.hosts(now()).find((it) => it.id === instance.hostId);
  const shortage = host && diskShortage(host);
  if (shortage !== undefined) throw noRoomForVolume(shortage);
  return [instance, root];
}

const rootAsIs = ({ id, imageId, bootMode, launchedFrom }: InstanceRecord, root: VolumeRecord): Root => ({
  volumeId: root.id,
  deleteOnTermination: attachmentTo(id, root)?.deleteOnTermination ?? false,
  imageId,
  ...(bootMode && { bootMode }),
  launchedFrom: launchedFrom ?? {
    ...(root.image && { image: root.image }),
    ...(root.snapshotId !== undefined && { snapshotId: root.snapshotId }),
  },
});

const touchedVolume = ({ id, tags }: VolumeRecord, made: boolean, context: Ec2Context): TouchedResource =>
  made ? { arn: volumeArn("*", context) } : { arn: volumeArn(id, context), tags };

function newVolume(volume: VolumeRecord, { records }: Ec2Context): Transaction {
  const key = records.key("volume", volume.id);
  return { expect: [{ absent: key }], put: [{ key, value: volume }] };
}

/** An instance's last ones are kept as long as it is. */
const mostTasks = 20;

function forgotten(instanceId: string, { records }: Ec2Context): string[] {
  const ended = records.rootReplacementsOf(instanceId).filter(hasEnded);
  return ended
    .toSorted((a, b) => (a.createdAt > b.createdAt ? -1 : 1))
    .slice(mostTasks - 1)
    .flatMap((task) => taskKeys(task, records));
}
