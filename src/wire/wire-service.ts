import { readFileSync } from "node:fs";
import { join } from "node:path";
import { checkout } from "#checkout.ts";
import { awsJson } from "./aws-json.ts";
import { awsQuery } from "./aws-query.ts";
import { readingCompressed } from "./compressed-body.ts";
import { ec2Query } from "./ec2-query.ts";
import type { WireProtocol, WireRequest, WireService } from "./protocol.ts";
import { restJson } from "./rest-json.ts";
import { restXml } from "./rest-xml.ts";
import { rpcCbor } from "./rpc-cbor.ts";
import type { ProtocolName, WireTable } from "./table.ts";

/**
 * The wire side of one AWS service. Reads its table at once, since the program drops the right to read its own checkout;
 * what one operation needs is compiled when it is first called. Throws when there is no table of that name.
 */
export function loadWireService(signingName: string): WireService {
  const path = join(checkout, "src/wire/generated", `${signingName}.generated.json`);
  return wireService(signingName, JSON.parse(readFileSync(path, "utf8")));
}

/** Answers for services that are not served: it has no operations, and tells errors in the form of any request. */
export const unknownService = (): WireService =>
  wireService("unknown", {
    protocols: ["ec2-query", "aws-json-1.1", "rpc-cbor"],
    version: "",
    operations: {},
    shapes: [],
  });

export function wireService(signingName: string, table: WireTable): WireService {
  const spoken = table.protocols.map((name) => ({ name, protocol: protocolOf(name, table) }));
  const [own] = spoken;
  if (!own) throw new Error(`${signingName} speaks no protocol`);
  return {
    signingName,
    operations: new Set(Object.keys(table.operations)),
    speaking: (request) => (spoken.find(({ name }) => isWrittenIn(name, request)) ?? own).protocol,
  };
}

function protocolOf(name: ProtocolName, table: WireTable): WireProtocol {
  const protocol = protocols[name](table);
  // To S3, an encoding is the object's own.
  return name === "rest-xml" ? protocol : readingCompressed(protocol);
}

const protocols = {
  "ec2-query": ec2Query,
  "aws-query": awsQuery,
  "aws-json-1.0": awsJson("1.0"),
  "aws-json-1.1": awsJson("1.1"),
  "rpc-cbor": rpcCbor,
  "rest-json": restJson,
  "rest-xml": restXml,
} satisfies Record<ProtocolName, (table: WireTable) => WireProtocol>;

/** For services of several protocols: which of them, by what each always sends. */
function isWrittenIn(name: ProtocolName, { headers, query, method }: WireRequest): boolean {
  if (name === "rpc-cbor") return headers["smithy-protocol"] === "rpc-v2-cbor";
  if (name.startsWith("aws-json")) return headers["x-amz-target"] !== undefined;
  if (name.startsWith("rest")) return true;
  const form = headers["content-type"]?.startsWith("application/x-www-form-urlencoded") ?? false;
  return form || method === "GET" || /(^|&)Action=/.test(query);
}
