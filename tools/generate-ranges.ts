/**
 * Writes `tools/wire-ranges.generated.json` (its form: `wire-ranges.ts`) from botocore's models, since the AWS SDK's schemas do not tell
 * the ranges that AWS states; and the whole models, without their texts, of services that have no such SDK package. To be run when a newer SDK is pinned, with botocore's wheel from PyPI unzipped into DIR:
 * `croft run tools/generate-ranges.ts DIR`.
 */
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import type { Bounds } from "#wire/table.ts";
import type { WireRanges } from "./wire-ranges.ts";
import { wireServices } from "./wire-services.ts";

/** Of the day of the pinned SDK packages. */
const botocoreVersion = "1.44.5";

/** What botocore calls services whose requests are signed for another name. */
const modelNames: Readonly<Record<string, string>> = {
  elasticfilesystem: "efs",
  elasticloadbalancing: "elbv2",
  monitoring: "cloudwatch",
  servicequotas: "service-quotas",
};

interface Model {
  readonly metadata: object;
  readonly operations: Readonly<Record<string, { readonly input?: Target }>>;
  readonly shapes: Readonly<Record<string, ModelShape>>;
}
interface Target {
  readonly shape: string;
}
interface ModelShape {
  readonly type: string;
  readonly min?: number;
  readonly max?: number;
  readonly enum?: readonly string[];
  readonly members?: Readonly<Record<string, Target>>;
  readonly member?: Target;
  readonly key?: Target;
  readonly value?: Target;
}

/** Of all that an operation takes, in the order of their names. */
function rangesOf({ operations, shapes }: Model): [place: string, Bounds][] {
  const ranges = new Map<string, Bounds>();
  const seen = new Set<string>();
  for (const { input } of Object.values(operations)) if (input) look(input.shape, "");
  return [...ranges].toSorted(([a], [b]) => (a < b ? -1 : 1));

  function look(name: string, place: string): void {
    const shape = shapes[name];
    if (!shape) throw new Error(`botocore has no shape ${name}`);
    const { members = {}, member, key, value } = shape;
    const bounds = boundsOf(shape);
    if (bounds) ranges.set(place, bounds);
    if (member) look(member.shape, `${place}.member`);
    if (key) look(key.shape, `${place}.key`);
    if (value) look(value.shape, `${place}.value`);
    if (seen.has(name)) return;
    if (shape.type === "structure") seen.add(name);
    for (const [part, { shape: target }] of Object.entries(members)) look(target, `${name}.${part}`);
  }
}

/** No length is below 0. */
function boundsOf({ type, min, max, enum: values }: ModelShape): Bounds | undefined {
  const ofValue = ["integer", "long", "float", "double"].includes(type);
  const [least, most] = [min === 0 && !ofValue ? null : (min ?? null), max ?? null];
  return values || (least === null && most === null) ? undefined : [least, most];
}

function modelOf(dir: string, signingName: string): Model {
  const service = `${dir}/botocore/data/${modelNames[signingName] ?? signingName}`;
  const newest = readdirSync(service).toSorted().at(-1);
  return JSON.parse(gunzipSync(readFileSync(`${service}/${newest}/service-2.json.gz`)).toString());
}

/** A line for each range, so that a newer model shows as a readable diff. */
function print(ranges: WireRanges): string {
  const services = Object.entries(ranges).map(([service, places]) => {
    const lines = Object.entries(places).map(
      ([place, bounds]) => `${JSON.stringify(place)}:${JSON.stringify(bounds)}`,
    );
    return `${JSON.stringify(service)}:{\n${lines.join(",\n")}\n}`;
  });
  return `{\n${services.join(",\n")}\n}\n`;
}

const [, , dir = "."] = process.argv;
const stated = /__version__ = '([\d.]+)'/.exec(readFileSync(`${dir}/botocore/__init__.py`, "utf8"))?.[1];
if (stated !== botocoreVersion) throw new Error(`${dir} holds botocore ${stated}, not ${botocoreVersion}`);
const ranges = wireServices.map(({ signingName }): [string, Record<string, Bounds>] => [
  signingName,
  Object.fromEntries(rangesOf(modelOf(dir, signingName))),
]);
writeFileSync(new URL("wire-ranges.generated.json", import.meta.url), print(Object.fromEntries(ranges)));
for (const { signingName } of wireServices.filter((it) => it.package === undefined)) {
  const { metadata, operations, shapes } = modelOf(dir, signingName);
  const text = JSON.stringify(
    { metadata, operations, shapes },
    (key, value) => (key === "documentation" ? undefined : value),
    1,
  );
  writeFileSync(new URL(`models/${signingName}.generated.json`, import.meta.url), `${text}\n`);
}
