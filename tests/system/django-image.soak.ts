import assert from "node:assert/strict";
import { join } from "node:path";
import { before, test } from "node:test";
import { run } from "#drivers/linux/commands.ts";
import { checkout } from "#checkout.ts";
import { realRegion } from "../real-region.ts";
import { until } from "../until.ts";

/** The example of an image with its application in it: baked, and made by Debian's Packer of a running instance. */
const region = await realRegion();
const { client } = region;
const example = join(checkout, "examples/django");
const limit = { timeout: 3_600_000 };

before(async () => {
  await run("apt-get", ["install", "--yes", "--no-install-recommends", "packer"], { timeoutMs: 300_000 });
  const { SecurityGroups: [group] = [] } = await client.describeSecurityGroups({ GroupNames: ["default"] });
  await client.authorizeSecurityGroupIngress({
    GroupId: group?.GroupId ?? "",
    IpPermissions: [{ IpProtocol: "tcp", FromPort: 80, ToPort: 80, IpRanges: [{ CidrIp: "0.0.0.0/0" }] }],
  });
});

test("a baked image, launched by its parameter's name, serves without an install", limit, async () => {
  const imageId = (await region.croft("image", "bake", example)).trim();
  const { address, image } = await launched("resolve:ssm:/aws/service/croft/images/django-amd64");
  assert.equal(image, imageId);
  await assertServing(address);
});

test(
  "Packer's amazon-ebs builder makes an image that serves, of an instance that is gone then",
  limit,
  async () => {
    const said = Object.entries(region.environment).map(([name, value]) => `${name}=${value}`);
    const build = await run(
      "env",
      [...said, "packer", "build", "-color=false", join(example, "packer.json")],
      {
        timeoutMs: 1_800_000,
      },
    );
    const [imageId = ""] = /ami-[0-9a-f]{17}/.exec(build.split("AMIs were created").at(-1) ?? "") ?? [];
    const { Images: [image] = [] } = await client.describeImages({ ImageIds: [imageId] });
    assert.deepEqual(image?.Tags, [{ Key: "Name", Value: "shop" }]);
    await assertServing((await launched(imageId)).address);
    const { Reservations = [] } = await client.describeInstances({
      Filters: [{ Name: "tag:Name", Values: ["Packer Builder"] }],
    });
    const states = Reservations.flatMap(({ Instances = [] }) => Instances.map(({ State }) => State?.Name));
    assert.deepEqual(states, ["terminated"]);
  },
);

async function launched(imageId: string): Promise<{ address: string; image: string | undefined }> {
  const { Instances: [instance] = [] } = await client.runInstances({
    ImageId: imageId,
    InstanceType: "t3.small",
    MinCount: 1,
    MaxCount: 1,
  });
  const InstanceIds = [instance?.InstanceId ?? ""];
  const described = await until(
    async () => (await client.describeInstances({ InstanceIds })).Reservations?.[0]?.Instances?.[0],
    (it) => it?.State?.Name === "running",
    180_000,
  );
  return { address: described?.PublicIpAddress ?? "", image: described?.ImageId };
}

/** Within ten minutes: emulated, its programs take their time. */
async function assertServing(address: string): Promise<void> {
  const answer = await until(
    () =>
      fetch(`http://${address}/healthz`, { signal: AbortSignal.timeout(5_000) }).then(
        (it) => it.text(),
        String,
      ),
    (it) => it === "ok\n",
    600_000,
  );
  assert.equal(answer, "ok\n");
}
