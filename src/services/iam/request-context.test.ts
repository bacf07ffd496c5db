import assert from "node:assert/strict";
import { test } from "node:test";
import { rootCaller } from "#api/caller.ts";
import { testRegion } from "#testing/region.ts";
import { IamRecords } from "./records.ts";
import { requestContext } from "./request-context.ts";

test("policies learn whether a call came by TLS, whatever its headers say", async (t) => {
  const { feed, accountId } = await testRegion(t);
  const isSecure = (byTls?: boolean) =>
    requestContext(
      {
        caller: rootCaller(accountId, "AKIATEST"),
        service: "ec2",
        region: "eu-central-1",
        operation: "DescribeVpcs",
        input: {},
        request: {
          headers: { "x-forwarded-proto": "https" },
          remoteAddress: "192.0.2.1",
          ...(byTls !== undefined && { byTls }),
        },
        at: new Date(),
      },
      new IamRecords(feed, accountId),
    ).get("aws:securetransport");
  assert.deepEqual([isSecure(true), isSecure(false), isSecure()], [["true"], ["false"], ["false"]]);
});

test("a call out of a VPC is known by the network it came in from, and by no header", async (t) => {
  const { feed, accountId } = await testRegion(t);
  const records = new IamRecords(feed, accountId);
  const headers = {
    "x-amz-source-vpc": "vpc-2",
    "aws:sourcevpc": "vpc-2",
    "x-forwarded-for": "10.0.0.1",
    forwarded: "for=10.0.0.1",
  };
  const asked = (request: { remoteAddress: string; network?: string }) => {
    const context = requestContext(
      {
        caller: rootCaller(accountId, "AKIATEST"),
        service: "ec2",
        region: "eu-central-1",
        operation: "DescribeVpcs",
        input: {},
        request: { headers, ...request },
        at: new Date(),
      },
      records,
    );
    return ["aws:sourcevpc", "aws:vpcsourceip", "aws:sourceip"].map((key) => context.get(key));
  };
  assert.deepEqual(asked({ remoteAddress: "10.0.1.5", network: "vpc-1" }), [
    ["vpc-1"],
    ["10.0.1.5"],
    ["10.0.1.5"],
  ]);
  assert.deepEqual(asked({ remoteAddress: "::ffff:127.0.0.1" }), [undefined, undefined, ["127.0.0.1"]]);
});
