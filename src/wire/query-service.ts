import { ApiError } from "#api/error.ts";
import { inputReaders, readWhole, type InputDialect } from "./input-readers.ts";
import type { WireProtocol, WireRequest } from "./protocol.ts";
import { parseParameters } from "./query-parameters.ts";
import { querySource } from "./query-source.ts";
import { structRow, type WireTable } from "./table.ts";
import { outputWriters, type XmlWriter } from "./xml-output.ts";

interface QueryService {
  readonly parse: WireProtocol["parse"];
  /** Adds an output's members as XML; undefined for an operation that has none. */
  readonly writerOf: (operation: string) => XmlWriter | undefined;
}

export interface QueryDialect extends InputDialect {
  unknownAction(action: string): ApiError;
}

/** What ec2-query and aws-query share: parameters in, the members of the output as XML out. */
export function queryService(table: WireTable, dialect: QueryDialect): QueryService {
  const operations = new Map(Object.entries(table.operations));
  const readers = inputReaders(table, dialect, querySource(dialect));
  const writers = outputWriters(table);

  return {
    parse(request) {
      const parameters = parseParameters(formOf(request));
      const operation = parameters.get("Action")?.value;
      if (!operation) throw new ApiError("MissingAction", "The request must contain the parameter Action");
      const shapes = operations.get(operation);
      if (!shapes) throw dialect.unknownAction(operation);
      for (const name of parameters.keys()) if (isCommon(name)) parameters.delete(name);
      const read = readers.struct(structRow(table, shapes[0]));
      return { operation, input: readWhole(dialect, () => read({ parts: parameters })) };
    },
    writerOf(operation) {
      const shape = operations.get(operation)?.[1];
      return shape === null || shape === undefined ? undefined : writers.value(shape);
    },
  };
}

/** A POST's parameters stand in its body, and may stand in its query too. */
function formOf({ query, body }: WireRequest): string {
  return body.length === 0 ? query : `${body.toString()}&${query}`;
}

/** Parameters of every operation: what to do, and a presigned request's signature. */
function isCommon(name: string): boolean {
  return name === "Action" || name === "Version" || name.startsWith("X-Amz-");
}
