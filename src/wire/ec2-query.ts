import { ApiError } from "#api/error.ts";
import type { WireAnswer, WireError, WireProtocol } from "./protocol.ts";
import { queryService, type QueryDialect } from "./query-service.ts";
import type { Bounds, WireTable } from "./table.ts";
import { escapeXml } from "./xml-text.ts";

/** The protocol of EC2 alone. https://smithy.io/2.0/aws/protocols/aws-ec2-query-protocol.html */
export function ec2Query(table: WireTable): WireProtocol {
  const { parse, write } = queryService(table, dialect);
  return {
    parse,
    answer(operation, output, requestId) {
      const members = write(operation, output) ?? "<return>true</return>";
      const open = `<${operation}Response xmlns="${table.xmlNamespace}/"><requestId>${requestId}</requestId>`;
      return xml(200, `${open}${members}</${operation}Response>`);
    },
    error: ec2Error,
  };
}

/** Also the form for requests that reach no service. */
export function ec2Error(error: WireError, requestId: string): WireAnswer {
  const said = `<Code>${escapeXml(error.code)}</Code><Message>${escapeXml(error.message)}</Message>`;
  return xml(
    error.status,
    `<Response><Errors><Error>${said}</Error></Errors><RequestID>${requestId}</RequestID></Response>`,
  );
}

const xml = (status: number, body: string): WireAnswer => ({
  status,
  headers: { "content-type": "text/xml;charset=UTF-8" },
  body: `<?xml version="1.0" encoding="UTF-8"?>\n${body}`,
});

const dialect: QueryDialect = {
  unknownAction: (action) =>
    new ApiError("InvalidAction", `The action ${action} is not valid for this web service.`),
  unknown: (name) => new ApiError("UnknownParameter", `The parameter ${name} is not recognized`),
  missing: (path) => new ApiError("MissingParameter", `The request must contain the parameter ${path}`),
  invalid: (path, value, wanted) =>
    new ApiError(
      "InvalidParameterValue",
      `Value (${value}) for parameter ${path} is invalid. Parameter must be of type ${wanted}`,
    ),
  // AWS has a code of its own for the types that DescribeInstanceTypes is asked for by name.
  notInEnum: (path, value) =>
    /^InstanceType\.\d+$/.test(path)
      ? new ApiError("InvalidInstanceType", `The following supplied instance types do not exist: [${value}]`)
      : new ApiError("InvalidParameterValue", `Invalid value '${value}' for ${path}.`),
  outOfBounds(path, { value, bounds }) {
    if (typeof value === "number") return outOfRange(path, value, bounds);
    // EC2 has a code of its own for each kind of name, which its operations know.
    if (!Array.isArray(value)) return undefined;
    const [min, max] = bounds;
    const wanted = max !== null && value.length > max ? `cannot contain over ${max}` : `must contain ${min}`;
    return new ApiError("InvalidParameterValue", `${path} ${wanted} values.`);
  },
};

/** In AWS's sentence, though the bounds themselves are allowed. */
function outOfRange(path: string, value: number, [min, max]: Bounds): ApiError {
  const wanted = min !== null && value < min ? `greater than ${min}` : `less than ${max}`;
  const parameter = path.charAt(0).toLowerCase() + path.slice(1);
  return new ApiError(
    "InvalidParameterValue",
    `Value ( ${value} ) for parameter ${parameter} is invalid. Expecting a value ${wanted}.`,
  );
}
