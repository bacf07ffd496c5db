/**
 * Writes `src/wire/generated/SERVICE.generated.json` (its form: `src/wire/table.ts`) from the pinned AWS SDK packages, so that
 * a running region need not load them. `--check` writes nothing and exits 1 when a committed file differs.
 * A further service is a further row of `services`.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { NormalizedSchema } from "@smithy/core/schema";
import * as ec2 from "@aws-sdk/client-ec2";
import * as sts from "@aws-sdk/client-sts";
import type { MemberRow, ScalarRow, ShapeRow, TimestampKind, WireTable } from "#wire/table.ts";

interface Service {
  readonly signingName: string;
  readonly package: string;
  readonly sdk: object;
  readonly client: { readonly config: { readonly protocol: Protocol; readonly protocolSettings: Settings } };
  /** Input members that take fractions; the SDK no longer tells them from integers. */
  readonly floats: readonly string[];
}
interface Protocol {
  getShapeId(): string;
}
interface Settings {
  readonly [name: string]: unknown;
}

const anywhere = { region: "us-east-1", credentials: { accessKeyId: "unused", secretAccessKey: "unused" } };

const services: readonly Service[] = [
  {
    signingName: "ec2",
    package: "@aws-sdk/client-ec2",
    sdk: ec2,
    client: new ec2.EC2Client(anywhere),
    floats: [
      "ClientData.UploadSize",
      "FleetLaunchTemplateOverridesRequest.Priority",
      "FleetLaunchTemplateOverridesRequest.WeightedCapacity",
      "LaunchTemplateOverrides.Priority",
      "LaunchTemplateOverrides.WeightedCapacity",
      "PriceScheduleSpecification.Price",
      "ReservationFleetInstanceSpecification.Weight",
      "ReservedInstanceLimitPrice.Amount",
      "SpotFleetLaunchSpecification.WeightedCapacity",
      "SpotFleetRequestConfigData.FulfilledCapacity",
      "SpotFleetRequestConfigData.OnDemandFulfilledCapacity",
      ...["MemoryGiBPerVCpu", "NetworkBandwidthGbps", "TotalLocalStorageGB"].flatMap((range) =>
        ["", "Request"].flatMap((end) => [`${range}${end}.Min`, `${range}${end}.Max`]),
      ),
    ],
  },
  {
    signingName: "sts",
    package: "@aws-sdk/client-sts",
    sdk: sts,
    client: new sts.STSClient(anywhere),
    floats: [],
  },
];

const protocols: Readonly<Record<string, WireTable["protocol"]>> = {
  "aws.protocols#ec2Query": "ec2-query",
  "aws.protocols#awsQuery": "aws-query",
};

