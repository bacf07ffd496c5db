import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { ApiError } from "#api/error.ts";
import { decodeCbor, encodeCbor } from "./cbor.ts";
import type { WireAnswer, WireRequest } from "./protocol.ts";
import { loadWireService } from "./wire-service.ts";

const services = {
  ssm: loadWireService("ssm"),
  monitoring: loadWireService("monitoring"),
  elasticfilesystem: loadWireService("elasticfilesystem"),
  s3: loadWireService("s3"),
  autoscaling: loadWireService("autoscaling"),
};
type Service = keyof typeof services;

test("a JSON request names its operation in a header", () => {
  assert.deepEqual(parse("ssm", json("GetParameter", '{"Name":"/a","WithDecryption":true,"Colour":"red"}')), {
    operation: "GetParameter",
    input: { Name: "/a", WithDecryption: true },
  });
  assert.deepEqual(parse("ssm", json("DescribeParameters", "")).input, {});
  assert.deepEqual(parse("ssm", json("GetParameter", '{"Name":"/a","WithDecryption":null}')).input, {
    Name: "/a",
  });
});

test("JSON that breaks AWS's schema is refused, and an operation AWS does not have", () => {
  const get = (body: string) => () => parse("ssm", json("GetParameter", body));
  refused(get("{}"), "ValidationException", /Value null at 'name' failed .*must not be null/);
  refused(
    get('{"Name":7}'),
    "SerializationException",
    /Value \(7\) at 'name' can not be converted to string/,
  );
  refused(get('{"Name":"a","WithDecryption":"true"}'), "SerializationException", /to boolean/);
  for (const body of ["{", "[]", '"text"', "null", "7", '{"Name":["a"]}', '{"Name":{}}'])
    refused(get(body), "SerializationException", /./);
  const many = (body: string) => () => parse("ssm", json("GetParameters", body));
  refused(many('{"Names":["a",null]}'), "ValidationException", /'names\.2\.member'/);
  refused(many('{"Names":"a"}'), "SerializationException", /to list/);
  const put = '{"Name":"a","Value":"b","Type":"Strong"}';
  refused(
    () => parse("ssm", json("PutParameter", put)),
    "ValidationException",
    /'Strong' at 'type' .*SecureString/,
  );
  for (const operation of ["", "Foo", "constructor", "__proto__"])
    refused(() => parse("ssm", json(operation, "{}")), "UnknownOperationException", /not recognized/);
});

test("the last of duplicate members counts, and names of JavaScript's own are names like others", () => {
  assert.deepEqual(parse("ssm", json("GetParameter", '{"Name":"a","Name":"b"}')).input, { Name: "b" });
  const { input } = parse(
    "ssm",
    json("GetParameter", '{"Name":"a","__proto__":{"WithDecryption":true},"constructor":1}'),
  );
  assert.deepEqual(Object.entries(input), [["Name", "a"]]);
  const own = '{"Name":"n","Targets":[],"Parameters":{"__proto__":["x"],"toString":["y"]}}';
  const { Parameters } = Object(parse("ssm", json("CreateAssociation", own)).input);
  assert.deepEqual(Object.keys(Parameters), ["__proto__", "toString"]);
  assert.equal(Reflect.get({}, "x"), undefined);
});

test("input that is nested without end is refused in every notation", () => {
  const deep = (open: string, close: string, times = 100_000) => open.repeat(times) + close.repeat(times);
  const inventory = (value: string) => json("GetInventory", `{"Aggregators":${value}}`);
  refused(
    () => parse("ssm", inventory(deep('[{"Aggregators":', "}]").replace(":}", ":[]}"))),
    "SerializationException",
    /64 deep/,
  );
  assert.deepEqual(parse("ssm", json("GetParameter", `{"Name":"a","x":${deep("[", "]")}}`)).input, {
    Name: "a",
  });
  refused(
    () => parse("monitoring", cbor("ListMetrics", Buffer.alloc(100_000, 0x81))),
    "SerializationException",
    /deep/,
  );
  const tags = put("/b?tagging", deep("<Tagging>", "</Tagging>"));
  refused(() => parse("s3", tags), "MalformedXML", /./);
});

test("one service may be asked in several protocols, and answers each in its own", () => {
  const input = { Namespace: "n", MetricName: "m" };
  const asked = [
    json("ListMetrics", JSON.stringify(input), "GraniteServiceVersion20100801"),
    cbor("ListMetrics", encodeCbor(input)),
    form("Action=ListMetrics&Namespace=n&MetricName=m&Version=2010-08-01"),
  ];
  for (const each of asked) assert.deepEqual(parse("monitoring", each), { operation: "ListMetrics", input });
  const types = asked.map(
    (each) => services.monitoring.speaking(each).answer("ListMetrics", {}, "r").headers["content-type"],
  );
  assert.deepEqual(types, ["application/x-amz-json-1.0", "application/cbor", "text/xml"]);
});

