import { setTimeout as delay } from "node:timers/promises";
import type * as ec2 from "@aws-sdk/client-ec2";
import type { CreateRestoreImageTaskRequest } from "@aws-sdk/client-ec2";
import { ApiError } from "#api/error.ts";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import type { Ec2Context } from "../context.ts";
import { noRoomForVolume } from "../errors.ts";
import { objectArn, objectNamed } from "../export-task/bucket-parameters.ts";
import { imageArn } from "../image/image.ts";
import { toldOf } from "../image/new-image.ts";
import { snapshotArn } from "../snapshot/snapshot.ts";
import { onlyTags, tagsFor } from "../tag/tag.ts";
import { together } from "../together.ts";
import { encryptionPlan } from "../volume/encryption.ts";
import type { RestoreTaskRecord } from "./restore-task.ts";

/** How long a host may take to read what an object says of its image. */
const patienceMs = 30_000;

export const restoreImageOperations = {
  /** The image is there when this is answered; it is available once the bytes of its snapshots are fetched. */
  CreateRestoreImageTask: {
    resolve: restoration,
    answer: async ({ id }: RestorePlan, context) => ({ ImageId: await made(id, context) }),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

interface RestorePlan extends OperationPlan {
  readonly id: string;
}

function restoration(
  input: CreateRestoreImageTaskRequest & { Bucket: string; ObjectKey: string },
  context: Ec2Context,
): RestorePlan {
  const { records, now, newId } = context;
  onlyTags(["image", "snapshot"], input.TagSpecifications);
  const { bucket, key } = objectNamed({ bucket: input.Bucket, key: input.ObjectKey }, context);
  const name = input.Name === undefined ? undefined : toldOf({ Name: input.Name }, context).name;
  const [host] = records.hosts(now());
  if (!host) throw noRoomForVolume("No host is there.");
  const id = newId("ami");
  const encryptions = encryptionPlan(context);
  // A key that cannot be used is told by the snapshots, whose bytes are yet to be fetched.
  const { encryption } = encryptions.of(id, {});
  const ofKeys = encryptions.parts();
  const task: RestoreTaskRecord = {
    id,
    hostId: host.id,
    bucket,
    key,
    ...(name !== undefined && { name }),
    imageTags: tagsFor("image", input.TagSpecifications),
    snapshotTags: tagsFor("snapshot", input.TagSpecifications),
    ...(encryption && { encryption }),
    until: new Date(now().getTime() + patienceMs).toISOString(),
    tags: {},
    createdAt: now().toISOString(),
    so: {},
  };
  const place = records.key("restore-task", task.id);
  return {
    touches: [
      { arn: imageArn("*", context), tags: task.imageTags },
      { arn: snapshotArn("*", context), tags: task.snapshotTags },
      { arn: objectArn({ bucket, key }), action: "s3:GetObject" },
      ...ofKeys.touches,
    ],
    transaction: together(ofKeys.transaction, {
      expect: [{ absent: place }],
      put: [{ key: place, value: task }],
    }),
    id,
  };
}

/** Throws why the host refused. */
async function made(id: string, { records }: Ec2Context): Promise<string> {
  const over = AbortSignal.timeout(patienceMs);
  while (!over.aborted) {
    const task = records.get("restore-task", id);
    if (!task && records.get("image", id)) return id;
    const { refused } = task?.so ?? {};
    if (refused) throw new ApiError(refused.code, refused.message, { status: refused.status });
    await Promise.race([records.changed(), delay(patienceMs, undefined, { signal: over }).catch(() => {})]);
  }
  throw new Error(`the host did not read what ${id} is to be restored of in ${patienceMs / 1000} s`);
}
