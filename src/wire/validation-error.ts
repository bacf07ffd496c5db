import { ApiError } from "#api/error.ts";

/** AWS's sentences of input that breaks its schema. `code` is "ValidationError" in query, "ValidationException" elsewhere. */
export const notNull = (code: string, path: string): ApiError =>
  validationError(code, path, "null", "Member must not be null");

export const notInEnum = (code: string, path: string, value: string, values: readonly string[]): ApiError =>
  validationError(code, path, `'${value}'`, `Member must satisfy enum value set: [${values.join(", ")}]`);

function validationError(code: string, path: string, value: string, constraint: string): ApiError {
  return new ApiError(
    code,
    `1 validation error detected: Value ${value} at '${memberPath(path)}' failed to satisfy constraint: ${constraint}`,
  );
}

/** AWS speaks of `policyArns.1.member.arn` for what was sent as `PolicyArns.member.1.arn`. */
export function memberPath(path: string): string {
  return path.replace(/(^|\.)[A-Z]/g, (start) => start.toLowerCase()).replace(/\.\d+/g, "$&.member");
}
