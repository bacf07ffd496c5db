import { ApiError } from "#api/error.ts";
import type { WireAnswer, WireProtocol } from "./protocol.ts";
import { queryService, type QueryDialect } from "./query-service.ts";
import type { WireTable } from "./table.ts";
import { memberPath, notInEnum, notNull, outOfBounds, Violations } from "./validation-error.ts";
import { XmlBody } from "./xml-body.ts";
import { escapeXml } from "./xml-text.ts";

/** The protocol of STS, IAM and others. https://smithy.io/2.0/aws/protocols/aws-query-protocol.html */
export function awsQuery(table: WireTable): WireProtocol {
  const { parse, writerOf } = queryService(table, dialectOf(table.version));
  const namespace = `xmlns="${table.xmlNamespace}"`;
  const codes = new Map(Object.entries(table.errorCodes ?? {}));
  return {
    parse,
    answer(operation, output, requestId) {
      const write = writerOf(operation);
      const body = new XmlBody(`<${operation}Response ${namespace}>`);
      if (write) {
        body.add(`<${operation}Result>`);
        write(output, body);
        body.add(`</${operation}Result>`);
      }
      body.add(`<ResponseMetadata><RequestId>${requestId}</RequestId></ResponseMetadata>`);
      body.add(`</${operation}Response>`);
      return xml(200, body.whole());
    },
    error({ code, message, status }, requestId) {
      const type = status < 500 ? "Sender" : "Receiver";
      const said = `<Code>${escapeXml(codes.get(code) ?? code)}</Code><Message>${escapeXml(message)}</Message>`;
      return xml(
        status,
        `<ErrorResponse ${namespace}><Error><Type>${type}</Type>${said}</Error><RequestId>${requestId}</RequestId></ErrorResponse>`,
      );
    },
  };
}

const xml = (status: number, body: WireAnswer["body"]): WireAnswer => ({
  status,
  headers: { "content-type": "text/xml" },
  body,
});

/** Members that are not known are ignored, as AWS does for every service but EC2. */
const dialectOf = (version: string): QueryDialect => ({
  unknownAction: (action) =>
    new ApiError("InvalidAction", `Could not find operation ${action} for version ${version}`),
  missing: (path) => notNull("ValidationError", path),
  invalid: (path, value, wanted) =>
    new ApiError(
      "MalformedInput",
      `Value (${value}) for parameter ${memberPath(path)} is not of type ${wanted}`,
    ),
  notInEnum: (path, value, values) => notInEnum("ValidationError", path, value, values),
  outOfBounds: (path, excess) => outOfBounds("ValidationError", path, excess),
  violations: new Violations(),
});
