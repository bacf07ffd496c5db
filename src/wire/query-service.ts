import { ApiError } from "#api/error.ts";
import type { WireRequest, WireService } from "./protocol.ts";
import { inputReaders, type QueryDialect } from "./query-input.ts";
import { parseParameters } from "./query-parameters.ts";
import type { WireTable } from "./table.ts";
import { outputWriters } from "./xml-output.ts";

interface QueryService {
  readonly operations: WireService["operations"];
  readonly parse: WireService["parse"];
  /** The output's members as XML; undefined for an operation that has none. */
  readonly write: (operation: string, output: object) => string | undefined;
}

/** What ec2-query and aws-query share: parameters in, the members of the output as XML out. */
export function queryService(table: WireTable, dialect: QueryDialect): QueryService {
  const operations = new Map(Object.entries(table.operations));
  const readerOf = inputReaders(table, dialect);
  const writerOf = outputWriters(table);

  return {
    operations: new Set(operations.keys()),
    parse(request) {
      const parameters = parseParameters(formOf(request));
      const operation = parameters.get("Action")?.value;
      if (!operation) throw new ApiError("MissingAction", "The request must contain the parameter Action");
      const shapes = operations.get(operation);
      if (!shapes) throw dialect.unknownAction(operation);
      for (const name of parameters.keys()) if (isCommon(name)) parameters.delete(name);
      return { operation, input: readerOf(shapes[0])({ parts: parameters }, "") };
    },
    write(operation, output) {
      const shape = operations.get(operation)?.[1];
      return shape === null || shape === undefined ? undefined : writerOf(shape)(output);
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