test("each protocol tells errors in its own form, and one that was once query also in that", () => {
  const error = { code: "ResourceNotFoundException", message: "no <such>", status: 404 };
  const told = (service: Service, asked: WireRequest, said = error) =>
    services[service].speaking(asked).error(said, "r");
  assert.deepEqual(told("ssm", json("GetParameter", "{}")), {
    status: 404,
    headers: { "content-type": "application/x-amz-json-1.1" },
    body: '{"__type":"ResourceNotFoundException","message":"no <such>"}',
  });
  const fault = { code: "InvalidParameterValueException", message: "m", status: 400 };
  const { headers, body } = told("monitoring", cbor("ListMetrics", Buffer.alloc(0)), fault);
  assert.equal(headers["smithy-protocol"], "rpc-v2-cbor");
  assert.equal(headers["x-amzn-query-error"], "InvalidParameterValue;Sender");
  assert(Buffer.isBuffer(body));
  assert.deepEqual(decodeCbor(body), { __type: "InvalidParameterValueException", message: "m" });
  const query = told("monitoring", form("Action=ListMetrics"), fault);
  assert.match(textOf(query), /<Code>InvalidParameterValue<\/Code>/);
  const byCode = told("monitoring", json("ListMetrics", "{}"), { ...fault, code: "InvalidParameterValue" });
  assert.match(textOf(byCode), /"__type":"InvalidParameterValueException"/);
  const rest = told("elasticfilesystem", request("GET", "/"));
  assert.equal(rest.headers["x-amzn-errortype"], "ResourceNotFoundException");
  assert.match(
    textOf(told("s3", request("GET", "/"))),
    /<Error><Code>R.*<Message>no &lt;such&gt;<.*<RequestId>r</,
  );
});

test("CBOR is read in all its forms", () => {
  for (const [hex, value] of [
    ["9f0102ff", [1, 2]],
    ["bf61610161622bff", { a: 1, b: -12 }],
    ["7f6261626163ff", "abc"],
    ["5f41014102ff", Uint8Array.of(1, 2)],
    ["f93c00", 1],
    ["f9fc00", -Infinity],
    ["fa3fc00000", 1.5],
    ["fb3ff8000000000000", 1.5],
    ["c11a6980f5b2", new Date(1_770_059_186_000)],
    ["d81863616263", "abc"],
    ["1b0000000100000000", 2 ** 32],
    ["f6", null],
  ] as const)
    assert.deepEqual(decodeCbor(Buffer.from(hex, "hex")), value, hex);
  for (const value of [
    0,
    23,
    24,
    255,
    256,
    65_535,
    65_536,
    2 ** 32,
    -1,
    -500,
    0.1,
    "ü",
    true,
    [],
    { a: [{}] },
  ])
    assert.deepEqual(decodeCbor(encodeCbor(value)), value);
  for (const hex of [
    "",
    "1c",
    "ff",
    "61",
    "5bffffffffffffffff",
    "9b00ffffffffffffff01",
    "a10102",
    "c161",
    "0001",
    "f8ff",
  ])
    assert.throws(() => decodeCbor(Buffer.from(hex, "hex")), RangeError, hex);
});

test("a REST request is known by method, path, query and headers together", () => {
  const known = (method: string, path: string, headers = {}) =>
    parse("s3", { ...request(method, path), headers }).operation;
  assert.equal(known("GET", "/"), "ListBuckets");
  assert.equal(known("GET", "/?x-id=ListDirectoryBuckets"), "ListDirectoryBuckets");
  assert.equal(known("GET", "/b"), "ListObjects");
  assert.equal(known("GET", "/b/?list-type=2"), "ListObjectsV2");
  assert.equal(known("GET", "/b/k//x/"), "GetObject");
  assert.equal(known("GET", "/b/k?uploadId=u"), "ListParts");
  assert.equal(known("GET", "/b/k?acl"), "GetObjectAcl");
  assert.equal(known("PUT", "/b/k"), "PutObject");
  assert.equal(known("PUT", "/b/k", { "x-amz-copy-source": "/a/b" }), "CopyObject");
  assert.equal(known("PUT", "/b/k?partNumber=1&uploadId=u"), "UploadPart");
  assert.equal(known("HEAD", "/b"), "HeadBucket");
  assert.equal(parse("s3", request("GET", "/b/k//x%2F%20ü/")).input["Key"], "k//x/ ü/");
  refused(() => parse("s3", request("PATCH", "/b")), "MethodNotAllowed", /./);
  refused(() => parse("s3", request("GET", "/b/%E0%A4%A")), "InvalidURI", /./);
  refused(
    () => parse("elasticfilesystem", request("GET", "/2015-02-01/none")),
    "UnknownOperationException",
    /./,
  );
  refused(
    () => parse("elasticfilesystem", request("DELETE", "/2015-02-01/resource-tags/fs-1")),
    "ValidationException",
    /'tagKeys'/,
  );
});

