import { ApiError } from "#api/error.ts";
import type { WireAnswer, WireError, WireProtocol } from "./protocol.ts";
import { queryService, type QueryDialect } from "./query-service.ts";
import type { Bounds, WireTable } from "./table.ts";
import { XmlBody } from "./xml-body.ts";
import { escapeXml } from "./xml-text.ts";

/** The protocol of EC2 alone. https://smithy.io/2.0/aws/protocols/aws-ec2-query-protocol.html */
export function ec2Query(table: WireTable): WireProtocol {
  const { parse, writerOf } = queryService(table, dialect);
  return {
    parse,
    answer(operation, output, requestId) {
      const write = writerOf(operation) ?? ((_, to) => to.add("<return>true</return>"));
      const body = new XmlBody(declaration);
      body.add(`<${operation}Response xmlns="${table.xmlNamespace}/"><requestId>${requestId}</requestId>`);
      write(output, body);
      body.add(`</${operation}Response>`);
      return xml(200, body.whole());
    },
    error: ec2Error,
  };
}

/** Also the form for requests that reach no service. */
export function ec2Error(error: WireError, requestId: string): WireAnswer & { body: string } {
  const said = `<Code>${escapeXml(error.code)}</Code><Message>${escapeXml(error.message)}</Message>`;
  return xml(
    error.status,
    `${declaration}<Response><Errors><Error>${said}</Error></Errors><RequestID>${requestId}</RequestID></Response>`,
  );
}

const declaration = '<?xml version="1.0" encoding="UTF-8"?>\n';

const xml = <Body extends WireAnswer["body"]>(status: number, body: Body): WireAnswer & { body: Body } => ({
  status,
  headers: { "content-type": "text/xml;charset=UTF-8" },
  body,
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
