import { documentDialect, errorNames, serializationException, unknownOperation } from "./document-dialect.ts";
import { documentWriters } from "./document-output.ts";
import { documentSource } from "./document-source.ts";
import { inputReaders, readWhole } from "./input-readers.ts";
import { jsonForm, jsonScalars } from "./json-document.ts";
import type { WireProtocol } from "./protocol.ts";
import { structRow, type WireTable } from "./table.ts";

/**
 * The protocol of SSM, CloudWatch Logs and others; 1.0 and 1.1 differ in their media type only.
 * https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html
 */
export const awsJson =
  (version: "1.0" | "1.1") =>
  (table: WireTable): WireProtocol => {
    const operations = new Map(Object.entries(table.operations));
    const dialect = documentDialect(table);
    const readers = inputReaders(table, dialect, documentSource(dialect, jsonScalars));
    const writers = documentWriters(table, jsonForm);
    const named = errorNames(table);
    const headers = { "content-type": `application/x-amz-json-${version}` };

    return {
      parse({ headers: { "x-amz-target": target = "" }, body }) {
        const operation = target.startsWith(`${table.target}.`)
          ? target.slice(`${table.target}.`.length)
          : "";
        const shapes = operations.get(operation);
        if (!shapes) throw unknownOperation();
        const read = readers.struct(structRow(table, shapes[0]));
        return { operation, input: readWhole(dialect, () => read(parseJson(body))) };
      },
      answer(operation, output) {
        const shape = operations.get(operation)?.[1];
        const document = writers.struct(structRow(table, shape))(output);
        return { status: 200, headers, body: JSON.stringify(document) };
      },
      error(error) {
        const { name, headers: more } = named(error);
        const body = JSON.stringify({ __type: name, message: error.message });
        return { status: error.status, headers: { ...headers, ...more }, body };
      },
    };
  };

/** No body stands for no members. Throws SerializationException. */
export function parseJson(body: Buffer): unknown {
  if (body.length === 0) return {};
  try {
    return JSON.parse(body.toString());
  } catch {
    throw serializationException("The request body is not valid JSON");
  }
}
