import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { SSM } from "@aws-sdk/client-ssm";
import { testImage, testRegion } from "#testing/region.ts";
import { reportImage } from "../../host/host-reports.ts";

const limit = { timeout: 20_000 };

/** A region that an image for arm64 was baked for, beside the one for x86_64. */
const regionWithBoth = async (t: Pick<TestContext, "after">) => {
  const region = await testRegion(t);
  const baked = {
    name: "debian-12-arm64-20260202",
    architecture: "arm64",
    sizeGiB: 8,
    loginUser: "admin",
    disk: "/cache/arm64/disk.qcow2",
    bakedAt: "2026-02-02T00:00:00.000Z",
    recipe: { name: "debian-12-arm64", hash: "arm64" },
    packages: {},
  } as const;
  const scope = { accountId: region.accountId, region: region.clientConfig.region };
  await reportImage(baked, scope, region.store);
  await region.until(() => region.records.all("image").length === 2);
  const arm64 = region.records.all("image").find(({ architecture }) => architecture === "arm64")?.id ?? "";
  return { ...region, arm64 };
};

test(
  "an image for arm64 says so, is found by that, boots by UEFI, and is Debian's latest for arm64",
  limit,
  async (t) => {
    const { client, clientConfig, arm64 } = await regionWithBoth(t);
    const Filters = [{ Name: "architecture", Values: ["arm64"] }];
    const { Images = [] } = await client.describeImages({ Filters });
    assert.deepEqual(
      Images.map((it) => [it.ImageId, it.Name, it.Architecture, it.BootMode]),
      [[arm64, "debian-12-arm64-20260202", "arm64", "uefi"]],
    );
    const ssm = new SSM(clientConfig);
    t.after(() => ssm.destroy());
    const latest = async (architecture: string) =>
      (await ssm.getParameter({ Name: `/aws/service/debian/release/12/latest/${architecture}` })).Parameter
        ?.Value;
    assert.deepEqual([await latest("arm64"), await latest("amd64")], [arm64, testImage.id]);
  },
);

test("an instance of a Graviton type is a machine for arm64 that boots by UEFI", limit, async (t) => {
  const { client, machines, until, arm64 } = await regionWithBoth(t);
  for (const [imageId, type, architecture, boots] of [
    [arm64, "t4g.micro", "arm64", "uefi"],
    [testImage.id, "t3.micro", "x86_64", "bios"],
  ] as const) {
    const launch = { ImageId: imageId, InstanceType: type, MinCount: 1, MaxCount: 1 };
    const { Instances: [instance] = [] } = await client.runInstances(launch);
    assert.equal(instance?.Architecture, architecture);
    const machine = () => machines.spec(instance?.InstanceId ?? "");
    await until(() => machine() !== undefined);
    assert.deepEqual([machine()?.architecture, machine()?.boot.by], [architecture, boots]);
  }
});

test("a type of another architecture than the image's is refused in AWS's words", limit, async (t) => {
  const { client, arm64 } = await regionWithBoth(t);
  const launch = { MinCount: 1, MaxCount: 1 };
  for (const [ImageId, InstanceType, message] of [
    [
      arm64,
      "t3.micro",
      "The architecture 'x86_64' of the specified instance type does not match the architecture 'arm64' of the specified AMI. " +
        "Specify an instance type and an AMI that have matching architectures, and try again. You can use " +
        "'describe-instance-types' or 'describe-images' to discover the architecture of the instance type or AMI.",
    ],
    [testImage.id, "m6g.large", /^The architecture 'arm64' .* architecture 'x86_64' of the specified AMI\. /],
  ] as const)
    await assert.rejects(client.runInstances({ ...launch, ImageId, InstanceType }), {
      name: "InvalidParameterValue",
      message,
    });
  const { Reservations } = await client.describeInstances({});
  assert.deepEqual(Reservations, []);
});
