import { ApiError } from "#api/error.ts";

/** Parameters as a tree: the value of `Filter.1.Name=x` stands at Filter, 1, Name. */
export type Parameters = Map<string, Parameter>;
export interface Parameter {
  value?: string;
  parts?: Parameters;
}

/** Bounds of one request, well above what any AWS client sends. */
const parameterLimits = { count: 10_000, depth: 32 } as const;

/** Reads `application/x-www-form-urlencoded` text. Throws MalformedQueryString. */
export function parseParameters(text: string): Parameters {
  const root: Parameters = new Map();
  const pairs = text.split("&", parameterLimits.count + 1);
  if (pairs.length > parameterLimits.count) throw malformed("The query string has too many parameters");
  for (const pair of pairs) {
    if (pair === "") continue;
    const equals = pair.indexOf("=");
    const name = decode(equals < 0 ? pair : pair.slice(0, equals));
    place(root, name, equals < 0 ? "" : decode(pair.slice(equals + 1)));
  }
  return root;
}

function place(root: Parameters, name: string, value: string): void {
  const steps = name.split(".", parameterLimits.depth + 1);
  if (steps.length > parameterLimits.depth)
    throw malformed("A parameter of the query string is nested too deeply");
  let parts = root;
  let parameter: Parameter = {};
  for (const step of steps) {
    parameter = parts.get(step) ?? {};
    parts.set(step, parameter);
    parts = parameter.parts ?? new Map<string, Parameter>();
    parameter.parts = parts;
  }
  parameter.value = value;
}

function decode(text: string): string {
  const spaced = text.includes("+") ? text.replaceAll("+", " ") : text;
  if (!spaced.includes("%")) return spaced;
  try {
    return decodeURIComponent(spaced);
  } catch {
    throw malformed("The query string contains a syntax error");
  }
}

const malformed = (message: string) => new ApiError("MalformedQueryString", message);
