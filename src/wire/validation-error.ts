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
    `${one}Value${value} at '${memberPath(path)}' failed to satisfy constraint: ${constraint}`,
  );
}

const one = "1 validation error detected: ";

/** All that breaks an input's schema, told together as every service but EC2 and S3 does: "2 validation errors detected: …; …". */
export class Violations {
  #found: ApiError[] = [];

  /** The first ten are told. */
  add(error: ApiError): void {
    if (this.#found.length < 10) this.#found.push(error);
  }

  /** What `read` gives, unless something was added meanwhile. What it throws itself, for input that cannot be read, comes first. */
  toldAfter<Result>(read: () => Result): Result {
    this.#found = [];
    const result = read();
    const [first, ...more] = this.#found;
    if (!first) return result;
    if (more.length === 0) throw first;
    const told = this.#found.map(({ message }) => message.slice(one.length));
    throw new ApiError(first.code, `${told.length} validation errors detected: ${told.join("; ")}`);
  }
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
