import type { RunInstancesCommandInput } from "@aws-sdk/client-ec2";
import type { TouchedResource } from "#api/operation.ts";
import type { Ec2Context } from "../context.ts";
import { imageKeys, type ImageRecord } from "../image/image.ts";
import { keyNameClaim } from "../key-pair/key-pair.ts";
import { launchTemplateArn } from "../launch-template/launch-template.ts";
import { networkInterfaceArn } from "../network-interface/network-interface.ts";
import { placementGroupArn } from "../placement-group/placement-group.ts";
import { securityGroupArn } from "../security-group/security-group.ts";
import { subnetArn } from "../subnet/subnet.ts";
import type { VolumeRecord } from "../volume/volume.ts";
import { volumeArn, volumeKeys } from "../volume/volume.ts";
import { vpcArn } from "../vpc/vpc.ts";
import { instanceArn, instanceKeys, type InstanceRecord } from "./instance.ts";
import type { LaunchNetwork } from "./launch-network.ts";

/** One launch of how many instances ever: they are alike. */
export interface TouchingLaunch {
  readonly request: RunInstancesCommandInput;
  /** The request with its template in it. */
  readonly input: RunInstancesCommandInput;
  readonly instance: InstanceRecord;
  readonly volumes: readonly VolumeRecord[];
  readonly networks: readonly LaunchNetwork[];
  readonly image: ImageRecord;
}

/** All that a launch must be allowed on. AWS, "Actions, resources, and condition keys for Amazon EC2: RunInstances". */
export function launchTouches(launch: TouchingLaunch, context: Ec2Context): TouchedResource[] {
  const { input, instance, volumes, networks, image } = launch;
  const { records, region, accountId } = context;
  const template = instance.tags["aws:ec2launchtemplate:id"];
  const everywhere = {
    "ec2:InstanceType": instance.type,
    ...(template !== undefined && {
      "ec2:LaunchTemplate": launchTemplateArn(template, context),
      "ec2:IsLaunchTemplateResource": "true",
    }),
  };
  const keyPair = records.get("key-pair", records.claimed(keyNameClaim(instance.keyName ?? "")) ?? "");
  const groups = new Set(networks.flatMap(({ groupIds }) => groupIds));
  const touched: TouchedResource[] = [
    {
      arn: instanceArn("*", context),
      keys: { ...instanceKeys(instance), ...templateTags(launch, "instance") },
    },
    {
      arn: `arn:aws:ec2:${region}::image/${image.id}`,
      tags: image.tags,
      keys: imageKeys(image),
    },
    ...networks.flatMap(({ subnet, existing, publicAddress }): TouchedResource[] => [
      {
        arn: subnetArn(subnet, context),
        tags: subnet.tags,
      },
      {
        arn: networkInterfaceArn(existing?.id ?? "*", context),
        ...(existing && { tags: existing.tags }),
        keys: {
          "ec2:Vpc": vpcArn(subnet.vpcId, context),
          "ec2:Subnet": subnetArn(subnet, context),
          "ec2:AvailabilityZone": subnet.zone,
          // Whoever says it, the request or the subnet.
          ...(!existing && { "ec2:AssociatePublicIpAddress": String(publicAddress) }),
          ...templateTags(launch, "network-interface"),
        },
      },
    ]),
    ...[...groups].map((id) => ({
      arn: securityGroupArn(id, context),
      tags: records.get("security-group", id)?.tags ?? {},
    })),
    ...volumes.map((volume) => ({
      arn: volumeArn("*", context),
      keys: {
        ...volumeKeys(volume, context),
        ...templateTags(launch, "volume"),
      },
    })),
    ...(keyPair
      ? [
          {
            arn: `arn:aws:ec2:${region}:${accountId}:key-pair/${keyPair.name}`,
            tags: keyPair.tags,
          },
        ]
      : []),
    ...(template === undefined
      ? []
      : [
          {
            arn: launchTemplateArn(template, context),
            tags: records.get("launch-template", template)?.tags ?? {},
          },
        ]),
    ...(input.Placement?.GroupName ? [{ arn: placementGroupArn(input.Placement.GroupName, context) }] : []),
  ];
  return [
    ...touched.map((it) => ({ ...it, keys: { ...everywhere, ...it.keys } })),
    ...templateTaggings(launch, context),
  ];
}

/** Tags that the template gives are asked about as those of the request are. */
function templateTags(
  { request, input }: TouchingLaunch,
  type: string,
): Readonly<Record<string, string | readonly string[]>> {
  if (request.TagSpecifications === input.TagSpecifications) return {};
  const tags = (input.TagSpecifications ?? [])
    .filter((it) => it.ResourceType === type)
    .flatMap(({ Tags = [] }) => Tags);
  if (tags.length === 0) return {};
  return {
    ...Object.fromEntries(tags.map(({ Key = "", Value = "" }) => [`aws:RequestTag/${Key}`, Value])),
    "aws:TagKeys": tags.flatMap(({ Key }) => Key ?? []),
  };
}

function templateTaggings(launch: TouchingLaunch, { region, accountId }: Ec2Context): TouchedResource[] {
  const types = ["instance", "volume", "network-interface"].filter(
    (type) => Object.keys(templateTags(launch, type)).length > 0,
  );
  return types.map((type) => ({
    action: "ec2:CreateTags",
    arn: `arn:aws:ec2:${region}:${accountId}:${type}/*`,
    keys: { "ec2:CreateAction": "RunInstances", ...templateTags(launch, type) },
  }));
}
