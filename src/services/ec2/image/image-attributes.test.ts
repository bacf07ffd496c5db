import assert from "node:assert/strict";
import { test } from "node:test";
import type { EC2, ModifyImageAttributeCommandInput } from "@aws-sdk/client-ec2";
import { regionWithOwn } from "#testing/own-image.ts";
import { testImage, testRegion } from "#testing/region.ts";

const limit = { timeout: 20_000 };
const launchOf = (ImageId: string) =>
  ({ ImageId, InstanceType: "t3.micro", MinCount: 1, MaxCount: 1 }) as const;
const friend = "111122223333";

/** Who may launch it, as the clients show it. */
const sharedWith = async (client: EC2, ImageId: string) => {
  const asked = { ImageId, Attribute: "launchPermission" } as const;
  const { LaunchPermissions = [] } = await client.describeImageAttribute(asked);
  return LaunchPermissions.map((it) => it.UserId ?? it.Group ?? it.OrganizationArn);
};

test(
  "an image is shared with accounts, and withdrawn from them, in each of the ways clients have",
  limit,
  async (t) => {
    const { region, own } = await regionWithOwn(t);
    const { client } = region;
    const ImageId = own.id;
    const organization = "arn:aws:organizations::444455556666:organization/o-abcdefghij";
    await client.modifyImageAttribute({
      ImageId,
      LaunchPermission: { Add: [{ UserId: friend }, { OrganizationArn: organization }] },
    });
    await client.modifyImageAttribute({
      ImageId,
      Attribute: "launchPermission",
      OperationType: "add",
      UserIds: [friend, "444455556666"],
    });
    assert.deepEqual(await sharedWith(client, ImageId), [organization, friend, "444455556666"]);
    const found = async (user: string) =>
      (await client.describeImages({ ExecutableUsers: [user] })).Images?.map((it) => it.ImageId);
    assert.deepEqual(await found(friend), [ImageId]);
    assert.deepEqual(await found("999900001111"), []);

    await client.modifyImageAttribute({
      ImageId,
      OperationType: "remove",
      UserIds: ["444455556666"],
    });
    await client.modifyImageAttribute({ ImageId, LaunchPermission: { Remove: [{ UserId: friend }] } });
    assert.deepEqual(await sharedWith(client, ImageId), [organization]);
    await client.resetImageAttribute({ ImageId, Attribute: "launchPermission" });
    assert.deepEqual(await sharedWith(client, ImageId), []);
  },
);

test(
  "accounts named without an operation beside a permission, as Packer does, change nothing more",
  limit,
  async (t) => {
    const { region, own } = await regionWithOwn(t);
    const account = "123456789012";
    const LaunchPermission = { Add: [{ UserId: account }] };
    await region.client.modifyImageAttribute({ ImageId: own.id, UserIds: [account], LaunchPermission });
    const asked = { ImageId: own.id, Attribute: "launchPermission" } as const;
    assert.deepEqual(
      (await region.client.describeImageAttribute(asked)).LaunchPermissions,
      LaunchPermission.Add,
    );
  },
);

test("an image becomes everyone's only where the account has said that this may be", limit, async (t) => {
  const { region, own } = await regionWithOwn(t);
  const { client } = region;
  const share: ModifyImageAttributeCommandInput = {
    ImageId: own.id,
    LaunchPermission: { Add: [{ Group: "all" }] },
  };
  const state = async () => (await client.getImageBlockPublicAccessState({})).ImageBlockPublicAccessState;
  assert.equal(await state(), "block-new-sharing");
  await assert.rejects(client.modifyImageAttribute(share), {
    name: "OperationNotPermitted",
    message: /^You can’t publicly share this image because block public access for AMIs is enabled/,
  });
  await client.disableImageBlockPublicAccess({});
  assert.equal(await state(), "unblocked");
  await client.modifyImageAttribute(share);
  const { Images = [] } = await client.describeImages({ ExecutableUsers: ["all"], Owners: ["self"] });
  assert.deepEqual(
    Images.map((it) => [it.ImageId, it.Public]),
    [[own.id, true]],
  );
  await client.enableImageBlockPublicAccess({ ImageBlockPublicAccessState: "block-new-sharing" });
  assert.equal(await state(), "block-new-sharing");
  assert.deepEqual(await sharedWith(client, own.id), ["all"], "what is shared stays so");
});

