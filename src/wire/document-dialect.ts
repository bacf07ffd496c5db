import { ApiError } from "#api/error.ts";
import type { InputDialect } from "./input-readers.ts";
import type { WireError } from "./protocol.ts";
import type { WireTable } from "./table.ts";
import { memberPath, notInEnum, notNull, outOfBounds, Violations } from "./validation-error.ts";

/** What the JSON and CBOR protocols say of input that is wrong. Unknown members are ignored. */
export const documentDialect = ({
  validationCode: code = "ValidationException",
}: WireTable): InputDialect => ({
  missing: (path) => notNull(code, path),
  invalid: (path, value, wanted) =>
    serializationException(`Value (${value}) at '${memberPath(path)}' can not be converted to ${wanted}`),
  notInEnum: (path, value, values) => notInEnum(code, path, value, values),
  outOfBounds: (path, excess) => outOfBounds(code, path, excess),
  violations: new Violations(),
});

export const serializationException = (message: string): ApiError =>
  new ApiError("SerializationException", message);

export const unknownOperation = (status = 400): ApiError =>
  new ApiError("UnknownOperationException", "The requested operation is not recognized by the service.", {
    status,
  });

/**
 * An error's name in these protocols, and the header by which a service that once spoke query also gives the code it had
 * there. Handlers may throw either.
 */
export function errorNames({ protocols, errorCodes = {} }: WireTable) {
  const codes = new Map(Object.entries(errorCodes));
  const names = new Map(Object.entries(errorCodes).map(([name, code]) => [code, name]));
  const spokeQuery = protocols.includes("aws-query");
  return ({ code, status }: WireError): { name: string; headers: Record<string, string> } => {
    const queryError = `${codes.get(code) ?? code};${status < 500 ? "Sender" : "Receiver"}`;
    return {
      name: codes.has(code) ? code : (names.get(code) ?? code),
      headers: spokeQuery ? { "x-amzn-query-error": queryError } : {},
    };
  };
}
