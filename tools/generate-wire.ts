/**
 * Writes `src/wire/generated/SERVICE.generated.json` (its form: `src/wire/table.ts`) from the pinned AWS SDK packages and the
 * ranges of `wire-ranges.ts`, so that a running region need not load them. Where there is no such package, a model of botocore's
 * stands in (`modelled-sdk.ts`), of which the types are written too. `--check` writes nothing and exits 1 when a committed file differs.
 * A further service is a further row of `wire-services.ts`.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { NormalizedSchema } from "@smithy/core/schema";
import type {
  Bounds,
  HttpRow,
  MemberPlace,
  MemberRow,
  OperationRow,
  ProtocolName,
  ScalarKind,
  ShapeRow,
  TimestampKind,
  WireTable,
} from "#wire/table.ts";
import { modelledEnums, modelledTypes } from "./modelled-sdk.ts";
import { wireRanges } from "./wire-ranges.ts";
import { wireServices, type WireServiceRow } from "./wire-services.ts";

const anywhere = { region: "us-east-1", credentials: { accessKeyId: "unused", secretAccessKey: "unused" } };

const protocols: Readonly<Record<string, ProtocolName>> = {
  "aws.protocols#ec2Query": "ec2-query",
  "aws.protocols#awsQuery": "aws-query",
  "aws.protocols#awsJson1_0": "aws-json-1.0",
  "aws.protocols#awsJson1_1": "aws-json-1.1",
  "aws.protocols#restJson1": "rest-json",
  "aws.protocols#restXml": "rest-xml",
};

async function tableOf(service: WireServiceRow): Promise<WireTable> {
  const sdk = await service.sdk();
  const { shapeId, settings } = clientOf(service, sdk);
  const [version, xmlNamespace, target] = ["version", "xmlNamespace", "serviceTarget"].map((name) =>
    asString(settings[name]),
  );
  const protocol = protocols[shapeId];
  if (!protocol || !version) throw new Error(`${service.signingName}: ${shapeId}`);

  const shapes: ShapeRow[] = [];
  const facts = {
    enums: enumsOf(service, sdk),
    floats: new Set(service.floats),
    ranges: new Map(Object.entries(wireRanges[service.signingName] ?? {})),
  };
  const ofInput = shapeAdder(shapes, inputNames(protocol), facts);
  const ofOutput = shapeAdder(shapes, outputNames(protocol));
  const operations = Object.values(sdk)
    .filter(isOperation)
    .toSorted((a, b) => (a[2] < b[2] ? -1 : 1))
    .map(([, , name, traits, input, output]): [string, OperationRow] => {
      const io = [ofInput(input), ofOutput(output)] as const;
      const http = httpRow(traits, input, output);
      return [name, http && protocol.startsWith("rest") ? [...io, http] : io];
    });
  const errorCodes = errorCodesOf(sdk);
  return {
    protocols: [protocol, ...(service.furtherProtocols ?? [])],
    version,
    ...(xmlNamespace && { xmlNamespace }),
    ...(target && { target }),
    ...(service.validationCode && { validationCode: service.validationCode }),
    operations: Object.fromEntries(operations),
    ...(errorCodes.length > 0 && { errorCodes: Object.fromEntries(errorCodes) }),
    shapes,
  };
}

function clientOf({ client }: WireServiceRow, sdk: object) {
  const { config } = Object(Reflect.construct(Reflect.get(sdk, client), [anywhere]));
  return { shapeId: String(config.protocol.getShapeId()), settings: Object(config.protocolSettings) };
}

/** S3's bucket is a label that its URIs leave to the host name; here it is the first part of the path. */
function httpRow(traits: unknown, input: SchemaRef, output: SchemaRef): HttpRow | undefined {
  const http: unknown = Object(traits).http;
  if (!Array.isArray(http)) return undefined;
  const [method, uri, status]: readonly unknown[] = http;
  const labels = membersOf(input).filter(([, member]) => member.getMemberTraits().httpLabel);
  const lacking = labels.filter(([name]) => !new RegExp(`\\{${name}\\+?\\}`).test(String(uri)));
  const start = lacking.map(([name]) => `/{${name}}`).join("");
  const path = start + String(uri).replace(start ? /^\/(?=\?|$)/ : "", "");
  const schema = NormalizedSchema.of(output);
  const row = [String(method), path, Number(status)] as const;
  return schema.isUnitSchema() ? row : [...row, elementName(schema)];
}