test("an object's body is bytes, or a stream that was too long to hold, out of AWS's chunks", async () => {
  const chunks =
    "3;chunk-signature=aa\r\nabc\r\n2;chunk-signature=bb\r\nde\r\n0;chunk-signature=cc\r\nx-amz-trailer:1\r\n\r\n";
  const headers = {
    "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "content-encoding": "aws-chunked",
  };
  const asked = { ...request("PUT", "/b/k"), headers };
  const { Body, ContentEncoding } = Object(parse("s3", { ...asked, body: Buffer.from(chunks) }).input);
  assert.equal(String(Body), "abcde");
  assert.equal(ContentEncoding, undefined);
  for (const size of [1, 2, 7, 1000]) {
    const parts = chunks.match(new RegExp(`[^]{1,${size}}`, "g")) ?? [];
    const stream = Readable.from(parts.map((part) => Buffer.from(part)));
    const streamed: unknown = parse("s3", { ...asked, stream }).input["Body"];
    assert(streamed instanceof Readable);
    assert.equal(Buffer.concat(await streamed.toArray()).toString(), "abcde");
  }
  const tagging = { ...request("PUT", "/b?tagging"), stream: Readable.from([Buffer.from("long")]) };
  refused(() => parse("s3", tagging), "RequestEntityTooLarge", /./);
  for (const broken of ["", "3\r\nabc", "x\r\n", "3\r\nabcd\r\n0\r\n", "f".repeat(5000)])
    refused(() => parse("s3", { ...asked, body: Buffer.from(broken) }), "IncompleteBody", /./);
});

test("XML bodies are read with entities, CDATA and attributes, and nothing of document types", () => {
  const tagging = (inside: string) =>
    put("/b?tagging", `<?xml version="1.0"?><Tagging xmlns="x">${inside}</Tagging>`);
  const tag = "<TagSet><Tag><Key>a&amp;&#x41;</Key><!-- - --><Value><![CDATA[<b>]]></Value></Tag></TagSet>";
  assert.deepEqual(parse("s3", tagging(tag)).input["Tagging"], { TagSet: [{ Key: "a&A", Value: "<b>" }] });
  for (const body of [
    '<!DOCTYPE a [<!ENTITY b "c">]><Tagging/>',
    "<Tagging>&b;</Tagging>",
    "<Tagging>",
    "</Tagging>",
    "<a/><b/>",
    "text",
    "<Tagging><TagSet></Tagging></TagSet>",
    "<Tagging>&#0;</Tagging>",
    "<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>",
  ])
    refused(() => parse("s3", put("/b?tagging", body)), "MalformedXML", /./);
});

test("a compressed body is read, and one that swells without end is not", () => {
  const headers = { "content-encoding": "gzip" };
  const query = form("Action=DescribeAutoScalingGroups&MaxRecords=5");
  const zipped = { ...query, headers: { ...query.headers, ...headers }, body: gzipSync(query.body) };
  assert.deepEqual(parse("autoscaling", zipped).input, { MaxRecords: 5 });
  refused(
    () => parse("autoscaling", { ...zipped, body: Buffer.from("no") }),
    "SerializationException",
    /gzip/,
  );
  const bomb = { ...zipped, body: gzipSync(Buffer.alloc(64 * 1024 * 1024)) };
  refused(() => parse("autoscaling", bomb), "RequestEntityTooLarge", /./);
});

function request(method: string, target: string, body = ""): WireRequest {
  const [path = "", query = ""] = target.split("?");
  return { method, path, query, headers: {}, body: Buffer.from(body) };
}

const put = (target: string, body: string) => request("PUT", target, body);

function json(operation: string, body: string, target = "AmazonSSM"): WireRequest {
  const headers = { "x-amz-target": `${target}.${operation}`, "content-type": "application/x-amz-json-1.1" };
  return { ...request("POST", "/", body), headers };
}

function cbor(operation: string, body: Buffer): WireRequest {
  const path = `/service/GraniteServiceVersion20100801/operation/${operation}`;
  return { ...request("POST", path), headers: { "smithy-protocol": "rpc-v2-cbor" }, body };
}

const form = (body: string): WireRequest => ({
  ...request("POST", "/", body),
  headers: { "content-type": "application/x-www-form-urlencoded; charset=utf-8" },
});

const parse = (service: Service, asked: WireRequest) => services[service].speaking(asked).parse(asked);

function textOf({ body }: WireAnswer): string {
  assert(typeof body === "string");
  return body;
}

function refused(act: () => unknown, code: string, message: RegExp) {
  assert.throws(act, (error) => {
    assert(error instanceof ApiError, String(Object(error).stack));
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  });
}
