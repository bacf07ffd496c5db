import { decodeCbor, encodeCbor } from "./cbor.ts";
import { documentDialect, errorNames, serializationException, unknownOperation } from "./document-dialect.ts";
import { documentWriters } from "./document-output.ts";
import { documentSource } from "./document-source.ts";
import { inputReaders, readWhole } from "./input-readers.ts";
import type { WireProtocol } from "./protocol.ts";
import { structRow, type WireTable } from "./table.ts";

/** https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html */
export function rpcCbor(table: WireTable): WireProtocol {
  const operations = new Map(Object.entries(table.operations));
  const dialect = documentDialect(table);
  const readers = inputReaders(
    table,
    dialect,
    documentSource(dialect, {
      blob: (value) => (value instanceof Uint8Array ? value : undefined),
      time: (value) => (value instanceof Date ? value : undefined),
    }),
  );
  const writers = documentWriters(table, {
    blob: (bytes) => bytes,
    time: (time) => time,
    float: (value) => value,
  });
  const named = errorNames(table);
  const prefix = `/service/${table.target}/operation/`;

  return {
    parse({ path, body }) {
      const at = path.indexOf(prefix);
      const operation = at < 0 ? "" : path.slice(at + prefix.length);
      const shapes = operations.get(operation);
      if (!shapes) throw unknownOperation(404);
      const read = readers.struct(structRow(table, shapes[0]));
      return { operation, input: readWhole(dialect, () => read(parseCbor(body))) };
    },
    answer(operation, output) {
      const shape = operations.get(operation)?.[1];
      return { status: 200, headers, body: encodeCbor(writers.struct(structRow(table, shape))(output)) };
    },
    error(error) {
      const { name, headers: more } = named(error);
      const body = encodeCbor({ __type: name, message: error.message });
      return { status: error.status, headers: { ...headers, ...more }, body };
    },
  };
}

const headers = { "content-type": "application/cbor", "smithy-protocol": "rpc-v2-cbor" };

function parseCbor(body: Buffer): unknown {
  if (body.length === 0) return {};
  try {
    return decodeCbor(body);
  } catch (error) {
    throw serializationException(
      error instanceof RangeError ? error.message : "The request body is not CBOR",
    );
  }
}
