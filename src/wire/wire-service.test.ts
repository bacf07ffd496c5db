import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import { ApiError } from "#api/error.ts";
import type { WireAnswer, WireService } from "./protocol.ts";
import type { WireTable } from "./table.ts";
import { loadWireService, wireService } from "./wire-service.ts";

const ec2 = loadWireService("ec2");
const sts = loadWireService("sts");
const role = "arn:aws:iam::111122223333:role/r";

test("parameters in the query and in the body are read alike", () => {
  const wanted = { operation: "DescribeInstances", input: { InstanceIds: ["i-1"], MaxResults: 5 } };
  assert.deepEqual(
    parse(ec2, "", "Action=DescribeInstances&InstanceId.1=i-1&MaxResults=5&Version=2016-11-15"),
    wanted,
  );
  assert.deepEqual(parse(ec2, "Action=DescribeInstances", "InstanceId.1=i-1&MaxResults=5"), wanted);
});

test("lists are in the order of their numbers, whatever the order of sending", () => {
  const { input } = parse(ec2, "Action=DescribeInstances&InstanceId.10=j&InstanceId.2=b&InstanceId.1=a");
  assert.deepEqual(input, { InstanceIds: ["a", "b", "j"] });
  assert.deepEqual(parse(ec2, "Action=DescribeInstances&InstanceId=").input, { InstanceIds: [] });
});

test("aws-query lists may be wrapped, named or bare", () => {
  for (const list of ["TagKeys.member.1=a", "TagKeys.1=a"].map((text) =>
    text.replace("TagKeys", "TransitiveTagKeys"),
  ))
    assert.deepEqual(parse(sts, `Action=AssumeRole&RoleArn=${role}&RoleSessionName=session&${list}`).input, {
      RoleArn: role,
      RoleSessionName: "session",
      TransitiveTagKeys: ["a"],
    });
});

test("signature parameters of a presigned request are no input", () => {
  const query = "Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=a&X-Amz-Signature=b";
  assert.deepEqual(parse(sts, query), { operation: "GetCallerIdentity", input: {} });
});

test("typed values are read in every form AWS takes", () => {
  const { input } = parse(
    ec2,
    "Action=RequestSpotInstances&DryRun=True&InstanceCount=-2&ValidFrom=2026-02-03T04%3A05%3A06&ValidUntil=2026-02-03T04%3A05%3A06.5%2B01%3A00",
  );
  assert.deepEqual(input, {
    DryRun: true,
    InstanceCount: -2,
    ValidFrom: new Date("2026-02-03T04:05:06Z"),
    ValidUntil: new Date("2026-02-03T03:05:06.500Z"),
  });
});

test("EC2 refuses what is no operation, what it does not know, what is missing and what is of the wrong type", () => {
  const run = "Action=RunInstances&MinCount=1&MaxCount=1";
  refused(ec2, "", "MissingAction", "The request must contain the parameter Action");
  refused(ec2, "Action=Foo", "InvalidAction", "The action Foo is not valid for this web service.");
  refused(
    ec2,
    "Action=constructor",
    "InvalidAction",
    "The action constructor is not valid for this web service.",
  );
  refused(ec2, `${run}&Foo=1`, "UnknownParameter", "The parameter Foo is not recognized");
  refused(ec2, `${run}&__proto__.x=1`, "UnknownParameter", "The parameter __proto__ is not recognized");
  refused(
    ec2,
    `${run}&NetworkInterface.1.Groups.1=sg`,
    "UnknownParameter",
    "The parameter Groups is not recognized",
  );
  refused(
    ec2,
    `${run}&SecurityGroupId.member.1=sg`,
    "UnknownParameter",
    "The parameter member is not recognized",
  );
  refused(ec2, `${run}&SecurityGroupId.x=sg`, "UnknownParameter", "The parameter x is not recognized");
  refused(ec2, `${run}&ImageId.1=ami`, "UnknownParameter", "The parameter 1 is not recognized");
  refused(
    ec2,
    "Action=RunInstances&MinCount=1",
    "MissingParameter",
    "The request must contain the parameter MaxCount",
  );
  refused(
    ec2,
    `${run}&Placement.GroupName=g&CreditSpecification=`,
    "MissingParameter",
    "The request must contain the parameter CreditSpecification.CpuCredits",
  );
  refused(
    ec2,
    `${run}&InstanceType=m1_small`,
    "InvalidParameterValue",
    "Invalid value 'm1_small' for InstanceType.",
  );
  refused(
    ec2,
    "Action=DescribeInstanceTypes&Version=2016-11-15&InstanceType.1=t99.mega",
    "InvalidInstanceType",
    "The following supplied instance types do not exist: [t99.mega]",
  );
  refused(
    ec2,
    `${run}&DryRun=maybe`,
    "InvalidParameterValue",
    "Value (maybe) for parameter DryRun is invalid. Parameter must be of type boolean",
  );
  for (const value of ["", "1.5", "0x10", "1e3", " 1", "9007199254740993"])
    refused(
      ec2,
      `Action=RunInstances&MinCount=1&MaxCount=${value}`,
      "InvalidParameterValue",
      `Value (${value}) for parameter MaxCount is invalid. Parameter must be of type integer`,
    );
  refused(
    ec2,
    `${run}&Placement=here`,
    "InvalidParameterValue",
    "Value (here) for parameter Placement is invalid. Parameter must be of type structure",
  );
});

