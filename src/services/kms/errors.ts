import { ApiError } from "#api/error.ts";

/** KMS's own codes and sentences. Where AWS says nothing beside the code, neither does Croft. */
export const notFound = (message: string) => new ApiError("NotFoundException", message);
export const keyNotFound = (arn: string) => notFound(`Key '${arn}' does not exist`);
export const aliasNotFound = (arn: string) => notFound(`Alias ${arn} is not found.`);
export const invalidArn = (message: string) => new ApiError("InvalidArnException", message);
export const disabled = (arn: string) => new ApiError("DisabledException", `${arn} is disabled.`);
export const invalidState = (message: string) => new ApiError("KMSInvalidStateException", message);
export const pendingDeletion = (arn: string) => invalidState(`${arn} is pending deletion.`);
export const validation = (message: string) => new ApiError("ValidationException", message);
export const limitExceeded = (message: string) => new ApiError("LimitExceededException", message);
export const alreadyExists = (message: string) => new ApiError("AlreadyExistsException", message);
export const unsupported = (message: string) => new ApiError("UnsupportedOperationException", message);
export const malformedPolicy = (message: string) => new ApiError("MalformedPolicyDocumentException", message);
export const tagError = (message: string) => new ApiError("TagException", message);
export const invalidMarker = () => new ApiError("InvalidMarkerException", "Could not deserialize token");
export const invalidCiphertext = () => new ApiError("InvalidCiphertextException", "");
export const invalidMac = () => new ApiError("KMSInvalidMacException", "");
export const invalidGrantToken = () => new ApiError("InvalidGrantTokenException", "Invalid grant token.");
export const incorrectKey = () =>
  new ApiError(
    "IncorrectKeyException",
    "The key ID in the request does not identify a CMK that can perform this operation.",
  );
export const invalidUsage = (message: string) => new ApiError("InvalidKeyUsageException", message);
/** Of a ciphertext whose key is not there: AWS does not say which of the three it is. */
export const noKeyOfCiphertext = () =>
  new ApiError(
    "AccessDeniedException",
    "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.",
  );
