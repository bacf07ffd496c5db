import { ApiError } from "#api/error.ts";
import { decodedBody, isChunked } from "./aws-chunked.ts";
import { inputReaders, type InputDialect } from "./input-readers.ts";
import type { WireProtocol, WireRequest } from "./protocol.ts";
import { restService } from "./rest-service.ts";
import type { WireTable } from "./table.ts";
import { parseXml } from "./xml-document.ts";
import { XmlBody } from "./xml-body.ts";
import { outputWriters } from "./xml-output.ts";
import { xmlSource, type XmlNode } from "./xml-source.ts";
import { escapeXml } from "./xml-text.ts";

/** The protocol of S3. https://smithy.io/2.0/aws/protocols/aws-restxml-protocol.html */
export function restXml(table: WireTable): WireProtocol {
  const writers = outputWriters(table);
  const namespace = table.xmlNamespace ? ` xmlns="${table.xmlNamespace}"` : "";
  const service = restService<XmlNode>(table, {
    dialect: argumentDialect,
    readers: inputReaders(table, bodyDialect, xmlSource(bodyDialect)),
    parse: (body) => (body.length === 0 ? undefined : [parseXml(body.toString())]),
    write(row, output, root) {
      const body = new XmlBody(`${declaration}<${root}${namespace}>`);
      writers.struct(row)(output, body);
      body.add(`</${root}>`);
      return body.whole();
    },
    contentType: "application/xml",
    unknownOperation: () =>
      new ApiError("MethodNotAllowed", "The specified method is not allowed against this resource.", {
        status: 405,
      }),
  });
  return {
    ...service,
    parse: (request) => service.parse(isChunked(request) ? unchunked(request) : request),
    error({ code, message, status }, requestId) {
      const said = `<Code>${escapeXml(code)}</Code><Message>${escapeXml(message)}</Message>`;
      return {
        status,
        headers: { "content-type": "application/xml", "x-amz-request-id": requestId },
        body: `${declaration}<Error>${said}<RequestId>${requestId}</RequestId></Error>`,
      };
    },
  };
}

const declaration = '<?xml version="1.0" encoding="UTF-8"?>\n';

/** As if its body had been sent as it is. */
function unchunked(request: WireRequest): WireRequest {
  const encoding = request.headers["content-encoding"]
    ?.split(",")
    .map((each) => each.trim())
    .filter((each) => each !== "aws-chunked")
    .join(", ");
  const headers = { ...request.headers, "content-encoding": encoding || undefined };
  return { ...request, headers, ...decodedBody(request) };
}

/** S3's words for a body. Members that are not known are ignored. */
const bodyDialect: InputDialect = {
  missing: () => malformedXml(),
  invalid: () => malformedXml(),
  notInEnum: () => malformedXml(),
  outOfBounds: () => malformedXml(),
};

const malformedXml = () =>
  new ApiError(
    "MalformedXML",
    "The XML you provided was not well-formed or did not validate against our published schema",
  );

/** And for the rest of a request. */
const argumentDialect: InputDialect = {
  missing: (path) => new ApiError("InvalidRequest", `Missing required member for this request: ${path}`),
  invalid: (path, value, wanted) =>
    new ApiError("InvalidArgument", `Value (${value}) for ${path} is not of type ${wanted}`),
  notInEnum: (path, value) => new ApiError("InvalidArgument", `Invalid value '${value}' for ${path}`),
  outOfBounds: (path, { constraint }) =>
    new ApiError("InvalidArgument", `Invalid value for ${path}: ${constraint}`),
};
