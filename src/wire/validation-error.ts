import { ApiError } from "#api/error.ts";
import type { Excess } from "./input-readers.ts";

/**
 * AWS's sentences of input that breaks its schema. `code` is "ValidationError" in query, "ValidationException" elsewhere, but for
 * services that have another.
 */
export const notNull = (code: string, path: string): ApiError =>
  validationError(code, path, " null", "Member must not be null");

export const notInEnum = (code: string, path: string, value: string, values: readonly string[]): ApiError =>
  validationError(code, path, ` '${value}'`, `Member must satisfy enum value set: [${values.join(", ")}]`);

export const outOfBounds = (code: string, path: string, { value, constraint }: Excess): ApiError =>
  validationError(code, path, value === undefined ? "" : ` '${shown(value)}'`, constraint);

function validationError(code: string, path: string, value: string, constraint: string): ApiError {
  return new ApiError(
    code,
    `1 validation error detected: Value${value} at '${memberPath(path)}' failed to satisfy constraint: ${constraint}`,
  );
}

/** AWS speaks of `policyArns.1.member.arn` for what was sent as `PolicyArns.member.1.arn`. */
export function memberPath(path: string): string {
  return path.replace(/(^|\.)[A-Z]/g, (start) => start.toLowerCase()).replace(/\.\d+/g, "$&.member");
}

/** As AWS prints values: `[a, b]`, `{key=value}`. What is longer than anyone reads is cut. */
function shown(value: unknown): string {
  const text = printed(value, 0);
  return text.length > mostCharacters ? `${text.slice(0, mostCharacters)}…` : text;
}

function printed(value: unknown, depth: number): string {
  if (typeof value !== "object" || value === null) return String(value);
  if (value instanceof Uint8Array || value instanceof Date || depth > 4) return "…";
  if (Array.isArray(value))
    return `[${value
      .slice(0, mostCharacters)
      .map((each) => printed(each, depth + 1))
      .join(", ")}]`;
  const entries = Object.entries(value).slice(0, mostCharacters);
  return `{${entries.map(([key, each]) => `${key}=${printed(each, depth + 1)}`).join(", ")}}`;
}

const mostCharacters = 1024;
