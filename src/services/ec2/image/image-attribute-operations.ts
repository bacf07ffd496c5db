import type * as ec2 from "@aws-sdk/client-ec2";
import type {
  ImageAttribute,
  ImageAttributeName,
  LaunchPermission,
  ModifyImageAttributeCommandInput,
} from "@aws-sdk/client-ec2";
import type { OperationsOf } from "#api/operation.ts";
import type { Ec2Context } from "../context.ts";
import {
  encryptedImageNotPublic,
  imageKeyNotShared,
  imageNotAuthorized,
  imageNotFound,
  imageNotLaunchable,
  imageNotShared,
  invalidCombination,
  invalidLaunchPermission,
  invalidParameter,
} from "../errors.ts";
import { blocksPublicAccess } from "./image-settings.ts";
import { mappingsOf } from "./image-device.ts";
import { isAwsManaged } from "../volume/encryption.ts";
import { describeProtection, imageArn, offeredImages, snapshotsOf, type ImageRecord } from "./image.ts";
import { changedImage, ownImage } from "./own-image.ts";

export const imageAttributeOperations = {
  DescribeImageAttribute: {
    resolve({ ImageId: id, Attribute: attribute }, context) {
      const image = ownImage(id, context);
      return { touches: [{ arn: imageArn(id, context), tags: image.tags }], image, attribute };
    },
    answer: ({ image, attribute }: { image: ImageRecord; attribute: ImageAttributeName }, context) => ({
      ImageId: image.id,
      ...described[attribute](image, context),
    }),
  },

  ModifyImageAttribute: {
    resolve: (input, context) =>
      changedImage(input.ImageId, context, (image) => modified(image, input, context)),
    answer: () => ({}),
  },

  /** Of launch permissions, which are all that can be reset: nobody but its owner then has the image. */
  ResetImageAttribute: {
    resolve: ({ ImageId: id }, context) =>
      changedImage(id, context, ({ launchPermissions: _, ...image }) => image),
    answer: () => ({}),
  },
  /** The account gives up what was shared with it by its number; what is shared with everybody stays so. */
  CancelImageLaunchPermission: {
    resolve({ ImageId: id }, { records, accountId, region }) {
      const seen = offeredImages(records).find((it) => it.id === id);
      if (!seen) throw imageNotFound([id]);
      const entry = records.whosever("image", id);
      const permissions = entry?.value.launchPermissions ?? [];
      const left = permissions.filter(({ UserId }) => UserId !== accountId);
      if (!entry || left.length === permissions.length) throw imageNotAuthorized(id);
      const { key, revision, value } = entry;
      return {
        touches: [{ arn: imageArn(id, { region }), tags: seen.tags }],
        transaction: {
          expect: [{ at: [key, revision] }],
          put: [{ key, value: { ...value, launchPermissions: left } }],
        },
      };
    },
    answer: () => ({ Return: true }),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

const described: Record<ImageAttributeName, (image: ImageRecord, context: Ec2Context) => ImageAttribute> = {
  blockDeviceMapping: (it, { records }) => ({ BlockDeviceMappings: mappingsOf(it, records) }),
  bootMode: ({ bootMode }) => ({ BootMode: { Value: bootMode } }),
  deregistrationProtection: (it, { now }) => ({
    DeregistrationProtection: { Value: describeProtection(it, now()) },
  }),
  description: ({ description }) => ({ Description: { Value: description } }),
  imdsSupport: ({ imdsSupport }) => ({ ImdsSupport: { Value: imdsSupport } }),
  kernel: () => ({ KernelId: {} }),
  lastLaunchedTime: ({ lastLaunchedAt }) => ({ LastLaunchedTime: { Value: lastLaunchedAt } }),
  launchPermission: ({ launchPermissions = [] }) => ({ LaunchPermissions: [...launchPermissions] }),
  productCodes: () => ({ ProductCodes: [] }),
  ramdisk: () => ({ RamdiskId: {} }),
  sriovNetSupport: () => ({ SriovNetSupport: { Value: "simple" } }),
  tpmSupport: () => ({ TpmSupport: {} }),
  uefiData: () => ({ UefiData: {} }),
};

/** One attribute at a time, in a member of its own or by `Attribute` and the members that go with it. */
function modified(
  image: ImageRecord,
  input: ModifyImageAttributeCommandInput,
  context: Ec2Context,
): ImageRecord {
  const changes = [descriptionOf(input), permissionsOf(input), imdsSupportOf(input)].filter(
    (it) => it !== undefined,
  );
  const [change, ...more] = changes;
  if (!change) throw invalidCombination("No attributes specified.");
  if (more.length > 0) throw invalidCombination("Fields for multiple attribute types specified");
  return change(image, context);
}

type Change = (image: ImageRecord, context: Ec2Context) => ImageRecord;

function descriptionOf({
  Description,
  Attribute,
  Value,
}: ModifyImageAttributeCommandInput): Change | undefined {
  const description = Description?.Value ?? (Attribute === "description" ? (Value ?? "") : undefined);
  if (description === undefined) return undefined;
  if (description.length > 255)
    throw invalidParameter("Invalid attribute value: the description is longer than 255 characters.");
  return (image) => ({ ...image, description });
}

function imdsSupportOf({ ImdsSupport, Attribute, Value }: ModifyImageAttributeCommandInput) {
  const support = ImdsSupport?.Value ?? (Attribute === "imdsSupport" ? Value : undefined);
  if (support === undefined) return undefined;
  if (support !== "v2.0")
    throw invalidParameter(`Value (${support}) for parameter imdsSupport is invalid. Use v2.0.`);
  return (image: ImageRecord): ImageRecord => ({ ...image, imdsSupport: support });
}

function permissionsOf(input: ModifyImageAttributeCommandInput): Change | undefined {
  const listed: LaunchPermission[] = [
    ...(input.UserIds ?? []).map((UserId) => ({ UserId })),
    ...(input.UserGroups ?? []).map((Group) => ({ Group: Group as "all" })),
    ...(input.OrganizationArns ?? []).map((OrganizationArn) => ({ OrganizationArn })),
    ...(input.OrganizationalUnitArns ?? []).map((OrganizationalUnitArn) => ({ OrganizationalUnitArn })),
  ];
  if (!input.LaunchPermission && listed.length === 0) return undefined;
  // Packer names the accounts here as well.
  if (listed.length > 0 && input.OperationType === undefined && !input.LaunchPermission)
    throw invalidCombination("The parameter OperationType is required.");
  const by = (type: "add" | "remove") => (input.OperationType === type ? listed : []);
  const add = [...(input.LaunchPermission?.Add ?? []), ...by("add")].map(checkedPermission);
  const remove = [...(input.LaunchPermission?.Remove ?? []), ...by("remove")].map(checkedPermission);
  return (image, context) => {
    if (add.length > 0 && image.disabled) throw imageNotLaunchable(image.id);
    if (add.some(({ Group }) => Group === "all") && blocksPublicAccess(context)) throw imageNotShared();
    if (add.length > 0)
      refuseSharing(
        image,
        add.some(({ Group }) => Group === "all"),
        context,
      );
    const gone = new Set([...remove, ...add].map(nameOf));
    const kept = (image.launchPermissions ?? []).filter((it) => !gone.has(nameOf(it)));
    const added = [...new Map(add.map((it) => [nameOf(it), it])).values()];
    return { ...image, launchPermissions: [...kept, ...added] };
  };
}

/** Nobody else may use the key that AWS manages, and nobody at all shares a key with everybody. */
function refuseSharing(image: ImageRecord, withEverybody: boolean, context: Ec2Context): void {
  const keys = snapshotsOf(image, context.records).flatMap(({ encryption }) => encryption ?? []);
  if (keys.length > 0 && withEverybody) throw encryptedImageNotPublic();
  if (keys.some((it) => isAwsManaged(it, context))) throw imageKeyNotShared();
}

const nameOf = ({ UserId, Group, OrganizationArn, OrganizationalUnitArn }: LaunchPermission): string =>
  [UserId, Group, OrganizationArn, OrganizationalUnitArn].find((it) => it !== undefined) ?? "";

function checkedPermission(permission: LaunchPermission): LaunchPermission {
  const { UserId: user, Group: group, OrganizationArn: org, OrganizationalUnitArn: unit } = permission;
  const given = Object.values({ user, group, org, unit }).filter((it) => it !== undefined);
  if (given.length !== 1)
    throw invalidCombination("A launch permission names one account, group, organization or unit.");
  if (user !== undefined && !/^\d{12}$/.test(user)) throw invalidLaunchPermission(user, "userId");
  if (group !== undefined && group !== "all") throw invalidLaunchPermission(group, "userGroup");
  if (org !== undefined && !/^arn:aws:organizations::\d{12}:organization\/o-[a-z0-9]{10,32}$/.test(org))
    throw invalidLaunchPermission(org, "organizationArn");
  if (
    unit !== undefined &&
    !/^arn:aws:organizations::\d{12}:ou\/o-[a-z0-9]{10,32}\/ou-[0-9a-z]{4,32}-[0-9a-z]{8,32}$/.test(unit)
  )
    throw invalidLaunchPermission(unit, "organizationalUnitArn");
  return permission;
}
