import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Readable } from "node:stream";
import { test } from "node:test";
import * as ec2 from "@aws-sdk/client-ec2";
import * as sts from "@aws-sdk/client-sts";
import { HttpResponse, type HttpRequest } from "@smithy/core/protocols";
import { NormalizedSchema } from "@smithy/core/schema";
import { shapeRow, type WireTable } from "./table.ts";
import { loadWireService } from "./wire-service.ts";

test("every EC2 operation reads what the SDK sends, and the SDK reads what it answers", async () => {
  await roundTrip("ec2", ec2, (requestHandler) => new ec2.EC2Client({ ...anywhere, requestHandler }));
});

test("every STS operation reads what the SDK sends, and the SDK reads what it answers", async () => {
  await roundTrip("sts", sts, (requestHandler) => new sts.STSClient({ ...anywhere, requestHandler }));
});

const anywhere = {
  region: "us-east-1",
  endpoint: "http://localhost",
  maxAttempts: 1,
  credentials: { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret" },
};

interface RequestHandler {
  handle(request: HttpRequest): Promise<{ response: HttpResponse }>;
}
interface Client {
  send(command: unknown): Promise<object>;
}

async function roundTrip(signingName: string, sdk: object, connect: (handler: RequestHandler) => Client) {
  const service = loadWireService(signingName);
  const table: WireTable = JSON.parse(
    readFileSync(new URL(`generated/${signingName}.generated.json`, import.meta.url), "utf8"),
  );
  const schemas = new Map(
    Object.values(sdk)
      .filter((exported) => Array.isArray(exported) && exported[0] === 9)
      .map((schema) => [String(schema[2]), { input: schema[4], output: schema[5] }]),
  );
  assert.deepEqual(service.operations, new Set(schemas.keys()));

  let received: unknown;
  let output: object = {};
  const client = connect({
    async handle(request) {
      const parsed = service.parse({
        method: request.method,
        path: request.path,
        query: "",
        headers: request.headers,
        body: Buffer.from(request.body ?? ""),
      });
      received = parsed;
      const answer = service.answer(parsed.operation, output, "request-1");
      const body = Readable.from([Buffer.from(answer.body)]);
      return { response: new HttpResponse({ statusCode: answer.status, headers: answer.headers, body }) };
    },
  });

  for (const [operation, schema] of schemas) {
    const [inputShape, outputShape] = table.operations[operation]!;
    const input = sample(table, schema.input, inputShape);
    output = Object(sample(table, schema.output, outputShape));
    const { $metadata: _, ...answered } = Object(
      await client.send(Reflect.construct(Reflect.get(sdk, `${operation}Command`), [input])),
    );
    assert.deepEqual(received, { operation, input }, `input of ${operation}`);
    assert.deepEqual(answered, output, `output of ${operation}`);
  }
}

/** A value with every member the SDK's schema has; only enum members are looked up in the table. */
function sample(table: WireTable, ref: Parameters<typeof NormalizedSchema.of>[0], shape: number | null) {
  const schema = NormalizedSchema.of(ref);
  return schema.isUnitSchema() || shape === null ? {} : sampleOf(schema, shape, []);

  function sampleOf(of: NormalizedSchema, index: number, around: readonly unknown[]): unknown {
    const row = shapeRow(table, index);
    if (of.isStructSchema()) {
      assert.equal(row[0], "struct");
      const inside = [...around, of.getSchema()];
      return Object.fromEntries(
        [...of.structIterator()]
          .filter(([, member]) => !inside.includes(innermost(member).getSchema()))
          .map(([name, member]) => [
            name,
            sampleOf(member, row[2].find((each) => each[0] === name)?.[1] ?? -1, inside),
          ]),
      );
    }
    if (of.isListSchema()) {
      assert.equal(row[0], "list");
      return [1, 2].map(() => sampleOf(of.getValueSchema(), row[1], around));
    }
    if (row[0] === "enum") return row[1].at(-1);
    if (of.isBooleanSchema()) return true;
    if (of.isNumericSchema()) return row[0] === "integer" ? 123_456 : -3.75;
    if (of.isTimestampSchema()) return new Date("2026-02-03T04:05:06.789Z");
    if (of.isBlobSchema()) return Uint8Array.of(65, 1, 250, 0);
    return `<a href="b">&'c' ünï ✓ x+y=%41;\n ${index}.1 \r\n`;
  }
}

function innermost(schema: NormalizedSchema): NormalizedSchema {
  return schema.isListSchema() ? innermost(schema.getValueSchema()) : schema;
}
