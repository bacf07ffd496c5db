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
