import { ApiError } from "#api/error.ts";

/** DLM's own codes. */
export const invalidRequest = (message: string) => new ApiError("InvalidRequestException", message);
export const notAnotherRegion = (region: string) =>
  invalidRequest(`Invalid target region: ${region || "none"}. It is another region.`);
export const policyNotFound = (id: string) =>
  new ApiError("ResourceNotFoundException", `The following policy does not exist: ${id}`, { status: 404 });
export const tooManyDefaults = (type: string) =>
  new ApiError("LimitExceededException", `There is one default policy for ${type} in a region.`, {
    status: 429,
  });
export const tooManyPolicies = (most: number) =>
  new ApiError("LimitExceededException", `There are at most ${most} policies in a region.`, { status: 429 });
