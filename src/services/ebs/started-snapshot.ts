import { createHash } from "node:crypto";
import type { StartSnapshotRequest } from "@aws-sdk/client-ebs";
import { ApiError } from "#api/error.ts";
import { once, type MakingPlan } from "../ec2/client-token.ts";
import { diskShortage } from "../ec2/instance/capacity.ts";
import {
  isPending,
  snapshotArn,
  snapshotStays,
  writtenOf,
  type SnapshotRecord,
} from "../ec2/snapshot/snapshot.ts";
import { withTags, type Tags } from "../ec2/tag/tag.ts";
import { together } from "../ec2/together.ts";
import { encryptionPlan } from "../ec2/volume/encryption.ts";
import { sourceOfSnapshot } from "../ec2/volume/volume-source.ts";
import type { EbsContext } from "./context.ts";
import {
  invalidParameterValue,
  invalidTag,
  invalidVolumeSize,
  noRoomForSnapshot,
  otherRequestWithToken,
  tooManyStarted,
} from "./errors.ts";
import { completed } from "./find-snapshot.ts";

type Input = StartSnapshotRequest & { VolumeSize: number };

/** A pending snapshot whose blocks are to be written. Throws ValidationException, ConflictException and others. */
export function startedSnapshot(input: Input, context: EbsContext): MakingPlan {
  const token = input.ClientToken && claimable(input.ClientToken);
  return once(
    "StartSnapshot",
    { ...input, ClientToken: token },
    context,
    () => creation(input, token, context),
    otherRequestWithToken,
  );
}

function creation(input: Input, token: string | undefined, context: EbsContext): MakingPlan {
  const { records, newId, now } = context;
  const { VolumeSize: sizeGiB, ParentSnapshotId: parentId, Timeout: timeoutMinutes = 60 } = input;
  const parent = parentId === undefined ? undefined : completed(parentId, context);
  if (input.Encrypted !== undefined && parent)
    throw invalidParameterValue("Encrypted cannot be given together with ParentSnapshotId.");
  checkSize(sizeGiB, parent);
  const started = records.all("snapshot").filter((it) => writtenOf(it) && isPending(it) && !it.deleting);
  if (started.length >= mostStarted) throw tooManyStarted(mostStarted);
  const id = newId("snap");
  const { encryption, touches, transaction } = encryptionOf(id, input, parent, context);
  const key = records.key("snapshot", id);
  const snapshot: SnapshotRecord = {
    id,
    hostId: hostFor(parent?.hostId, context),
    of: { written: { ...(parent && { parent: parent.id }), timeoutMinutes } },
    sizeGiB,
    description: input.Description ?? "",
    ...(parent?.image && { image: parent.image }),
    ...(encryption && { encryption }),
    together: id,
    ...(token && { clientToken: token }),
    tags: tagsOf(input),
    createdAt: now().toISOString(),
    so: {},
  };
  const made = { arn: snapshotArn("*", context), tags: snapshot.tags };
  const keys = {
    "ebs:VolumeSize": String(sizeGiB),
    "ebs:Description": snapshot.description,
    ...(parent && { "ebs:ParentSnapshot": snapshotArn(parent.id, context) }),
  };
  return {
    touches: [
      { ...made, keys },
      ...(input.Tags?.length ? [{ ...made, action: "ec2:CreateTags" }] : []),
      ...(parent ? [{ arn: snapshotArn(parent.id, context), tags: parent.tags, keys }] : []),
      ...touches,
    ],
    transaction: together(transaction, {
      expect: [{ absent: key }, ...snapshotStays(parent?.id, records)],
      put: [{ key, value: snapshot }],
    }),
    made: id,
  };
}

/** These may be longer than EC2's. */
const claimable = (token: string): string => createHash("sha256").update(token).digest("hex");

/** Of an account. Follows "Amazon EBS endpoints and quotas". */
const mostStarted = 100;

/** Its parent's, or its account's by default, as of any other snapshot; but a key that cannot be used is refused at once. */
function encryptionOf(
  id: string,
  { Encrypted, KmsKeyArn }: Input,
  parent: SnapshotRecord | undefined,
  context: EbsContext,
) {
  const encryptions = encryptionPlan(context);
  try {
    const source = parent && sourceOfSnapshot(parent, context.records).encrypted;
    const { encryption, failed } = encryptions.of(id, { Encrypted, KmsKeyId: KmsKeyArn }, source);
    if (failed !== undefined) throw invalidParameterValue(failed);
    return { encryption, ...encryptions.parts() };
  } catch (error) {
    const isOfEc2 = error instanceof ApiError && error.code !== "ValidationException";
    throw isOfEc2 ? invalidParameterValue(error.message) : error;
  }
}

function checkSize(sizeGiB: number, parent: SnapshotRecord | undefined): void {
  if (sizeGiB > mostGiB) throw invalidVolumeSize(`The volume size is at most ${mostGiB} GiB.`);
  if (parent && sizeGiB < parent.sizeGiB)
    throw invalidVolumeSize(`The volume size is at least the parent snapshot's, ${parent.sizeGiB} GiB.`);
}

/** Of the largest volume. */
const mostGiB = 65_536;

function tagsOf({ Tags: tags }: StartSnapshotRequest): Tags {
  try {
    return withTags({}, tags);
  } catch (error) {
    throw error instanceof ApiError ? invalidTag(error.message) : error;
  }
}

function hostFor(only: string | undefined, { records, now }: EbsContext): string {
  const hosts = records.hosts(now()).filter(({ id }) => (only ?? id) === id);
  const host = hosts.find((it) => diskShortage(it) === undefined);
  if (host) return host.id;
  const [why = "No host is there."] = hosts.flatMap((it) => diskShortage(it) ?? []);
  throw noRoomForSnapshot(why);
}
