import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError } from "#api/error.ts";
import { seededRandom } from "#testing/seeded-random.ts";
import { encodeCbor } from "./cbor.ts";
import type { WireRequest } from "./protocol.ts";
import { loadWireService } from "./wire-service.ts";

/** Requests as clients send them, which the tests then spoil. */
const seeds: readonly (readonly [service: string, request: Partial<WireRequest>])[] = [
  [
    "ec2",
    {
      body: Buffer.from(
        "Action=RunInstances&MinCount=1&MaxCount=1&TagSpecification.1.Tag.1.Key=a&NetworkInterface.1.DeviceIndex=0",
      ),
    },
  ],
  [
    "sts",
    {
      query:
        "Action=AssumeRole&RoleArn=arn:aws:iam::1:role/r&RoleSessionName=session&Tags.member.1.Key=k&Tags.member.1.Value=v",
    },
  ],
  [
    "ssm",
    json("AmazonSSM.GetParametersByPath", '{"Path":"/a","ParameterFilters":[{"Key":"Type","Values":["b"]}]}'),
  ],
  [
    "ssm",
    json(
      "AmazonSSM.GetInventory",
      '{"Aggregators":[{"Expression":"a","Aggregators":[{"Expression":"\\u0041"}]}]}',
    ),
  ],
  [
    "monitoring",
    {
      path: "/service/GraniteServiceVersion20100801/operation/PutMetricData",
      headers: { "smithy-protocol": "rpc-v2-cbor" },
      body: encodeCbor({
        Namespace: "n",
        MetricData: [
          { MetricName: "m", Value: 1.5, Timestamp: new Date(0), Values: [1, -2, 1e9], Dimensions: [] },
        ],
      }),
    },
  ],
  [
    "logs",
    json(
      "Logs_20140328.PutLogEvents",
      '{"logGroupName":"g","logStreamName":"s","logEvents":[{"timestamp":1,"message":"m"}]}',
    ),
  ],
  [
    "elasticfilesystem",
    {
      path: "/2015-02-01/file-systems",
      body: Buffer.from('{"CreationToken":"t","Tags":[{"Key":"a","Value":"b"}]}'),
    },
  ],
  [
    "elasticfilesystem",
    { method: "GET", path: "/2015-02-01/mount-targets", query: "MaxItems=5&FileSystemId=fs%2D1" },
  ],
  [
    "s3",
    {
      method: "PUT",
      path: "/b/",
      query: "acl",
      headers: { "x-amz-acl": "private", "x-amz-meta-a": "b" },
      body: Buffer.from(
        '<?xml version="1.0"?><AccessControlPolicy><AccessControlList><Grant><Grantee xmlns:xsi="http://x" xsi:type="Group"><URI>a&amp;b</URI></Grantee></Grant></AccessControlList></AccessControlPolicy>',
      ),
    },
  ],
  [
    "s3",
    {
      method: "PUT",
      path: "/b/k",
      headers: { "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "content-length": "3" },
      body: Buffer.from("3\r\nabc\r\n0\r\nx-amz-checksum-crc32:a\r\n\r\n"),
    },
  ],
];

/** What parsers trip over. */
const words = [
  "__proto__",
  "constructor",
  "%",
  "%00",
  "&",
  "=",
  ".",
  "[",
  "{",
  '"',
  "<",
  "]]>",
  "&#x110000;",
  "\u0000",
  "1e999",
  "-",
  "null",
  "\r\n",
  "\ud800",
  "\xff\xff\xff\xff",
  "9".repeat(30),
];

for (const [index, [name, request]] of seeds.entries())
  test(`no spoilt request to ${name} (${request.path ?? "/"}) does more than fail as the caller's own fault`, () => {
    const service = loadWireService(name);
    const sound = { method: "POST", path: "/", query: "", headers: {}, body: Buffer.alloc(0), ...request };
    assert(service.operations.has(service.speaking(sound).parse(sound).operation));
    const random = seededRandom(index);
    const started = performance.now();
    for (let round = 0; round < 4000; round++) {
      const spoilt = spoil(sound, random);
      try {
        const { operation } = service.speaking(spoilt).parse(spoilt);
        assert(service.operations.has(operation));
      } catch (error) {
        assert(
          error instanceof ApiError && error.status < 500,
          `${describe(spoilt)}: ${Object(error).stack}`,
        );
      }
    }
    assert(performance.now() - started < 20_000);
    assert.equal(Object.keys(Object.prototype).length, 0);
  });

function spoil(request: WireRequest, random: (below: number) => number): WireRequest {
  let spoilt = request;
  for (let times = 1 + random(4); times > 0; times--) {
    const what = random(8);
    if (what === 0) spoilt = { ...spoilt, path: `/${mutated(spoilt.path.slice(1), random)}` };
    else if (what === 1) spoilt = { ...spoilt, query: mutated(spoilt.query, random) };
    else if (what === 2) spoilt = { ...spoilt, headers: spoiltHeaders(spoilt.headers, random) };
    else spoilt = { ...spoilt, body: Buffer.from(mutated(spoilt.body.toString("latin1"), random), "latin1") };
  }
  return spoilt;
}

function spoiltHeaders(
  headers: WireRequest["headers"],
  random: (below: number) => number,
): WireRequest["headers"] {
  const entries = Object.entries(headers).map(([name, value = ""]) => [
    name,
    random(2) ? mutated(value, random) : value,
  ]);
  return Object.fromEntries(entries.filter(() => random(8) > 0));
}

function mutated(text: string, random: (below: number) => number): string {
  const [from, length] = [random(text.length + 1), random(12)];
  const [before, part, after] = [
    text.slice(0, from),
    text.slice(from, from + length),
    text.slice(from + length),
  ];
  const ways = [
    () => before + after,
    () => before + part + part + after,
    () => before + part.repeat(200) + after,
    () => before + words[random(words.length)] + after,
    () => before + String.fromCharCode(random(256)) + part.slice(1) + after,
    () => before,
    () => after + part + before,
  ];
  return ways[random(ways.length)]!();
}

const describe = ({ method, path, query, headers, body }: WireRequest) =>
  JSON.stringify({ method, path, query, headers, body: body.toString("latin1").slice(0, 500) });

function json(target: string, body: string): Partial<WireRequest> {
  return { headers: { "x-amz-target": target }, body: Buffer.from(body) };
}
