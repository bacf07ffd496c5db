import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError } from "#api/error.ts";
import { encodeCbor } from "./cbor.ts";
import type { WireRequest } from "./protocol.ts";
import type { ProtocolName, WireTable } from "./table.ts";
import { loadWireService, wireService } from "./wire-service.ts";

const detected = "1 validation error detected: ";

test("a number outside of its range is told by EC2 in its own sentence", () => {
  const describe = (more: string) => ({ query: `Action=DescribeSubnets&MaxResults=${more}` });
  refused("ec2", describe("4"), "InvalidParameterValue", sentence(4, "greater than 5"));
  refused("ec2", describe("1001"), "InvalidParameterValue", sentence(1001, "less than 1000"));
  for (const bound of ["5", "1000"]) parse("ec2", describe(bound));

  function sentence(value: number, wanted: string) {
    return `Value ( ${value} ) for parameter maxResults is invalid. Expecting a value ${wanted}.`;
  }
});

test("EC2 refuses lists that are too long, and leaves names to the operations, which have codes for them", () => {
  const types = (count: number) => ({
    query: `Action=DescribeInstanceTypes${Array.from({ length: count }, (_, n) => `&InstanceType.${n + 1}=t3.micro`).join("")}`,
  });
  parse("ec2", types(100));
  refused("ec2", types(101), "InvalidParameterValue", "InstanceType cannot contain over 100 values.");
  const name = "x".repeat(200);
  assert.deepEqual(parse("ec2", { query: `Action=DeleteLaunchTemplate&LaunchTemplateName=${name}` }), {
    LaunchTemplateName: name,
  });
});

test("what breaks the schema in several places is told together, but what cannot be read comes first", () => {
  const role = "Action=AssumeRole&RoleSessionName=x";
  const session = "Value 'x' at 'roleSessionName' failed to satisfy constraint: Member must have length";
  refused(
    "sts",
    { query: `${role}&DurationSeconds=899` },
    "ValidationError",
    "3 validation errors detected: " +
      `${session} greater than or equal to 2; ` +
      "Value '899' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900; " +
      "Value null at 'roleArn' failed to satisfy constraint: Member must not be null",
  );
  refused(
    "sts",
    { query: `${role}&DurationSeconds=long` },
    "MalformedInput",
    "Value (long) for parameter durationSeconds is not of type integer",
  );
  const tags = Array.from({ length: 20 }, (_, n) => `&Tags.member.${n + 1}.Key=k`).join("");
  assert.throws(
    () => parse("sts", { query: `Action=AssumeRole${tags}` }),
    /^ValidationError: 10 validation errors detected: /,
  );
  parse("sts", { query: `${role}yz&RoleArn=arn:aws:iam::111122223333:role/r` });
});

test("the query protocol tells a ValidationError", () => {
  const role = "Action=AssumeRole&RoleSessionName=session&RoleArn=arn:aws:iam::111122223333:role/r";
  for (const seconds of [900, 43_200]) parse("sts", { query: `${role}&DurationSeconds=${seconds}` });
  refused(
    "sts",
    { query: `${role}&DurationSeconds=899` },
    "ValidationError",
    `${detected}Value '899' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900`,
  );
  refused(
    "sts",
    { query: `${role}&Tags.member.1.Key=&Tags.member.1.Value=` },
    "ValidationError",
    `${detected}Value '' at 'tags.1.member.key' failed to satisfy constraint: Member must have length greater than or equal to 1`,
  );
});

test("JSON services tell a ValidationException, or the code that is their own", () => {
  const names = Array.from({ length: 11 }, (_, n) => `/n${n}`);
  refused(
    "ssm",
    json("AmazonSSM.GetParameters", { Names: names }),
    "ValidationException",
    `${detected}Value '[${names.join(", ")}]' at 'names' failed to satisfy constraint: Member must have length less than or equal to 10`,
  );
  refused(
    "logs",
    json("Logs_20140328.PutLogEvents", { logGroupName: "g", logStreamName: "s", logEvents: [] }),
    "InvalidParameterException",
    `${detected}Value '[]' at 'logEvents' failed to satisfy constraint: Member must have length greater than or equal to 1`,
  );
  refused(
    "servicequotas",
    json("ServiceQuotasV20190624.ListServices", { MaxResults: 101 }),
    "IllegalArgumentException",
    `${detected}Value '101' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to 100`,
  );
});