function tableOf(service: Service): WireTable {
  const { protocol: sdkProtocol, protocolSettings } = service.client.config;
  const version = asString(protocolSettings["version"]);
  const xmlNamespace = asString(protocolSettings["xmlNamespace"]);
  const protocol = protocols[sdkProtocol.getShapeId()];
  if (!protocol || !version || !xmlNamespace)
    throw new Error(`${service.package}: ${sdkProtocol.getShapeId()}`);

  const shapes: ShapeRow[] = [];
  const ofInput = shapeAdder(shapes, inputNames(protocol), {
    enums: enumsOf(service),
    floats: new Set(service.floats),
  });
  const ofOutput = shapeAdder(shapes, outputNames);
  const operations = Object.values(service.sdk)
    .filter(isOperation)
    .toSorted((a, b) => (a[2] < b[2] ? -1 : 1))
    .map(([, , name, , input, output]) => [name, [ofInput(input), ofOutput(output)] as const] as const);
  return { protocol, version, xmlNamespace, operations: Object.fromEntries(operations), shapes };
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

function inputNames(protocol: WireTable["protocol"]): WireNames {
  return protocol === "ec2-query"
    ? {
        member: (schema, name) => ec2QueryName(schema) ?? capitalised(xmlName(schema) ?? name),
        // EC2 numbers its lists directly: `InstanceId.1`.
        item: () => "",
      }
    : outputNames;
}
const outputNames: WireNames = {
  member: (schema, name) => schema.getMemberTraits().xmlName ?? name,
  item: (schema) => xmlName(schema) ?? "member",
};
const capitalised = (name: string) => name.charAt(0).toUpperCase() + name.slice(1);

/** What input needs to know of a member (`Struct.Member`) beyond its schema. Output has no use for it. */
interface InputFacts {
  readonly enums: ReadonlyMap<string, readonly string[]>;
  readonly floats: ReadonlySet<string>;
}

/** Adds an operation's input or output, and all that it is made of, to `shapes`; each shape once. */
function shapeAdder(shapes: ShapeRow[], names: WireNames, facts?: InputFacts) {
  const indexes = new Map<unknown, number>();
  return (ref: SchemaRef): number | null => {
    const schema = NormalizedSchema.of(ref);
    return schema.isUnitSchema() ? null : indexOf(schema, "");
  };

  function indexOf(schema: NormalizedSchema, owner: string): number {
    if (schema.isStructSchema()) return indexes.get(schema.getSchema()) ?? addStruct(schema);
    const row = rowOf(schema, owner);
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
    const members = [...schema.structIterator()].map(([name, member]): MemberRow => {
      const wireName = names.member(member, name);
      const shape = indexOf(member, `${schema.getName()}.${name}`);
      return wireName === name ? [name, shape] : [name, shape, wireName];
    });
    const required = facts && Array.isArray(raw) && typeof raw[6] === "number" ? raw[6] : 0;
    shapes[index] = ["struct", required, members];
    return index;
  }

  function rowOf(schema: NormalizedSchema, owner: string): ShapeRow {
    if (schema.getMergedTraits().xmlFlattened) throw new Error(`${owner} is flattened: not done yet`);
    if (schema.isListSchema()) {
      const element = schema.getValueSchema();
      return ["list", indexOf(element, owner), names.item(element)];
    }
    if (schema.isMapSchema()) {
      const [key, value] = [schema.getKeySchema(), schema.getValueSchema()];
      return ["map", indexOf(value, owner), xmlName(key) ?? "key", xmlName(value) ?? "value"];
    }
    if (schema.isNumericSchema()) return [facts && !facts.floats.has(owner) ? "integer" : "float"];
    const values = schema.isStringSchema() && facts?.enums.get(owner);
    return values ? ["enum", values] : [scalarKind(schema, owner)];
  }
}

function scalarKind(schema: NormalizedSchema, owner: string): ScalarRow[0] {
  if (schema.isStringSchema()) return "string";
  if (schema.isBooleanSchema()) return "boolean";
  if (schema.isBlobSchema()) return "blob";
  if (schema.isTimestampSchema()) return timestampKinds.get(schema.getSchema()) ?? "iso-time";
  throw new Error(`${owner} is of no kind known here`);
}

/** The SDK's numbers for formats; without one, the query protocols write ISO 8601. */
const timestampKinds = new Map<unknown, TimestampKind>([
  [6, "http-time"],
  [7, "epoch-time"],
]);

/** The schemas no longer say which strings are enums; the type declarations, equally generated, still do. */
function enumsOf(service: Service): Map<string, readonly string[]> {
  const dir = fileURLToPath(
    new URL("dist-types/models/", import.meta.resolve(`${service.package}/package.json`)),
  );
  const exported = new Map<string, unknown>(Object.entries(service.sdk));
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
for (const service of services) {
  const name = `${service.signingName}.generated.json`;
  const path = fileURLToPath(new URL(`../src/wire/generated/${name}`, import.meta.url));
  const text = print(tableOf(service));
  if (!check) writeFileSync(path, text);
  else if (readFileSync(path, "utf8") !== text) {
    console.error(`src/wire/generated/${name} is out of date: npm run generate`);
    process.exitCode = 1;
  }
}