test("the other services ignore what they do not know, and speak of members", () => {
  assert.deepEqual(parse(sts, "Action=GetCallerIdentity&Foo=1&Version=2011-06-15").input, {});
  refused(sts, "Action=Foo", "InvalidAction", "Could not find operation Foo for version 2011-06-15");
  const nothing = "failed to satisfy constraint: Member must not be null";
  refused(
    sts,
    "Action=AssumeRole&RoleSessionName=session",
    "ValidationError",
    `1 validation error detected: Value null at 'roleArn' ${nothing}`,
  );
  refused(
    sts,
    `Action=AssumeRole&RoleArn=${role}&RoleSessionName=session&Tags.member.1.Key=k`,
    "ValidationError",
    `1 validation error detected: Value null at 'tags.1.member.value' ${nothing}`,
  );
  refused(
    sts,
    "Action=GetSessionToken&DurationSeconds=long",
    "MalformedInput",
    "Value (long) for parameter durationSeconds is not of type integer",
  );
});

test("text that is no query, and more or deeper parameters than anyone needs, are refused", () => {
  refused(ec2, "Action=%E0%A4%A", "MalformedQueryString", "The query string contains a syntax error");
  refused(
    ec2,
    `Action=DescribeInstances${"&A".repeat(10_000)}`,
    "MalformedQueryString",
    "The query string has too many parameters",
  );
  refused(
    ec2,
    `Action=DescribeInstances&${"A.".repeat(40)}`,
    "MalformedQueryString",
    "A parameter of the query string is nested too deeply",
  );
});

test("EC2 answers in its own form", () => {
  const regions = { Regions: [{ RegionName: "us-east-1" }], NextToken: undefined };
  const answer = wireOf(ec2).answer("DescribeRegions", regions, "r-1");
  assert.deepEqual(
    { ...answer, body: textOf(answer) },
    {
      status: 200,
      headers: { "content-type": "text/xml;charset=UTF-8" },
      body: '<?xml version="1.0" encoding="UTF-8"?>\n<DescribeRegionsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>r-1</requestId><regionInfo><item><regionName>us-east-1</regionName></item></regionInfo></DescribeRegionsResponse>',
    },
  );
  assert.match(
    textOf(wireOf(ec2).answer("DeleteVpc", {}, "r-1")),
    /<\/requestId><return>true<\/return><\/DeleteVpcResponse>$/,
  );
  assert.deepEqual(
    wireOf(ec2).error({ code: "InvalidVpcID.NotFound", message: "no <vpc>", status: 400 }, "r-1"),
    {
      status: 400,
      headers: { "content-type": "text/xml;charset=UTF-8" },
      body: '<?xml version="1.0" encoding="UTF-8"?>\n<Response><Errors><Error><Code>InvalidVpcID.NotFound</Code><Message>no &lt;vpc&gt;</Message></Error></Errors><RequestID>r-1</RequestID></Response>',
    },
  );
});

