import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Readable } from "node:stream";
import { test } from "node:test";
import { STSClient } from "@aws-sdk/client-sts";
import { SmithyRpcV2CborProtocol } from "@smithy/core/cbor";
import { HttpResponse, type HttpRequest } from "@smithy/core/protocols";
import { NormalizedSchema } from "@smithy/core/schema";
import { wireServices, type WireServiceRow } from "../../tools/wire-services.ts";
import { boundedRow, shapeRow, structRow, type MemberRow, type WireTable } from "./table.ts";
import { loadWireService } from "./wire-service.ts";

// Others have no schemas of the SDK's; botocore's round trip has them.
for (const row of wireServices.filter((it) => it.package !== undefined))
  test(`every operation of ${row.signingName} reads what the SDK sends, and the SDK reads what it answers`, () =>
    roundTrip(row));

test("CloudWatch is understood in CBOR and in the query protocol too", async () => {
  const row = wireServices.find(({ signingName }) => signingName === "monitoring")!;
  const query = new STSClient(anywhere).config.protocol.constructor;
  for (const protocol of [SmithyRpcV2CborProtocol, query]) await roundTrip(row, protocol);
});

const anywhere = {
  region: "us-east-1",
  endpoint: "http://localhost",
  maxAttempts: 1,
  forcePathStyle: true,
  disableHostPrefix: true,
  credentials: { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret" },
};

interface Client {
  send(command: unknown): Promise<object>;
}

async function roundTrip({ signingName, client: clientName, sdk: load }: WireServiceRow, protocol?: unknown) {
  const [service, sdk] = [loadWireService(signingName), await load()];
  const table: WireTable = JSON.parse(
    readFileSync(new URL(`generated/${signingName}.generated.json`, import.meta.url), "utf8"),
  );
  const schemas = new Map(
    Object.values(sdk)
      .filter((exported) => Array.isArray(exported) && exported[0] === 9)
      .map((schema) => [String(schema[2]), { input: schema[4], output: schema[5] }]),
  );
  assert.deepEqual(service.operations, new Set(schemas.keys()));

  let received = { operation: "", input: {} };
  let output: object = {};
  const requestHandler = {
    async handle(sent: HttpRequest) {
      const request = {
        method: sent.method,
        path: sent.path,
        query: queryOf(sent),
        headers: lowerCased(sent.headers),
        body: Buffer.from(sent.body ?? ""),
      };
      const wire = service.speaking(request);
      const parsed = wire.parse(request);
      received = parsed;
      const answer = wire.answer(parsed.operation, output, "request-1");
      const body = Readable.from([answer.body].flat().map((piece) => Buffer.from(Object(piece))));
      return { response: new HttpResponse({ statusCode: answer.status, headers: answer.headers, body }) };
    },
  };
  const client: Client = Reflect.construct(Reflect.get(sdk, clientName), [
    { ...anywhere, requestHandler, ...(protocol !== undefined && { protocol }) },
  ]);

  for (const [operation, schema] of schemas) {
    const [inputShape, outputShape] = table.operations[operation]!;
    if (structRow(table, outputShape)[2].some(([, shape]) => shapeRow(table, shape)[0] === "events"))
      continue;
    const input = sample(table, schema.input, inputShape);
    output = Object(sample(table, schema.output, outputShape));
    const { $metadata: _, ...answered } = Object(
      await client.send(Reflect.construct(Reflect.get(sdk, `${operation}Command`), [input])),
    );
    assert.equal(received.operation, operation);
    assert.deepEqual(await plain(received.input), input, `input of ${operation}`);
    assert.deepEqual(await plain(answered), output, `output of ${operation}`);
  }
}

/** Without what the SDK puts in by itself, and all bytes in one form. */
async function plain(members: object): Promise<object> {
  const entries = Object.entries(members).filter(([name]) => !isSdks(name));
  return Object.fromEntries(
    await Promise.all(
      entries.map(async ([name, value]): Promise<[string, unknown]> => {
        if (value instanceof Readable) return [name, new Uint8Array(Buffer.concat(await value.toArray()))];
        return [name, value instanceof Uint8Array ? Uint8Array.from(value) : value];
      }),
    ),
  );
}

function queryOf({ query }: HttpRequest): string {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    [value].flat().map((each): [string, string] => [name, each ?? ""]),
  );
  return new URLSearchParams(pairs).toString();
}

