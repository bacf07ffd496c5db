import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { EC2 } from "@aws-sdk/client-ec2";
import { paginateGetParametersByPath, SSM } from "@aws-sdk/client-ssm";
import { testImage, testRegion } from "#testing/region.ts";

const limit = { timeout: 20_000 };
const latest = "/aws/service/debian/release/12/latest/amd64";
const own = `/aws/service/croft/images/${testImage.name}`;
const ofRecipe = own.replace(/-\d{8}$/, "");

test("a provided image is found by Debian's parameter, and by two of its own", limit, async (t) => {
  const { ssm } = await scene(t);
  const { Parameter } = await ssm.getParameter({ Name: latest });
  assert.deepEqual(
    [Parameter?.Name, Parameter?.Value, Parameter?.Type, Parameter?.Version, Parameter?.ARN],
    [latest, testImage.id, "String", 1, `arn:aws:ssm:eu-central-1::parameter${latest}`],
  );
  for (const Name of [own, ofRecipe, `arn:aws:ssm:eu-central-1::parameter${own}`])
    assert.equal((await ssm.getParameter({ Name })).Parameter?.Value, testImage.id);
});

test("the newest image is the one that latest names, under a new version", limit, async (t) => {
  const { ssm, region } = await scene(t);
  const newer = {
    ...testImage,
    id: "ami-0bbbbbbbbbbbbbbbb",
    name: "debian-12-amd64-20260202",
    createdAt: "2026-02-02T00:00:00.000Z",
  } as const;
  const { revision } = await region.store.commit({
    put: [{ key: region.records.key("image", newer.id), value: newer }],
  });
  await region.feed.reached(revision);
  for (const name of [latest, ofRecipe]) {
    const { Parameter } = await ssm.getParameter({ Name: `${name}:2` });
    assert.deepEqual([Parameter?.Value, Parameter?.Version, Parameter?.Selector], [newer.id, 2, ":2"]);
    await assert.rejects(ssm.getParameter({ Name: `${name}:1` }), { name: "ParameterNotFound" });
  }
});

test("a region's parameter names that region's image", limit, async (t) => {
  const { region } = await scene(t);
  const config = { ...region.clientConfig, region: "us-west-2" };
  const [ssm, ec2] = [new SSM(config), new EC2(config)];
  t.after(() => [ssm, ec2].map((client) => client.destroy()));
  const { Parameter } = await ssm.getParameter({ Name: latest });
  assert.notEqual(Parameter?.Value, testImage.id);
  assert.equal((await ec2.describeImages({ ImageIds: [Parameter?.Value ?? ""] })).Images?.length, 1);
});

test("of several, those that do not exist are named", limit, async (t) => {
  const { ssm } = await scene(t);
  const { Parameters, InvalidParameters } = await ssm.getParameters({ Names: [latest, "/nothing", own] });
  assert.deepEqual(
    Parameters?.map((it) => it.Name),
    [latest, own],
  );
  assert.deepEqual(InvalidParameters, ["/nothing"]);
  await assert.rejects(ssm.getParameter({ Name: "/nothing" }), {
    name: "ParameterNotFound",
    message: /\/nothing not found/,
  });
  const Names = Array.from({ length: 11 }, (_, n) => `/n/${n}`);
  await assert.rejects(ssm.getParameters({ Names }), { name: "ValidationException" });
});

test("a path holds its children, page by page, and recursively all below it", limit, async (t) => {
  const { ssm } = await scene(t);
  const names = async (Path: string, Recursive: boolean) => {
    const found: string[] = [];
    for await (const { Parameters = [] } of paginateGetParametersByPath(
      { client: ssm, pageSize: 1 },
      { Path, Recursive },
    ))
      found.push(...Parameters.map((it) => it.Name ?? ""));
    return found;
  };
  assert.deepEqual(await names("/aws/service", true), [ofRecipe, own, latest]);
  assert.deepEqual(await names("/aws/service", false), []);
  assert.deepEqual(await names("/aws/service/croft/images/", false), [ofRecipe, own]);
  assert.deepEqual(await names("/aws/service/croft/image", true), []);
  await assert.rejects(ssm.getParametersByPath({ Path: "aws" }), { name: "ValidationException" });
  await assert.rejects(ssm.getParametersByPath({ Path: "/aws", MaxResults: 11 }), {
    name: "ValidationException",
  });
  await assert.rejects(ssm.getParametersByPath({ Path: "/aws", NextToken: "stale" }), {
    name: "InvalidNextToken",
  });
});

test("an instance is launched from the image that a parameter names", limit, async (t) => {
  const { region } = await scene(t);
  const launch = (ImageId: string) =>
    region.client.runInstances({ ImageId, InstanceType: "t3.micro", MinCount: 1, MaxCount: 1 });
  for (const reference of [`resolve:ssm:${latest}`, `resolve:ssm:${latest}:1`]) {
    const { Instances } = await launch(reference);
    assert.equal(Instances?.[0]?.ImageId, testImage.id);
  }
  await assert.rejects(launch("resolve:ssm:/nothing"), {
    name: "InvalidParameterValue",
    message: /\/nothing/,
  });
});

test("what SSM does not serve yet names itself", limit, async (t) => {
  const { ssm } = await scene(t);
  await assert.rejects(ssm.putParameter({ Name: "/a", Value: "b", Type: "String" }), {
    name: "UnsupportedOperationException",
    message: /ssm:PutParameter/,
  });
});

async function scene(t: TestContext) {
  const region = await testRegion(t);
  const ssm = new SSM(region.clientConfig);
  t.after(() => ssm.destroy());
  return { region, ssm };
}
