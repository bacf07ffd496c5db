import { ApiError } from "#api/error.ts";

/** AWS's codes and reasons, by which clients tell them apart; the sentences are ours. */
export const invalidParameter = (message: string) =>
  new ApiError("ValidationException", message, { reason: "INVALID_PARAMETER_VALUE" });
export const invalidPageToken = () =>
  new ApiError("ValidationException", "The page token is not valid.", { reason: "INVALID_PAGE_TOKEN" });
export const ruleNotFound = (id: string) =>
  new ApiError("ResourceNotFoundException", `The retention rule '${id}' does not exist.`, {
    status: 404,
    reason: "RULE_NOT_FOUND",
  });
export const wrongRuleState = (id: string, state: string) =>
  new ApiError("ConflictException", `The retention rule '${id}' is ${state}.`, {
    status: 409,
    reason: "INVALID_RULE_STATE",
  });
export const quotaExceeded = (message: string) =>
  new ApiError("ServiceQuotaExceededException", message, { status: 402, reason: "SERVICE_QUOTA_EXCEEDED" });