/** What XML calls a structure that is not a member. */
const elementName = (schema: NormalizedSchema) =>
  xmlName(schema) ?? String(schema.getName()).replace(/^.*#/, "");

function membersOf(ref: SchemaRef): [string, NormalizedSchema][] {
  const schema = NormalizedSchema.of(ref);
  return schema.isStructSchema() ? [...schema.structIterator()] : [];
}

/** The codes that the query protocol has for errors whose names are others. */
function errorCodesOf(sdk: object): [name: string, code: string][] {
  return Object.values(sdk)
    .filter((exported) => Array.isArray(exported) && exported[0] === -3)
    .map((schema): [string, string] => [schema[2], Object(schema[3]).awsQueryError?.[0] ?? schema[2]])
    .filter(([name, code]) => name !== code)
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
}

/** One line for each operation and each shape, so that a newer SDK shows as a readable diff. */
function print({ operations, shapes, ...head }: WireTable): string {
  const lines = Object.entries(operations).map(
    ([name, io]) => `${JSON.stringify(name)}:${JSON.stringify(io)}`,
  );
  const rows = shapes.map((row) => JSON.stringify(row));
  return [
    `${JSON.stringify(head).slice(0, -1)},"operations":{\n${lines.join(",\n")}`,
    `},"shapes":[\n${rows.join(",\n")}\n]}\n`,
  ].join("\n");
}

type SchemaRef = Parameters<typeof NormalizedSchema.of>[0];
type OperationSchema = readonly [
  kind: 9,
  ns: string,
  name: string,
  traits: unknown,
  input: SchemaRef,
  output: SchemaRef,
];

function isOperation(exported: unknown): exported is OperationSchema {
  return Array.isArray(exported) && exported[0] === 9;
}

interface WireNames {
  member(schema: NormalizedSchema, name: string): string;
  item(schema: NormalizedSchema): string;
}

const xmlName = (schema: NormalizedSchema) => schema.getMergedTraits().xmlName;
const ec2QueryName = (schema: NormalizedSchema) => asString(schema.getMergedTraits()["ec2QueryName"]);
const asString = (value: unknown) => (typeof value === "string" ? value : undefined);

function inputNames(protocol: ProtocolName): WireNames {
  return protocol === "ec2-query"
    ? {
        member: (schema, name) => ec2QueryName(schema) ?? capitalised(xmlName(schema) ?? name),
        // EC2 numbers its lists directly: `InstanceId.1`.
        item: () => "",
      }
    : outputNames(protocol);
}
const outputNames = (protocol: ProtocolName): WireNames =>
  protocol === "rest-json"
    ? { member: (schema, name) => schema.getMemberTraits().jsonName ?? name, item: () => "member" }
    : {
        member: (schema, name) => schema.getMemberTraits().xmlName ?? name,
        item: (schema) => xmlName(schema) ?? "member",
      };
const capitalised = (name: string) => name.charAt(0).toUpperCase() + name.slice(1);

/** Where HTTP carries a member, and by what name. */
function placeOf(schema: NormalizedSchema): [wireName: string | undefined, MemberPlace] | undefined {
  const { httpHeader, httpPrefixHeaders, httpQuery, httpLabel, httpPayload, xmlAttribute } =
    schema.getMemberTraits();
  if (httpHeader !== undefined) return [httpHeader.toLowerCase(), "header"];
  if (httpPrefixHeaders !== undefined) return [httpPrefixHeaders, "headers"];
  if (httpQuery !== undefined) return [httpQuery, "query"];
  if (httpLabel) return [undefined, "label"];
  if (httpPayload) return [schema.isStructSchema() ? elementName(schema) : undefined, "payload"];
  return xmlAttribute ? [schema.getMemberTraits().xmlName, "attribute"] : undefined;
}

/** What input needs to know of a member (`Struct.Member`) beyond its schema. Output has no use for it. */
interface InputFacts {
  readonly enums: ReadonlyMap<string, readonly string[]>;
  readonly floats: ReadonlySet<string>;
  /** Also of what is in lists and maps: see `WireRanges`. */
  readonly ranges: ReadonlyMap<string, Bounds>;
}

/** Adds an operation's input or output, and all that it is made of, to `shapes`; each shape once. */
function shapeAdder(shapes: ShapeRow[], names: WireNames, facts?: InputFacts) {
  const indexes = new Map<unknown, number>();
  return (ref: SchemaRef): number | null => {
    const schema = NormalizedSchema.of(ref);
    return schema.isUnitSchema() ? null : indexOf(schema, "");
  };

  /** `place` is the owner, and where in its list or map. */
  function indexOf(schema: NormalizedSchema, owner: string, place = owner): number {
    if (schema.isStructSchema() && !schema.getMergedTraits().streaming)
      return indexes.get(schema.getSchema()) ?? addStruct(schema);
    const index = indexOfRow(rowOf(schema, owner, place));
    const bounds = facts?.ranges.get(place);
    if (!bounds) return index;
    return indexOfRow(
      schema.getMergedTraits().sensitive ? ["bounded", index, bounds, "secret"] : ["bounded", index, bounds],
    );
  }

  function indexOfRow(row: ShapeRow): number {
    const key = JSON.stringify(row);
    const index = indexes.get(key) ?? shapes.push(row) - 1;
    indexes.set(key, index);
    return index;
  }

  function addStruct(schema: NormalizedSchema): number {
    // The place is taken before the members are looked at: a struct may contain itself.
    const index = shapes.push(["string"]) - 1;
    const raw = schema.getSchema();
    indexes.set(raw, index);
    const members = membersOf(schema).map(([name, member]): MemberRow => {
      const [placeName, place] = placeOf(member) ?? [];
      const wireName = place ? placeName : names.member(member, name);
      const shape = indexOf(member, `${schema.getName()}.${name}`);
      if (place) return [name, shape, wireName === name ? null : (wireName ?? null), place];
      return wireName === name || wireName === undefined ? [name, shape] : [name, shape, wireName];
    });
    if (Array.isArray(raw) && raw[0] === unionKind) {
      shapes[index] = ["union", members];
      return index;
    }
    const required = facts && Array.isArray(raw) && typeof raw[6] === "number" ? raw[6] : 0;
    const namespace: unknown = schema.getMergedTraits().xmlNamespace;
    const attributes = members.some(([, , , place]) => place === "attribute");
    shapes[index] =
      attributes && Array.isArray(namespace)
        ? ["struct", required, members, [String(namespace[0]), String(namespace[1])]]
        : ["struct", required, members];
    return index;
  }

  function rowOf(schema: NormalizedSchema, owner: string, place: string): ShapeRow {
    const flat = schema.getMergedTraits().xmlFlattened;
    if (schema.isListSchema()) {
      const element = schema.getValueSchema();
      const row = ["list", indexOf(element, owner, `${place}.member`), names.item(element)] as const;
      return flat ? [...row, "flat"] : row;
    }
    if (flat) throw new Error(`${owner} is flattened: not done yet`);
    if (schema.isMapSchema()) {
      const [key, value] = [schema.getKeySchema(), schema.getValueSchema()];
      const index = indexOf(value, owner, `${place}.value`);
      const row = ["map", index, xmlName(key) ?? "key", xmlName(value) ?? "value"] as const;
      const keyLength = facts?.ranges.get(`${place}.key`);
      return keyLength ? [...row, keyLength] : row;
    }
    if (schema.isNumericSchema()) return [facts && !facts.floats.has(owner) ? "integer" : "float"];
    const values = schema.isStringSchema() && facts?.enums.get(owner);
    return values ? ["enum", values] : [scalarKind(schema, owner)];
  }
}

function scalarKind(schema: NormalizedSchema, owner: string): ScalarKind {
  if (schema.isStructSchema()) return "events";
  if (schema.isStringSchema()) return "string";
  if (schema.isBooleanSchema()) return "boolean";
  if (schema.isBlobSchema()) return schema.getMergedTraits().streaming ? "stream" : "blob";
  if (schema.isTimestampSchema()) return timestampKinds.get(schema.getSchema()) ?? "time";
  if (schema.isDocumentSchema()) return "document";
  throw new Error(`${owner} is of no kind known here`);
}

/** What the SDK's schemas call a union. */
const unionKind = 4;

/** The SDK's numbers for formats; any other is the protocol's default. */
const timestampKinds = new Map<unknown, TimestampKind>([
  [5, "iso-time"],
  [6, "http-time"],
  [7, "epoch-time"],
]);

/** The schemas no longer say which strings are enums; the type declarations, equally generated, still do. */
function enumsOf(service: WireServiceRow, sdk: object): Map<string, readonly string[]> {
  if (service.package === undefined) return modelledEnums(service.signingName);
  const dir = fileURLToPath(
    new URL("dist-types/models/", import.meta.resolve(`${service.package}/package.json`)),
  );
  const exported = new Map<string, unknown>(Object.entries(sdk));
  const enums = new Map<string, readonly string[]>();
  for (const file of readdirSync(dir).filter((name) => /^models_\d+\.d\.ts$/.test(name))) {
    let struct = "";
    for (const line of readFileSync(`${dir}/${file}`, "utf8").split("\n")) {
      struct = /^export interface (\w+)/.exec(line)?.[1] ?? struct;
      const [, member, type] = /^ {4}(\w+)\??: \(?(\w+)[^<]*;$/.exec(line) ?? [];
      const values = exported.get(type ?? "");
      if (values && typeof values === "object" && !Array.isArray(values))
        enums.set(`${struct}.${member}`, Object.values(values).map(String));
    }
  }
  return enums;
}

const check = process.argv.includes("--check");
for (const service of wireServices) {
  const name = service.signingName;
  save(`src/wire/generated/${name}.generated.json`, print(await tableOf(service)));
  if (service.package === undefined) save(`src/services/${name}/sdk.generated.ts`, modelledTypes(name));
}

function save(path: string, text: string): void {
  const file = fileURLToPath(new URL(`../${path}`, import.meta.url));
  if (!check) writeFileSync(file, text);
  else if (readFileSync(file, "utf8") !== text) {
    console.error(`${path} is out of date: npm run generate`);
    process.exitCode = 1;
  }
}
