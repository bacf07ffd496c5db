import { ApiError } from "#api/error.ts";
import type { WireAnswer, WireService } from "./protocol.ts";
import type { QueryDialect } from "./query-input.ts";
import { queryService } from "./query-service.ts";
import type { WireTable } from "./table.ts";
import { escapeXml } from "./xml-text.ts";

/** The protocol of STS, IAM and others. https://smithy.io/2.0/aws/protocols/aws-query-protocol.html */
export function awsQuery(signingName: string, table: WireTable): WireService {
  const { operations, parse, write } = queryService(table, dialectOf(table.version));
  const namespace = `xmlns="${table.xmlNamespace}"`;
  return {
    signingName,
    operations,
    parse,
    answer(operation, output, requestId) {
      const members = write(operation, output);
      const result = members === undefined ? "" : `<${operation}Result>${members}</${operation}Result>`;
      const metadata = `<ResponseMetadata><RequestId>${requestId}</RequestId></ResponseMetadata>`;
      return xml(200, `<${operation}Response ${namespace}>${result}${metadata}</${operation}Response>`);
    },
    error({ code, message, status }, requestId) {
      const type = status < 500 ? "Sender" : "Receiver";
      const said = `<Code>${escapeXml(code)}</Code><Message>${escapeXml(message)}</Message>`;
      return xml(
        status,
        `<ErrorResponse ${namespace}><Error><Type>${type}</Type>${said}</Error><RequestId>${requestId}</RequestId></ErrorResponse>`,
      );
    },
  };
}

const xml = (status: number, body: string): WireAnswer => ({
  status,
  headers: { "content-type": "text/xml" },
  body,
});

/** Members that are not known are ignored, as AWS does for every service but EC2. */
const dialectOf = (version: string): QueryDialect => ({
  unknownAction: (action) =>
    new ApiError("InvalidAction", `Could not find operation ${action} for version ${version}`),
  missing: (path) => validationError(path, "null", "Member must not be null"),
  invalid: (path, value, wanted) =>
    new ApiError(
      "MalformedInput",
      `Value (${value}) for parameter ${memberPath(path)} is not of type ${wanted}`,
    ),
  notInEnum: (path, value, values) =>
    validationError(path, `'${value}'`, `Member must satisfy enum value set: [${values.join(", ")}]`),
});

function validationError(path: string, value: string, constraint: string): ApiError {
  return new ApiError(
    "ValidationError",
    `1 validation error detected: Value ${value} at '${memberPath(path)}' failed to satisfy constraint: ${constraint}`,
  );
}

/** AWS speaks of `policyArns.1.member.arn` for what was sent as `PolicyArns.member.1.arn`. */
function memberPath(path: string): string {
  return path.replace(/(^|\.)[A-Z]/g, (start) => start.toLowerCase()).replace(/\.\d+/g, "$&.member");
}