const lowerCased = (headers: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));

/** A value with every member the SDK's schema has; only enums, bounds and places in the request are looked up in the table. */
function sample(table: WireTable, ref: Parameters<typeof NormalizedSchema.of>[0], shape: number | null) {
  const schema = NormalizedSchema.of(ref);
  return schema.isUnitSchema() || shape === null ? {} : sampleOf(schema, shape, []);

  function sampleOf(
    of: NormalizedSchema,
    index: number,
    around: readonly unknown[],
    inHeader = false,
  ): unknown {
    const row = shapeRow(table, index);
    const [min, max] = boundedRow(table, index)?.[2] ?? [null, null];
    const [least, most] = [min ?? 0, max ?? Number.MAX_SAFE_INTEGER];
    if (of.isStructSchema()) {
      assert(row[0] === "struct" || row[0] === "union");
      const members: readonly MemberRow[] = row[0] === "struct" ? row[2] : row[1];
      const inside = [...around, of.getSchema()];
      return Object.fromEntries(
        [...of.structIterator()]
          .slice(0, row[0] === "union" ? 1 : undefined)
          .filter(([name, member]) => !inside.includes(innermost(member).getSchema()) && !isSdks(name))
          .map(([name, member]) => {
            const [, memberShape, , place] = members.find((each) => each[0] === name) ?? [name, -1];
            return [name, sampleOf(member, memberShape, inside, place?.startsWith("header"))];
          }),
      );
    }
    if (of.isListSchema()) {
      assert.equal(row[0], "list");
      const length = Math.min(Math.max(2, least), most);
      return Array.from({ length }, () => sampleOf(of.getValueSchema(), row[1], around, inHeader));
    }
    if (of.isMapSchema()) {
      assert.equal(row[0], "map");
      const key = inHeader ? "some-key" : "a key ✓";
      const keys = Array.from({ length: Math.max(1, least) }, (_, n) => (n === 0 ? key : `${key} ${n}`));
      return Object.fromEntries(
        keys.map((each) => [each, sampleOf(of.getValueSchema(), row[1], around, inHeader)]),
      );
    }
    if (row[0] === "enum") return row[1].includes("CRC32") ? "CRC32" : row[1].at(-1);
    if (of.isBooleanSchema()) return true;
    if (of.isNumericSchema())
      return Math.min(Math.max(row[0] === "integer" ? 123_456 : -3.75, min ?? -Infinity), most);
    const wholeSeconds = inHeader || row[0] === "http-time";
    if (of.isTimestampSchema())
      return new Date(wholeSeconds ? "2026-02-03T04:05:06Z" : "2026-02-03T04:05:06.789Z");
    if (of.isBlobSchema()) return Uint8Array.of(65, 1, 250, 0);
    const text = inHeader ? `a "b"; c=d/${index}` : `<a href="b">&'c' ünï ✓ x+y=%41;\n ${index}.1 \r\n`;
    return text.padEnd(least, "x").slice(0, most);
  }
}

/** Members of S3 whose values the SDK makes or changes by itself. */
const isSdks = (member: string) =>
  /SSECustomerKey|^ExpiresString$|^Checksum(?!$|Algorithm|AggregationMethod|Mode|Type)/.test(member);

function innermost(schema: NormalizedSchema): NormalizedSchema {
  return schema.isListSchema() ? innermost(schema.getValueSchema()) : schema;
}