test("attributes are changed one at a time, and nonsense changes nothing", limit, async (t) => {
  const { region, own } = await regionWithOwn(t);
  const { client } = region;
  const ImageId = own.id;
  await client.modifyImageAttribute({ ImageId, Description: { Value: "built on Thursday" } });
  await client.modifyImageAttribute({ ImageId, Attribute: "imdsSupport", Value: "v2.0" });
  const refused: [input: Partial<ModifyImageAttributeCommandInput>, code: string][] = [
    [{}, "InvalidParameterCombination"],
    [{ Description: { Value: "x" }, ImdsSupport: { Value: "v2.0" } }, "InvalidParameterCombination"],
    [{ ImdsSupport: { Value: "v1.0" } }, "InvalidParameterValue"],
    [{ Description: { Value: "x".repeat(256) } }, "InvalidParameterValue"],
    [{ UserIds: [friend] }, "InvalidParameterCombination"],
    [{ OperationType: "add", UserIds: ["me"] }, "InvalidAMIAttributeItemValue"],
    [{ OperationType: "add", UserGroups: ["some"] }, "InvalidAMIAttributeItemValue"],
  ];
  for (const [input, name] of refused)
    await assert.rejects(client.modifyImageAttribute({ ImageId, ...input }), { name });
  const { Images: [image] = [] } = await client.describeImages({ ImageIds: [ImageId] });
  assert.deepEqual([image?.Description, image?.ImdsSupport], ["built on Thursday", "v2.0"]);
  const attributes = [
    "description",
    "bootMode",
    "imdsSupport",
    "deregistrationProtection",
    "sriovNetSupport",
  ];
  const values = await Promise.all(
    attributes.map(async (name) => {
      const asked = await client.describeImageAttribute({ ImageId, Attribute: name as "description" });
      return Object.values(asked).find((it) => it?.Value)?.Value;
    }),
  );
  assert.deepEqual(values, ["built on Thursday", "uefi", "v2.0", "disabled", "simple"]);
  await assert.rejects(client.describeImageAttribute({ ImageId: testImage.id, Attribute: "description" }), {
    name: "AuthFailure",
    message: `Not authorized for image:${testImage.id}`,
  });
});

test(
  "instances of an image that supports IMDSv2 have only that, unless their launch says otherwise",
  limit,
  async (t) => {
    const { region, own } = await regionWithOwn(t);
    const { client } = region;
    await client.modifyImageAttribute({ ImageId: own.id, ImdsSupport: { Value: "v2.0" } });
    const said = async (MetadataOptions = {}) => {
      const { Instances: [it] = [] } = await client.runInstances({ ...launchOf(own.id), MetadataOptions });
      return [it?.MetadataOptions?.HttpTokens, it?.MetadataOptions?.HttpPutResponseHopLimit];
    };
    assert.deepEqual(await said(), ["required", 2]);
    assert.deepEqual(await said({ HttpTokens: "optional", HttpPutResponseHopLimit: 1 }), ["optional", 1]);
  },
);

test(
  "of a disabled image nothing is launched, and nobody sees it who does not ask; enabled, it is private",
  limit,
  async (t) => {
    const { region, own } = await regionWithOwn(t);
    const { client } = region;
    const ImageId = own.id;
    await client.modifyImageAttribute({ ImageId, LaunchPermission: { Add: [{ UserId: friend }] } });
    assert.equal((await client.disableImage({ ImageId })).Return, true);
    const seen = async (IncludeDisabled: boolean) =>
      (await client.describeImages({ Owners: ["self"], IncludeDisabled })).Images?.map((it) => it.State);
    assert.deepEqual([await seen(false), await seen(true)], [[], ["disabled"]]);
    await assert.rejects(client.runInstances(launchOf(ImageId)), { name: "InvalidAMIID.Unavailable" });
    await assert.rejects(
      client.modifyImageAttribute({ ImageId, LaunchPermission: { Add: [{ UserId: friend }] } }),
      { name: "InvalidAMIID.Unavailable" },
    );
    await client.enableImage({ ImageId });
    assert.deepEqual(await sharedWith(client, ImageId), []);
    assert.equal((await client.runInstances(launchOf(ImageId))).Instances?.length, 1);
  },
);