test("what is wrong within a list or a map is told of the whole", () => {
  refused(
    "ssm",
    json("AmazonSSM.GetParameters", { Names: ["/a", ""] }),
    "ValidationException",
    `${detected}Value '[/a, ]' at 'names' failed to satisfy constraint: Member must satisfy constraint: [Member must have length less than or equal to 2048, Member must have length greater than or equal to 1]`,
  );
  for (const [map, what] of [
    [{ long: 1 }, "Map keys must satisfy constraint: [Member must have length less than or equal to 3]"],
    [{ k: 11 }, "Map value must satisfy constraint: [Member must have value less than or equal to 10]"],
    [{ a: 1, b: 2, c: 3 }, "Member must have length less than or equal to 2"],
  ] as const)
    assert.throws(() => small("aws-json-1.1", { Map: map }), {
      code: "ValidationException",
      message: `${detected}Value '{${Object.entries(map)
        .map(([key, value]) => `${key}=${value}`)
        .join(", ")}}' at 'map' failed to satisfy constraint: ${what}`,
    });
});

test("of a secret that is too long only its place is repeated", () => {
  for (const [input, place, what] of [
    [{ Secret: "hunter2" }, "secret", "Member must have length less than or equal to 3"],
    [
      { Secrets: ["hunter2"] },
      "secrets",
      "Member must satisfy constraint: [Member must have length less than or equal to 3]",
    ],
  ] as const)
    assert.throws(() => small("aws-json-1.1", input), {
      message: `${detected}Value at '${place}' failed to satisfy constraint: ${what}`,
    });
});

test("a length is of characters in text, of bytes in a blob", () => {
  const input = (text: string, bytes: number) => ({ Text: text, Blob: new Uint8Array(bytes) });
  assert.deepEqual(small("rpc-cbor", input("😀✓a", 2)), input("😀✓a", 2));
  assert.throws(() => small("rpc-cbor", input("😀✓ab", 2)), /'text' failed .* less than or equal to 3$/);
  assert.throws(() => small("rpc-cbor", input("a", 3)), /'blob' failed .* less than or equal to 2$/);
});

test("a value however long makes no long error", () => {
  assert.throws(
    () => small("aws-json-1.1", { Text: "x".repeat(900_000) }),
    (error) => error instanceof ApiError && error.message.length < 1500,
  );
});

/** One operation "Do", whose input has a member of each kind with bounds. */
const table = (protocol: ProtocolName): WireTable => ({
  protocols: [protocol],
  version: "2026-01-01",
  target: "Small",
  operations: { Do: [0, null] },
  shapes: [
    [
      "struct",
      0,
      [
        ["Text", 2],
        ["Blob", 4],
        ["Map", 6],
        ["Secret", 9],
        ["Secrets", 10],
      ],
    ],
    ["string"],
    ["bounded", 1, [null, 3]],
    ["blob"],
    ["bounded", 3, [null, 2]],
    ["map", 8, "key", "value", [null, 3]],
    ["bounded", 5, [null, 2]],
    ["integer"],
    ["bounded", 7, [null, 10]],
    ["bounded", 1, [null, 3], "secret"],
    ["list", 9, "member"],
  ],
});

function small(protocol: ProtocolName, input: object) {
  const request = {
    ...nothing,
    path: "/service/Small/operation/Do",
    headers: { "x-amz-target": "Small.Do" },
    body: protocol === "rpc-cbor" ? encodeCbor(input) : Buffer.from(JSON.stringify(input)),
  };
  return wireService("small", table(protocol)).speaking(request).parse(request).input;
}

const nothing: WireRequest = { method: "POST", path: "/", query: "", headers: {}, body: Buffer.alloc(0) };

function parse(service: string, request: Partial<WireRequest>) {
  const whole = { ...nothing, ...request };
  return loadWireService(service).speaking(whole).parse(whole).input;
}

function refused(service: string, request: Partial<WireRequest>, code: string, message: string) {
  assert.throws(() => parse(service, request), { code, message, status: 400 });
}

function json(target: string, input: object): Partial<WireRequest> {
  return { headers: { "x-amz-target": target }, body: Buffer.from(JSON.stringify(input)) };
}
