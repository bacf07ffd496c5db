import { ApiError } from "#api/error.ts";

/** AWS's codes and reasons, by which clients tell them apart; the sentences are ours. */
const invalid = (reason: string, message: string) => new ApiError("ValidationException", message, { reason });

export const snapshotNotFound = (id: string) =>
  new ApiError("ResourceNotFoundException", `The snapshot '${id}' does not exist.`, {
    status: 404,
    reason: "SNAPSHOT_NOT_FOUND",
  });
export const invalidSnapshotId = (id: string) =>
  invalid("INVALID_SNAPSHOT_ID", `Invalid snapshot id: '${id}'`);
export const snapshotNotCompleted = (id: string, state: string) =>
  invalid("INVALID_SNAPSHOT_ID", `The snapshot '${id}' is in state '${state}', and must be completed.`);
export const unrelatedSnapshots = (first: string, second: string) =>
  invalid("UNRELATED_SNAPSHOTS", `The snapshots '${first}' and '${second}' are not of the same lineage.`);
export const invalidPageToken = () => invalid("INVALID_PAGE_TOKEN", "The page token is not valid.");
export const invalidBlockToken = () =>
  invalid("INVALID_BLOCK_TOKEN", "The block token is not valid, or has expired.");
export const snapshotNotWritten = (id: string, state: string) =>
  invalid(
    "INVALID_SNAPSHOT_ID",
    `The snapshot '${id}' cannot be written: it is in state '${state}', and must be pending and started by StartSnapshot.`,
  );
export const snapshotSealed = (id: string) =>
  invalid("INVALID_SNAPSHOT_ID", `The snapshot '${id}' was completed, and takes no further blocks.`);
export const invalidBlock = (message: string) => invalid("INVALID_BLOCK", message);
export const invalidVolumeSize = (message: string) => invalid("INVALID_VOLUME_SIZE", message);
export const keyRefused = (message: string) =>
  new ApiError("AccessDeniedException", message, { status: 403, reason: "DEPENDENCY_ACCESS_DENIED" });
export const invalidTag = (message: string) => invalid("INVALID_TAG", message);
export const invalidParameterValue = (message: string) => invalid("INVALID_PARAMETER_VALUE", message);
export const otherRequestWithToken = () =>
  new ApiError("ConflictException", "Another request was made with this client token.", { status: 409 });
export const tooManyStarted = (most: number) =>
  new ApiError("ConcurrentLimitExceededException", `${most} snapshots are being written already.`);
export const noRoomForSnapshot = (why: string) =>
  new ApiError("ServiceQuotaExceededException", why, {
    status: 402,
    reason: "DEPENDENCY_SERVICE_QUOTA_EXCEEDED",
  });
/** Clients try again. */
export const notBegun = (id: string) =>
  new ApiError(
    "InternalServerException",
    `The host of the snapshot '${id}' has no place for its blocks yet.`,
    {
      status: 500,
    },
  );
