import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { paginateListServiceQuotas, ServiceQuotas } from "@aws-sdk/client-service-quotas";
import { testRegion } from "#testing/region.ts";
import { quotas } from "../ec2/quotas.ts";

const limit = { timeout: 20_000 };
const perInterface = { ServiceCode: "vpc", QuotaCode: "L-2AFB9258" };

test("a quota is the number that is enforced, under AWS's code", limit, async (t) => {
  const client = await scene(t);
  const { Quota } = await client.getServiceQuota(perInterface);
  assert.deepEqual(
    [Quota?.QuotaName, Quota?.Value, Quota?.Adjustable, Quota?.QuotaArn],
    [
      "Security groups per network interface",
      quotas.securityGroupsPerInterface.value,
      false,
      "arn:aws:servicequotas:eu-central-1:111122223333:vpc/L-2AFB9258",
    ],
  );
  const standard = await client.getAWSDefaultServiceQuota(perInterface);
  assert.equal(standard.Quota?.QuotaArn, "arn:aws:servicequotas:eu-central-1::vpc/L-2AFB9258");
});

test("services and their quotas are listed, page by page", limit, async (t) => {
  const client = await scene(t);
  const { Services } = await client.listServices({});
  assert.deepEqual(
    Services?.map((it) => it.ServiceCode),
    ["ec2", "vpc"],
  );
  const codes: (string | undefined)[] = [];
  for await (const { Quotas = [] } of paginateListServiceQuotas(
    { client, pageSize: 1 },
    { ServiceCode: "vpc" },
  ))
    codes.push(...Quotas.map((it) => it.QuotaCode));
  const vpc = Object.values(quotas).filter(({ service }) => service === "vpc");
  assert.deepEqual(codes, vpc.map(({ code }) => code).toSorted());
  const standard = await client.listAWSDefaultServiceQuotas({ ServiceCode: "ec2" });
  assert.deepEqual(
    standard.Quotas?.map((it) => it.QuotaCode),
    ["L-0263D0A3"],
  );
});

test("what is no service, quota or token is refused", limit, async (t) => {
  const client = await scene(t);
  for (const asked of [
    { ...perInterface, ServiceCode: "s3" },
    { ...perInterface, ServiceCode: "constructor" },
    { ...perInterface, QuotaCode: "L-00000000" },
    { ...perInterface, ServiceCode: "ec2" },
  ])
    await assert.rejects(client.getServiceQuota(asked), { name: "NoSuchResourceException" });
  for (const NextToken of ["stale", "9999", "-1"])
    await assert.rejects(client.listServiceQuotas({ ServiceCode: "vpc", NextToken }), {
      name: "InvalidPaginationTokenException",
    });
});

async function scene(t: TestContext) {
  const { clientConfig } = await testRegion(t);
  const client = new ServiceQuotas(clientConfig);
  t.after(() => client.destroy());
  return client;
}