test("the other services wrap the result, and say whose fault an error is", () => {
  const open = 'xmlns="https://sts.amazonaws.com/doc/2011-06-15/"';
  assert.equal(
    textOf(wireOf(sts).answer("GetCallerIdentity", { Account: "1", Arn: "a&b", UserId: "u" }, "r-1")),
    `<GetCallerIdentityResponse ${open}><GetCallerIdentityResult><UserId>u</UserId><Account>1</Account><Arn>a&amp;b</Arn></GetCallerIdentityResult><ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></GetCallerIdentityResponse>`,
  );
  for (const [status, type] of [
    [403, "Sender"],
    [500, "Receiver"],
  ] as const)
    assert.equal(
      wireOf(sts).error({ code: "C", message: "m", status }, "r-1").body,
      `<ErrorResponse ${open}><Error><Type>${type}</Type><Code>C</Code><Message>m</Message></Error><RequestId>r-1</RequestId></ErrorResponse>`,
    );
});

test("what XML cannot say does not break the answer", () => {
  const answer = wireOf(ec2).answer(
    "DescribeRegions",
    { NextToken: "", Regions: [{ RegionName: "a\u0000\u001b\r\n\uFFFF" }] },
    "r",
  );
  assert.match(textOf(answer), /<regionName>a\uFFFD\uFFFD&#xD;&#xA;\uFFFD<\/regionName>/);
});

test("an answer of the wrong type is a fault of ours, not XML that looks right", () => {
  assert.throws(() => wireOf(ec2).answer("DescribeRegions", { Regions: "us-east-1" }, "r"), TypeError);
  assert.throws(
    () => wireOf(ec2).answer("DescribeVolumes", { Volumes: [{ CreateTime: "today" }] }, "r"),
    TypeError,
  );
});

test("maps, and times in other formats, pass both ways", () => {
  const service = wireService("small", smallTable);
  const { input } = parse(
    service,
    "Action=Do&Map.entry.1.key=__proto__&Map.entry.1.value=1&Map.entry.2.key=b&Map.entry.2.value=2&At=1770091506",
  );
  assert.deepEqual(input, {
    Map: Object.fromEntries([
      ["__proto__", 1],
      ["b", 2],
    ]),
    At: new Date(1_770_091_506_000),
  });
  const at = new Date(1_770_091_506_500);
  assert.match(
    textOf(wireOf(service).answer("Do", { Map: { "a&": 1, gone: undefined }, Http: at, Epoch: at }, "r")),
    /<DoResult><Map><entry><key>a&amp;<\/key><value>1<\/value><\/entry><\/Map><Http>Tue, 03 Feb 2026 04:05:06 GMT<\/Http><Epoch>1770091506.5<\/Epoch><\/DoResult>/,
  );
  refused(service, "Action=Do&Map.entry.1.value=1", "ValidationError", /'map\.1\.member\.key'/);
});

const smallTable: WireTable = {
  protocols: ["aws-query"],
  version: "2026-01-01",
  xmlNamespace: "urn:small",
  operations: { Do: [0, 0] },
  shapes: [
    [
      "struct",
      0,
      [
        ["Map", 1],
        ["At", 3],
        ["Http", 4],
        ["Epoch", 3],
      ],
    ],
    ["map", 2, "key", "value"],
    ["integer"],
    ["epoch-time"],
    ["http-time"],
  ],
};

function textOf({ body }: WireAnswer): string {
  assert(!(body instanceof Readable) && !Buffer.isBuffer(body));
  return typeof body === "string" ? body : Buffer.concat(body).toString();
}

const wireOf = (service: WireService) =>
  service.speaking({ method: "POST", path: "/", query: "", headers: {}, body: Buffer.alloc(0) });

function parse(service: WireService, query: string, body = "") {
  return wireOf(service).parse({
    method: body ? "POST" : "GET",
    path: "/",
    query,
    headers: {},
    body: Buffer.from(body),
  });
}

function refused(service: WireService, query: string, code: string, message: string | RegExp) {
  assert.throws(
    () => parse(service, query),
    (error) => {
      assert(error instanceof ApiError, String(error));
      assert.equal(error.code, code);
      if (typeof message === "string") assert.equal(error.message, message);
      else assert.match(error.message, message);
      return true;
    },
  );
}
