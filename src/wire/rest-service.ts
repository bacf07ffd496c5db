import { ApiError } from "#api/error.ts";
import {
  inputReaders,
  readWhole,
  refuse,
  type Input,
  type InputDialect,
  type InputReaders,
  type Reader,
} from "./input-readers.ts";
import type { WireAnswer, WireRequest } from "./protocol.ts";
import { queryValues, restRoutes, type QueryValues, type RouteMatch } from "./rest-routes.ts";
import { restHeaders } from "./rest-headers.ts";
import { shapeRow, structRow, wireNameOf, type MemberRow, type StructRow, type WireTable } from "./table.ts";
import { textSource, type Texts } from "./text-source.ts";

/** How one of the two REST protocols reads and writes a body. */
export interface RestBody<Node> {
  /** For what stands in path, query and headers; the body has its own, in `readers`. */
  readonly dialect: InputDialect;
  readonly readers: InputReaders<Node>;
  /** Undefined for no body at all. */
  parse(body: Buffer): Node | undefined;
  /** `root`: the XML element it is to be. */
  write(row: StructRow, output: object, root: string | undefined): WireAnswer["body"];
  readonly contentType: string;
  unknownOperation(): ApiError;
}

/** What the REST protocols share: routes, and members in path, query, headers and payload. */
export function restService<Node>(table: WireTable, body: RestBody<Node>) {
  const routeTo = restRoutes(table);
  const textReaders = inputReaders(table, body.dialect, textSource(body.dialect));
  const inputs = new Map<string, (request: WireRequest, query: QueryValues, route: RouteMatch) => Input>();

  return {
    parse(request: WireRequest) {
      const query = queryValues(request.query);
      const route = routeTo(request, query);
      if (!route) throw body.unknownOperation();
      const { operation } = route;
      let read = inputs.get(operation);
      if (!read)
        inputs.set(operation, (read = inputReader(structRow(table, table.operations[operation]?.[0]))));
      return { operation, input: readWhole(body.dialect, () => read(request, query, route)) };
    },
    answer(operation: string, output: object): WireAnswer {
      const [, outputShape, http] = table.operations[operation] ?? [];
      if (!http) throw new Error(`there is no operation ${operation}`);
      const [, , status, root] = http;
      const [kind, , members] = structRow(table, outputShape);
      const headers = restHeaders(table, members, output);
      const payload = members.find(([, , , place]) => place === "payload");
      if (payload) return { status, ...payloadAnswer(payload, Object(output)[payload[0]], headers) };
      const inBody = members.filter(([, , , place]) => place === undefined);
      if (inBody.length === 0) return { status, headers, body: "" };
      const written = body.write([kind, 0, inBody], output, root);
      return { status, headers: { "content-type": body.contentType, ...headers }, body: written };
    },
  };

  function inputReader([, required, members]: StructRow) {
    const bound = members.filter(([, , , place]) => place !== undefined && place !== "payload");
    const payload = members.find(([, , , place]) => place === "payload");
    const inBody = members.filter(([, , , place]) => place === undefined);
    const readBody = inBody.length > 0 ? body.readers.struct(["struct", 0, inBody]) : undefined;
    const readPayload = payload && payloadReader(payload);
    const streams = payload && shapeRow(table, payload[1])[0] === "stream";
    return (request: WireRequest, query: QueryValues, { labels }: RouteMatch): Input => {
      if (request.stream && !streams) throw tooLong();
      const node = readBody && body.parse(request.body);
      const input = node === undefined ? {} : readBody!(node);
      for (const member of bound) {
        const texts = textsOf(member, request, query, labels);
        if (texts !== undefined) input[member[0]] = textReaders.value(member[1])(texts, wireNameOf(member));
      }
      const paid = readPayload?.(request);
      if (payload && paid !== undefined) input[payload[0]] = paid;
      for (const member of members.slice(0, required))
        if (input[member[0]] === undefined) refuse(body.dialect, body.dialect.missing(wireNameOf(member)));
      return input;
    };
  }

  function payloadReader(member: MemberRow): (request: WireRequest) => unknown {
    const [kind] = shapeRow(table, member[1]);
    if (kind === "stream") return ({ stream, body: bytes }) => stream ?? bytes;
    if (kind === "blob") return ({ body: bytes }) => bytes;
    if (kind === "string" || kind === "enum")
      return ({ body: bytes }) => (bytes.length === 0 ? undefined : bytes.toString());
    const read: Reader<Node> = body.readers.value(member[1]);
    return ({ body: bytes }) => {
      const node = body.parse(bytes);
      return node === undefined ? undefined : read(node);
    };
  }

  function payloadAnswer(member: MemberRow, value: unknown, headers: Record<string, string>) {
    if (value === undefined || value === null) return { headers, body: "" };
    const row = shapeRow(table, member[1]);
    if (row[0] === "struct" || row[0] === "union") {
      const struct: StructRow = row[0] === "struct" ? row : ["struct", 0, row[1]];
      const written = body.write(struct, Object(value), wireNameOf(member));
      return { headers: { "content-type": body.contentType, ...headers }, body: written };
    }
    const written =
      typeof value === "string" || Buffer.isBuffer(value) || isStream(value)
        ? value
        : Buffer.from(Object(value));
    return { headers, body: written };
  }
}

const tooLong = () =>
  new ApiError("RequestEntityTooLarge", "Request body is larger than this operation takes", { status: 413 });

type Stream = Exclude<WireAnswer["body"], string | Buffer>;
const isStream = (value: unknown): value is Stream =>
  typeof value === "object" && value !== null && "pipe" in value;

function textsOf(
  member: MemberRow,
  { headers }: WireRequest,
  query: QueryValues,
  labels: ReadonlyMap<string, string>,
): Texts | undefined {
  const name = wireNameOf(member);
  if (member[3] === "query") return textsFrom(query.get(name));
  if (member[3] === "label") return textsFrom(labels.get(name));
  if (member[3] === "header") {
    const value = headers[name];
    return value === undefined ? undefined : { values: [value], inHeader: true };
  }
  const named = Object.entries(headers).flatMap(([header, value]): [string, string][] =>
    value !== undefined && header.startsWith(name) ? [[header.slice(name.length), value]] : [],
  );
  return named.length > 0 ? { values: [], named: new Map(named) } : undefined;
}

function textsFrom(sent: string | readonly string[] | undefined): Texts | undefined {
  if (sent === undefined) return undefined;
  return { values: typeof sent === "string" ? [sent] : sent };
}
