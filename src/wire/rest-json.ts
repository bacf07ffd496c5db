import { parseJson } from "./aws-json.ts";
import { documentDialect, errorNames, unknownOperation } from "./document-dialect.ts";
import { documentWriters } from "./document-output.ts";
import { documentSource } from "./document-source.ts";
import { inputReaders } from "./input-readers.ts";
import { jsonForm, jsonScalars } from "./json-document.ts";
import type { WireProtocol } from "./protocol.ts";
import { restService } from "./rest-service.ts";
import type { WireTable } from "./table.ts";

/** The protocol of EFS and others. https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html */
export function restJson(table: WireTable): WireProtocol {
  const writers = documentWriters(table, jsonForm);
  const named = errorNames(table);
  const contentType = "application/json";
  const dialect = documentDialect(table);
  const service = restService<unknown>(table, {
    dialect,
    readers: inputReaders(table, dialect, documentSource(dialect, jsonScalars)),
    parse: (body) => (body.length === 0 ? undefined : parseJson(body)),
    write: (row, output) => JSON.stringify(writers.struct(row)(output)),
    contentType,
    unknownOperation: () => unknownOperation(404),
  });
  return {
    ...service,
    error(error) {
      const { name, headers } = named(error);
      return {
        status: error.status,
        headers: { "content-type": contentType, "x-amzn-errortype": name, ...headers },
        // EFS and its like model the code in the body too.
        body: JSON.stringify({ ErrorCode: name, message: error.message, Reason: error.reason }),
      };
    },
  };
}
