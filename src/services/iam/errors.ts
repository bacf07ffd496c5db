import { ApiError } from "#api/error.ts";

/** IAM's own codes and sentences. */
export const noSuchEntity = (message: string) => new ApiError("NoSuchEntity", message, { status: 404 });
export const alreadyExists = (message: string) =>
  new ApiError("EntityAlreadyExists", message, { status: 409 });
export const deleteConflict = (message: string) => new ApiError("DeleteConflict", message, { status: 409 });
export const limitExceeded = (message: string) => new ApiError("LimitExceeded", message, { status: 409 });
export const quotaExceeded = (quota: string, most: number) =>
  limitExceeded(`Cannot exceed quota for ${quota}: ${most}`);
export const invalidInput = (message: string) => new ApiError("InvalidInput", message);
export const validationError = (message: string) => new ApiError("ValidationError", message);
export const malformedDocument = (message: string) => new ApiError("MalformedPolicyDocument", message);

export const protectedRole = (name: string) =>
  new ApiError(
    "UnmodifiableEntity",
    `Cannot perform the operation on the protected role '${name}' - this role is only modifiable by AWS`,
  );

export const userNotFound = (name: string) => noSuchEntity(`The user with name ${name} cannot be found.`);
export const groupNotFound = (name: string) => noSuchEntity(`The group with name ${name} cannot be found.`);
export const roleNotFound = (name: string) => noSuchEntity(`The role with name ${name} cannot be found.`);
export const profileNotFound = (name: string) => noSuchEntity(`Instance Profile ${name} cannot be found.`);
export const policyNotFound = (arn: string) => noSuchEntity(`Policy ${arn} was not found.`);
export const notAttachable = (arn: string) =>
  noSuchEntity(`Policy ${arn} does not exist or is not attachable.`);
export const versionNotFound = (arn: string, version: string) =>
  noSuchEntity(`Policy ${arn} version ${version} does not exist or is not attachable.`);
export const deviceNotFound = (serial: string) =>
  noSuchEntity(`VirtualMFADevice with serial number ${serial} doesn't exist.`);
export const certificateNotFound = (name: string) =>
  noSuchEntity(`The Server Certificate with name ${name} cannot be found.`);
