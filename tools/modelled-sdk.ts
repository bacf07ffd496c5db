import { readFileSync } from "node:fs";

/** A service's model as botocore has it, without its texts: `tools/models/SERVICE.generated.json`, which `generate-ranges.ts` writes. */
export interface ServiceModel {
  readonly metadata: { readonly apiVersion: string; readonly protocol: string };
  readonly operations: Readonly<Record<string, ModelOperation>>;
  readonly shapes: Readonly<Record<string, ModelShape>>;
}
interface ModelOperation {
  readonly http: { readonly method: string; readonly requestUri: string; readonly responseCode: number };
  readonly input: Target;
  readonly output: Target;
}
interface Target {
  readonly shape: string;
}
interface ModelMember extends Target {
  readonly location?: "uri" | "querystring";
  readonly locationName?: string;
}
interface ModelShape {
  readonly type: string;
  readonly enum?: readonly string[];
  readonly required?: readonly string[];
  readonly members?: Readonly<Record<string, ModelMember>>;
  readonly member?: Target;
  readonly exception?: true;
}

export const readModel = (service: string): ServiceModel =>
  JSON.parse(readFileSync(new URL(`models/${service}.generated.json`, import.meta.url), "utf8"));

/** What today's SDK package would export of a service whose package on the registry is older than the SDK's schemas: those, and a client. */
export function modelledSdk(service: string): Promise<object> {
  const { metadata, operations, shapes } = readModel(service);
  const client = class {
    readonly config = {
      protocol: { getShapeId: () => smithyNames[metadata.protocol] },
      protocolSettings: { version: metadata.apiVersion },
    };
  };
  const made = new Map<string, unknown>();
  const schemaOf = (name: string): unknown => {
    const { type, members = {}, member, required = [] } = shapes[name] ?? { type: "nothing" };
    if (type === "list") return [1, service, name, 0, lazy(member?.shape ?? "")];
    if (type !== "structure") return scalars[type] ?? unknownType(name, type);
    const first = Object.entries(members).toSorted(
      ([a], [b]) => Number(required.includes(b)) - Number(required.includes(a)),
    );
    const types = first.map(([, it]) => {
      const traits = traitsOf(it);
      return traits ? [lazy(it.shape), traits] : lazy(it.shape);
    });
    return [3, service, name, 0, first.map(([it]) => it), types, required.length];
  };
  const lazy = (name: string) => () => {
    if (!made.has(name)) made.set(name, schemaOf(name));
    return made.get(name);
  };
  const schemas = Object.entries(operations).map(([name, { http, input, output }]) => {
    const labels = Object.entries(shapes[input.shape]?.members ?? {}).filter(
      ([, it]) => it.location === "uri",
    );
    const uri = labels.reduce(
      (text, [member, it]) => text.replace(`{${it.locationName}}`, `{${member}}`),
      http.requestUri,
    );
    const traits = { http: [http.method, uri, http.responseCode] };
    return [`${name}$`, [9, service, name, traits, lazy(input.shape), lazy(output.shape)]];
  });
  return Promise.resolve({ client, ...Object.fromEntries(schemas) });
}

/** The values of the members that are enums, as `Struct.Member`. */
export function modelledEnums(service: string): Map<string, readonly string[]> {
  const { shapes } = readModel(service);
  const places = Object.entries(shapes).flatMap(([struct, { members = {} }]) =>
    Object.entries(members).map(([name, { shape }]) => [`${struct}.${name}`, shapes[shape]?.enum] as const),
  );
  return new Map(places.flatMap(([place, values]) => (values ? [[place, values]] : [])));
}

/** Types as an SDK package declares them, for `OperationsOf`: the text of a module. */
export function modelledTypes(service: string): string {
  const { operations, shapes } = readModel(service);
  const typeOf = (name: string): string => {
    const { type, enum: values, member } = shapes[name] ?? { type: "nothing" };
    if (type === "structure") return name;
    if (type === "list") return `${typeOf(member?.shape ?? "")}[]`;
    if (values) return name;
    return typescript[type] ?? String(unknownType(name, type));
  };
  const declared = Object.entries(shapes).flatMap(
    ([name, { type, enum: values, members = {}, required = [], exception }]) => {
      if (exception || /(Exception|Error)Reason$/.test(name)) return [];
      if (values) return [`export type ${name} = ${values.map((it) => JSON.stringify(it)).join(" | ")};`];
      if (type !== "structure") return [];
      const lines = Object.entries(members).map(([member, { shape }]) =>
        required.includes(member)
          ? `  ${member}: ${typeOf(shape)} | undefined;`
          : `  ${member}?: ${typeOf(shape)} | undefined;`,
      );
      return [[`export interface ${name} {`, ...lines, "}"].join("\n")];
    },
  );
  const commands = Object.entries(operations).map(
    ([name, { input, output }]) => `  ${name}Command: Command<${input.shape}, ${output.shape}>;`,
  );
  return [
    `// Written by \`tools/generate-wire.ts\` from AWS's model of ${service}: tools/models/${service}.generated.json.`,
    ...declared,
    "type Command<Input, Output> = abstract new () => {\n  input: Input;\n  resolveMiddleware(): () => Promise<{ output: Output }>;\n};",
    [`export interface Sdk {`, ...commands, "}"].join("\n"),
    "",
  ].join("\n");
}

function traitsOf({ location, locationName }: ModelMember): object | undefined {
  if (location === "uri") return { httpLabel: 1 };
  return location === "querystring" ? { httpQuery: locationName } : undefined;
}

function unknownType(name: string, type: string): never {
  throw new Error(`${name} is of a type not known here: ${type}`);
}

const smithyNames: Readonly<Record<string, string>> = { "rest-json": "aws.protocols#restJson1" };
/** The SDK's numbers of simple schemas. */
const scalars: Readonly<Record<string, number>> = { string: 0, integer: 1, boolean: 2, timestamp: 4 };
const typescript: Readonly<Record<string, string>> = {
  string: "string",
  integer: "number",
  boolean: "boolean",
  timestamp: "Date",
};
