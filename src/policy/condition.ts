import { BlockList, isIP } from "node:net";
import type { Policy } from "./policy-document.ts";
import { Wildcard, type LookUp } from "./wildcard.ts";

/** One key of one operator: the request must have it with one of the values. AWS, "IAM JSON policy elements: Condition operators". */
export interface Condition {
  /** The keys of the request that it asks for, as they are written. */
  readonly keys: readonly string[];
  readonly holds: (context: RequestContext, lookUp: LookUp) => boolean;
}

/** What is known of a request: values by the keys' names in lower case, such as `aws:sourceip`. */
export type RequestContext = ReadonlyMap<string, readonly string[]>;

/** Undefined: there is no such operator. */
export function condition(
  operator: string,
  key: string,
  wanted: readonly string[],
  { version }: Pick<Policy, "version">,
): Condition | undefined {
  const [, quantifier, name = "", ifExists] =
    /^(?:(ForAnyValue|ForAllValues):)?(\w+?)(IfExists)?$/i.exec(operator) ?? [];
  const lowerKey = key.toLowerCase();
  if (name.toLowerCase() === "null" && !quantifier && !ifExists)
    return {
      keys: [key],
      holds: (context) => wanted.some((it) => (it.toLowerCase() === "true") === !context.has(lowerKey)),
    };
  const comparison = comparisons.get(name.toLowerCase());
  if (!comparison) return undefined;
  const { test, negated } = comparison(wanted, version === "2012-10-17");
  const texts = wanted.map((it) => new Wildcard(it, { variables: version === "2012-10-17" }));
  const all = quantifier?.toLowerCase() === "forallvalues";
  return {
    keys: [key, ...texts.flatMap((it) => it.keys)],
    holds(context, lookUp) {
      const values = context.get(lowerKey);
      if (!values?.length) return all || ifExists !== undefined || (negated && quantifier === undefined);
      // What cannot be said without a variable that the request does not have is not so, and is not otherwise either.
      if (negated && texts.some((it) => it.text(lookUp) === undefined)) return false;
      const one = (value: string) => test(value, lookUp) !== negated;
      return all || (negated && quantifier === undefined) ? values.every(one) : values.some(one);
    },
  };
}

/** `test`: whether a value of the request is one of the wanted; a negated operator holds when it is not. */
type Comparison = (
  wanted: readonly string[],
  variables: boolean,
) => { readonly test: (value: string, lookUp: LookUp) => boolean; readonly negated: boolean };

const comparisons: ReadonlyMap<string, Comparison> = new Map([
  ...both("string", "equals", oneOf({ literal: true })),
  ...both("string", "equalsignorecase", oneOf({ literal: true, fold: true })),
  ...both("string", "like", oneOf({})),
  ...both("arn", "equals", arns),
  ...both("arn", "like", arns),
  ...both(
    "numeric",
    "equals",
    ordered(toNumber, (a, b) => a === b),
  ),
  ...both(
    "date",
    "equals",
    ordered(toTime, (a, b) => a === b),
  ),
  ...orders("numeric", toNumber),
  ...orders("date", toTime),
  ["bool", positive(foldedTexts)],
  ["binaryequals", positive(oneOf({ literal: true }))],
  ["ipaddress", positive(addresses)],
  ["notipaddress", negative(addresses)],
]);

type Test = (wanted: readonly string[], variables: boolean) => (value: string, lookUp: LookUp) => boolean;

function positive(test: Test): Comparison {
  return (wanted, variables) => ({ test: test(wanted, variables), negated: false });
}
function negative(test: Test): Comparison {
  return (wanted, variables) => ({ test: test(wanted, variables), negated: true });
}
/** `StringEquals` and `StringNotEquals`. */
function both(type: string, relation: string, test: Test): [string, Comparison][] {
  return [
    [`${type}${relation}`, positive(test)],
    [`${type}not${relation}`, negative(test)],
  ];
}
function orders(type: string, read: (text: string) => number): [string, Comparison][] {
  return [
    [`${type}lessthan`, positive(ordered(read, (a, b) => a < b))],
    [`${type}lessthanequals`, positive(ordered(read, (a, b) => a <= b))],
    [`${type}greaterthan`, positive(ordered(read, (a, b) => a > b))],
    [`${type}greaterthanequals`, positive(ordered(read, (a, b) => a >= b))],
  ];
}

function oneOf({ literal = false, fold = false }): Test {
  return (wanted, variables) => {
    if (!fold) {
      const patterns = wanted.map((it) => new Wildcard(it, { variables, literal }));
      return (value, lookUp) => patterns.some((it) => it.matches(value, lookUp));
    }
    const patterns = wanted.map((it) => new Wildcard(it, { variables, literal: true }));
    return (value, lookUp) => patterns.some((it) => it.text(lookUp)?.toLowerCase() === value.toLowerCase());
  };
}
function foldedTexts(wanted: readonly string[]) {
  const folded = new Set(wanted.map((it) => it.toLowerCase()));
  return (value: string) => folded.has(value.toLowerCase());
}

/** Each of the six parts by itself. */
function arns(wanted: readonly string[], variables: boolean) {
  const patterns = wanted.map((it) => arnParts(it).map((part) => new Wildcard(part, { variables })));
  return (value: string, lookUp: LookUp) => {
    const parts = arnParts(value);
    return (
      parts.length === 6 &&
      patterns.some((it) => it.length === 6 && it.every((part, n) => part.matches(parts[n] ?? "", lookUp)))
    );
  };
}
/** The sixth may hold further colons, and variables anywhere may. */
function arnParts(arn: string): string[] {
  const parts: string[] = [];
  let [depth, from] = [0, 0];
  for (let n = 0; n < arn.length && parts.length < 5; n++) {
    if (arn.startsWith("${", n)) depth++;
    else if (arn[n] === "}" && depth > 0) depth--;
    else if (arn[n] === ":" && depth === 0) {
      parts.push(arn.slice(from, n));
      from = n + 1;
    }
  }
  return [...parts, arn.slice(from)];
}

function ordered(read: (text: string) => number, holds: (given: number, wanted: number) => boolean): Test {
  return (wanted) => {
    const numbers = wanted.map(read);
    return (value) => {
      const given = read(value);
      return numbers.some((it) => holds(given, it));
    };
  };
}
/** What is none compares with nothing. */
function toNumber(text: string): number {
  return /^[-+]?\d+(\.\d+)?([eE][-+]?\d+)?$/.test(text.trim()) ? Number(text) : NaN;
}
/** ISO 8601, or seconds since 1970. */
function toTime(text: string): number {
  return /^\d{5,}(\.\d+)?$/.test(text) ? Number(text) * 1000 : Date.parse(text);
}

function addresses(wanted: readonly string[]) {
  const list = new BlockList();
  for (const it of wanted) {
    const [address = "", length] = it.split("/");
    const family = isIP(address);
    const longest = family === 4 ? 32 : 128;
    const bits = length === undefined ? longest : Number(length);
    if (family > 0 && /^\d{1,3}$/.test(length ?? "0") && bits <= longest)
      list.addSubnet(address, bits, family === 4 ? "ipv4" : "ipv6");
  }
  return (value: string) => {
    const family = isIP(value);
    return family > 0 && list.check(value, family === 4 ? "ipv4" : "ipv6");
  };
}
