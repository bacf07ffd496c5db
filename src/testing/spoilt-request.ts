import * as fc from "fast-check";
import { encodeCbor } from "#wire/cbor.ts";
import type { WireRequest } from "#wire/protocol.ts";

/** The same request after a few damages to its path, query, headers and body: cut, doubled, repeated, moved, and spiked. */
export const spoilt = (request: WireRequest): fc.Arbitrary<WireRequest> =>
  fc
    .array(fc.tuple(place, damage), { minLength: 1, maxLength: 5 })
    .map((damages) => damages.reduce((spoiling, [where, spoil]) => spoil(where, spoiling), request));

/** Requests of no client: any structure in the notation of a protocol, around names that its schema has. */
export const invented = {
  query: (names: readonly string[]) =>
    fc
      .array(fc.tuple(parameterName(names), text), { maxLength: 30 })
      .map((pairs) =>
        pairs.map(([name, value]) => `${name}=${encodeURIComponent(value.toWellFormed())}`).join("&"),
      )
      .map((pairs) => Buffer.from(pairs)),
  json: (names: readonly string[]) =>
    fc.oneof(
      document(names).map((value) => Buffer.from(JSON.stringify(value) ?? "")),
      fc
        .tuple(fc.constantFrom("[", '{"a":', "[[{}],"), manifold)
        .map(([open, times]) => Buffer.from(open.repeat(times))),
    ),
  cbor: (names: readonly string[]) =>
    fc.oneof(
      document(names).map((value) => encodeCbor(value)),
      fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
      // Arrays, maps, tags and endless strings without end; lengths of more than there is.
      fc
        .tuple(fc.constantFrom(0x81, 0xa1, 0xc1, 0x9f, 0x7f, 0xbf), manifold)
        .map(([byte, times]) => Buffer.alloc(times, byte)),
      fc
        .tuple(fc.constantFrom(0x1b, 0x5b, 0x7b, 0x9b, 0xbb), fc.uint8Array({ minLength: 8, maxLength: 12 }))
        .map(([byte, rest]) => Buffer.from([byte, ...rest])),
    ),
  xml: (names: readonly string[]) =>
    fc.oneof(
      element(names).map((xml) => Buffer.from(xml)),
      fc
        .tuple(fc.constantFrom("<a>", "<a b='", "<![CDATA[", "<!DOCTYPE a [", "&#", "</a>"), manifold)
        .map(([open, times]) => Buffer.from(open.repeat(times))),
    ),
} as const;

/** What parsers trip over. */
const words = [
  "__proto__",
  "constructor",
  "toString",
  "%",
  "%00",
  "%c0%af",
  "&",
  "=",
  ".",
  "[",
  "{",
  '"',
  "<",
  "]]>",
  "<!ENTITY a '&a;&a;'>",
  "&#x110000;",
  "\u0000",
  "1e999",
  "-",
  "null",
  "\r\n",
  "\r\nx-injected: 1",
  "\xff\xff\xff\xff",
  "\xc3(",
  "9".repeat(30),
] as const;

const text = fc.oneof(
  fc.constantFrom(...words),
  fc.string({ unit: "binary", maxLength: 20 }),
  fc.integer().map(String),
  fc.constantFrom("true", "2026-02-03T04:05:06Z", "ami-12345678", "arn:aws:iam::1:role/a"),
);

/** How deep, or how many: now and then more than any parser should follow. */
const manifold = fc.oneof(
  { weight: 5, arbitrary: fc.integer({ min: 1, max: 100 }) },
  { weight: 1, arbitrary: fc.integer({ min: 1000, max: 100_000 }) },
);

const parameterName = (names: readonly string[]) =>
  fc
    .array(fc.oneof(fc.constantFrom(...names), fc.constantFrom("1", "2", "0", "01", "member", "entry", "")), {
      minLength: 1,
      maxLength: 40,
    })
    .map((steps) => steps.join("."));

const document = (names: readonly string[]) =>
  fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 6, depthSize: "small" },
      fc.oneof(text, fc.boolean(), fc.double(), fc.integer(), fc.constant(null)),
      fc.array(tie("value"), { maxLength: 5 }),
      fc
        .array(fc.tuple(fc.constantFrom(...names, "__proto__"), tie("value")), { maxLength: 6 })
        .map((entries) => Object.fromEntries(entries)),
    ),
  })).value;

const element = (names: readonly string[]) =>
  fc.letrec<{ xml: string }>((tie) => ({
    xml: fc.oneof(
      { maxDepth: 6, depthSize: "small" },
      text,
      fc
        .tuple(
          fc.constantFrom(...names),
          fc.array(tie("xml"), { maxLength: 5 }),
          fc.constantFrom("", ' b="c"', " b"),
        )
        .map(([name, parts, attribute]) => `<${name}${attribute}>${parts.join("")}</${name}>`),
    ),
  })).xml;

type Place = "path" | "query" | "header" | "headers" | "body";
const place = fc.constantFrom<Place[]>("path", "query", "header", "headers", "body", "body", "body");

const damage: fc.Arbitrary<(where: Place, request: WireRequest) => WireRequest> = fc
  .record({ at: fc.double({ min: 0, max: 1, noNaN: true }), length: fc.nat(12), word: text, way: fc.nat(7) })
  .map((cut) => (where, request) => {
    if (where === "path") return { ...request, path: `/${damaged(request.path.slice(1), cut)}` };
    if (where === "query") return { ...request, query: damaged(request.query, cut) };
    if (where === "body")
      return { ...request, body: Buffer.from(damaged(request.body.toString("latin1"), cut), "latin1") };
    const entries = Object.entries(request.headers);
    const chosen = Math.floor(cut.at * entries.length);
    const headers = entries.flatMap(([name, value = ""], index): [string, string][] => {
      if (index !== chosen) return [[name, value]];
      return where === "headers" ? [] : [[name, damaged(value, cut)]];
    });
    return { ...request, headers: Object.fromEntries(headers) };
  });

interface Cut {
  readonly at: number;
  readonly length: number;
  readonly word: string;
  readonly way: number;
}

function damaged(whole: string, { at, length, word, way }: Cut): string {
  const from = Math.floor(at * (whole.length + 1));
  const [before, part, after] = [
    whole.slice(0, from),
    whole.slice(from, from + length),
    whole.slice(from + length),
  ];
  const ways = [
    before + after,
    before + part + part + after,
    before + part.repeat(200) + after,
    before + word + after,
    before + word + part + after,
    before,
    after + part + before,
    whole + whole,
  ];
  return ways[way % ways.length] ?? whole;
}