test(
  "an image is deprecated at a minute to come, within ten years, and its owner goes on seeing it",
  limit,
  async (t) => {
    const { region, own } = await regionWithOwn(t);
    const { client } = region;
    const ImageId = own.id;
    const year = new Date().getUTCFullYear();
    for (const DeprecateAt of [new Date(0), new Date(Date.UTC(year + 11, 0))])
      await assert.rejects(client.enableImageDeprecation({ ImageId, DeprecateAt }), {
        name: "InvalidParameterValue",
      });
    await client.enableImageDeprecation({
      ImageId,
      DeprecateAt: new Date(Date.UTC(year + 1, 0, 1, 12, 0, 40)),
    });
    const at = async () => (await client.describeImages({ Owners: ["self"] })).Images?.[0]?.DeprecationTime;
    assert.equal(await at(), `${year + 1}-01-01T12:01:00.000Z`);
    await client.disableImageDeprecation({ ImageId });
    assert.equal(await at(), undefined);
  },
);

test(
  "a protected image is not deregistered, with a cooldown not for a day after either",
  limit,
  async (t) => {
    const { region, own } = await regionWithOwn(t);
    const { client } = region;
    const ImageId = own.id;
    const protection = async () =>
      (await client.describeImages({ ImageIds: [ImageId] })).Images?.[0]?.DeregistrationProtection;
    await client.enableImageDeregistrationProtection({ ImageId, WithCooldown: true });
    assert.equal(await protection(), "enabled-with-cooldown");
    await client.disableImageDeregistrationProtection({ ImageId });
    await assert.rejects(client.deregisterImage({ ImageId }), { name: "OperationNotPermitted" });

    await client.enableImageDeregistrationProtection({ ImageId });
    assert.equal(await protection(), "enabled-without-cooldown");
    await assert.rejects(client.deregisterImage({ ImageId }), { name: "OperationNotPermitted" });
    await client.disableImageDeregistrationProtection({ ImageId });
    assert.equal(await protection(), "disabled");
    assert.equal((await client.deregisterImage({ ImageId })).Return, true);
  },
);

test(
  "an account allows images of others by criteria, and looks first at which those are",
  limit,
  async (t) => {
    const { region, own } = await regionWithOwn(t);
    const { client } = region;
    const none = [{ ImageProviders: ["none"] }];
    const shown = async () => {
      const { Images = [] } = await client.describeImages({});
      return new Map(Images.map((it) => [it.ImageId, it.ImageAllowed]));
    };
    const allowed = (provided: boolean | undefined, mine: boolean | undefined) =>
      new Map([
        [testImage.id, provided],
        [own.id, mine],
      ]);
    assert.deepEqual(await shown(), allowed(undefined, undefined));
    await client.replaceImageCriteriaInAllowedImagesSettings({ ImageCriteria: none });
    await client.enableAllowedImagesSettings({ AllowedImagesSettingsState: "audit-mode" });
    assert.deepEqual(await shown(), allowed(false, true));
    await client.runInstances(launchOf(testImage.id));

    await client.enableAllowedImagesSettings({ AllowedImagesSettingsState: "enabled" });
    assert.deepEqual(await shown(), new Map([[own.id, true]]));
    await assert.rejects(client.runInstances(launchOf(testImage.id)), { name: "InvalidAMIID.NotFound" });
    await client.replaceImageCriteriaInAllowedImagesSettings({
      ImageCriteria: [{ ImageProviders: ["amazon"], ImageNames: ["debian-*"] }],
    });
    assert.deepEqual(await shown(), allowed(true, true));
    const { State, ImageCriteria = [] } = await client.getAllowedImagesSettings({});
    assert.deepEqual([State, ImageCriteria[0]?.ImageNames], ["enabled", ["debian-*"]]);
    await client.disableAllowedImagesSettings({});
    assert.deepEqual(await shown(), allowed(undefined, undefined));
  },
);

test("criteria that AWS would not take are refused", limit, async (t) => {
  const { client } = await testRegion(t);
  for (const criterion of [
    { ImageProviders: ["none", "amazon"] },
    { ImageProviders: ["somebody"] },
    { ImageProviders: Array.from({ length: 201 }, () => "amazon") },
    { ImageNames: ["a?"] },
    { ImageNames: ["with, comma"] },
    { MarketplaceProductCodes: ["not-a-code"] },
  ])
    await assert.rejects(client.replaceImageCriteriaInAllowedImagesSettings({ ImageCriteria: [criterion] }), {
      name: "InvalidParameterValue",
    });
  assert.deepEqual((await client.getAllowedImagesSettings({})).ImageCriteria, []);
});
