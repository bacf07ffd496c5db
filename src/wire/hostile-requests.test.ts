import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { ApiError } from "#api/error.ts";
import { invented, spoilt } from "#testing/spoilt-request.ts";
import { encodeCbor } from "./cbor.ts";
import type { WireRequest } from "./protocol.ts";
import { loadWireService } from "./wire-service.ts";

/** Requests as clients send them, which the tests then spoil or give another body. */
const seeds: readonly Seed[] = [
  {
    service: "ec2",
    notation: "query",
    body: Buffer.from(
      "Action=RunInstances&MinCount=1&MaxCount=1&TagSpecification.1.Tag.1.Key=a&NetworkInterface.1.DeviceIndex=0",
    ),
  },
  {
    service: "sts",
    notation: "query",
    query:
      "Action=AssumeRole&RoleArn=arn:aws:iam::1:role/r&RoleSessionName=session&Tags.member.1.Key=k&Tags.member.1.Value=v",
  },
  {
    service: "ssm",
    notation: "json",
    headers: { "x-amz-target": "AmazonSSM.GetParametersByPath" },
    body: Buffer.from('{"Path":"/a","ParameterFilters":[{"Key":"Type","Values":["b"]}]}'),
  },
  {
    service: "ssm",
    notation: "json",
    headers: { "x-amz-target": "AmazonSSM.GetInventory" },
    body: Buffer.from('{"Aggregators":[{"Expression":"a","Aggregators":[{"Expression":"\\u0041"}]}]}'),
  },
  {
    service: "monitoring",
    notation: "cbor",
    path: "/service/GraniteServiceVersion20100801/operation/PutMetricData",
    headers: { "smithy-protocol": "rpc-v2-cbor" },
    body: encodeCbor({
      Namespace: "n",
      MetricData: [
        { MetricName: "m", Value: 1.5, Timestamp: new Date(0), Values: [1, -2, 1e9], Dimensions: [] },
      ],
    }),
  },
  {
    service: "logs",
    notation: "json",
    headers: { "x-amz-target": "Logs_20140328.PutLogEvents" },
    body: Buffer.from('{"logGroupName":"g","logStreamName":"s","logEvents":[{"timestamp":1,"message":"m"}]}'),
  },
  {
    service: "elasticfilesystem",
    notation: "json",
    path: "/2015-02-01/file-systems",
    body: Buffer.from('{"CreationToken":"t","Tags":[{"Key":"a","Value":"b"}]}'),
  },
  {
    service: "elasticfilesystem",
    notation: "json",
    method: "GET",
    path: "/2015-02-01/mount-targets",
    query: "MaxItems=5&FileSystemId=fs%2D1",
  },
  {
    service: "s3",
    notation: "xml",
    method: "PUT",
    path: "/b/",
    query: "acl",
    headers: { "x-amz-acl": "private", "x-amz-meta-a": "b" },
    body: Buffer.from(
      '<?xml version="1.0"?><AccessControlPolicy><AccessControlList><Grant><Grantee xmlns:xsi="http://x" xsi:type="Group"><URI>a&amp;b</URI></Grantee></Grant></AccessControlList></AccessControlPolicy>',
    ),
  },
  {
    service: "s3",
    notation: "xml",
    method: "PUT",
    path: "/b/k",
    headers: { "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "content-length": "3" },
    body: Buffer.from("3\r\nabc\r\n0\r\nx-amz-checksum-crc32:a\r\n\r\n"),
  },
];

interface Seed extends Partial<WireRequest> {
  readonly service: string;
  readonly notation: keyof typeof invented;
}

/** What one request may take, also on a machine that is busy. */
const deadlineMs = 5000;

for (const { service: name, notation, ...given } of seeds) {
  const service = loadWireService(name);
  const sound: WireRequest = {
    method: "POST",
    path: "/",
    query: "",
    headers: {},
    body: Buffer.alloc(0),
    ...given,
  };

  test(`no spoilt request to ${name} (${sound.path}) does more than fail as the caller's own fault`, () => {
    holds(spoilt(sound), 400);
  });

  test(`no invented body of a request to ${name} (${sound.path}) does either`, () => {
    const names = [...new Set(`${sound.body.toString("latin1")}&${sound.query}`.match(/[A-Za-z]{2,}/g))];
    const query = notation === "query" ? "" : sound.query;
    const headers = { ...sound.headers, "x-amz-content-sha256": undefined };
    const prefix = notation === "query" ? `Action=${service.speaking(sound).parse(sound).operation}&` : "";
    const bodies = invented[notation](names);
    holds(
      bodies.map((body) => ({ ...sound, query, headers, body: Buffer.concat([Buffer.from(prefix), body]) })),
      200,
    );
  });

  function holds(requests: fc.Arbitrary<WireRequest>, numRuns: number): void {
    fc.assert(
      fc.property(requests, (request) => {
        const begunMs = performance.now();
        const protocol = service.speaking(request);
        try {
          assert.ok(service.operations.has(protocol.parse(request).operation));
        } catch (error) {
          assert.ok(error instanceof ApiError && error.status < 500, String(Object(error).stack));
          assert.equal(protocol.error(error, "request-1").status, error.status);
        }
        assert.ok(performance.now() - begunMs < deadlineMs, "took too long");
      }),
      { numRuns },
    );
    assert.ok(service.operations.has(service.speaking(sound).parse(sound).operation));
    assert.deepEqual(Object.keys(Object.prototype), []);
  }
}
