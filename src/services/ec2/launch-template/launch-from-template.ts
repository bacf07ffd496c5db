import type {
  BlockDeviceMapping,
  RunInstancesCommandInput,
  RequestLaunchTemplateData,
  TagSpecification,
} from "@aws-sdk/client-ec2";
import type { Ec2Context } from "../context.ts";
import type { Tags } from "../tag/tag.ts";
import { findLaunchTemplate, findVersion } from "./find-launch-template.ts";

/** A launch with its template's parameters in it, and the tags by which AWS marks what came from a template. */
export interface TemplateLaunch {
  readonly input: RunInstancesCommandInput;
  readonly tags: Tags;
}

/**
 * What the request says goes before what the template says: block devices by their names, metadata options and placement by
 * their members, tags by their keys, and every other parameter whole.
 */
export function launchFromTemplate(
  { LaunchTemplate: named, ...request }: RunInstancesCommandInput,
  context: Ec2Context,
): TemplateLaunch {
  if (!named) return { input: request, tags: {} };
  const { value: template } = findLaunchTemplate(named, context);
  const { number, data } = findVersion(template, named.Version ?? "$Default", context);
  return {
    input: merged(asRequest(data), request),
    tags: { "aws:ec2launchtemplate:id": template.id, "aws:ec2launchtemplate:version": String(number) },
  };
}

/** A template's data are parameters of RunInstances, but for two names. */
function asRequest({
  RamDiskId,
  ElasticGpuSpecifications,
  ...data
}: RequestLaunchTemplateData): Partial<RunInstancesCommandInput> {
  return {
    // Enumerations of templates have names of their own, with the same values.
    ...(data as Partial<RunInstancesCommandInput>),
    ...(RamDiskId !== undefined && { RamdiskId: RamDiskId }),
    ...(ElasticGpuSpecifications && {
      ElasticGpuSpecification: ElasticGpuSpecifications.map(({ Type }) => ({ Type })),
    }),
  };
}

function merged(
  template: Partial<RunInstancesCommandInput>,
  request: RunInstancesCommandInput,
): RunInstancesCommandInput {
  const said = Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined));
  // Groups by name and by id are one thing said in two ways.
  const { SecurityGroupIds, SecurityGroups, ...rest } = template;
  const namesGroups = request.SecurityGroupIds !== undefined || request.SecurityGroups !== undefined;
  return {
    ...rest,
    ...(!namesGroups && { SecurityGroupIds, SecurityGroups }),
    ...said,
    MinCount: request.MinCount,
    MaxCount: request.MaxCount,
    ...bothOf("Placement", template, request),
    ...bothOf("MetadataOptions", template, request),
    BlockDeviceMappings: mergedDevices(template.BlockDeviceMappings, request.BlockDeviceMappings),
    TagSpecifications: mergedTags(template.TagSpecifications, request.TagSpecifications),
  };
}

function bothOf<Name extends "Placement" | "MetadataOptions">(
  name: Name,
  template: Partial<RunInstancesCommandInput>,
  request: RunInstancesCommandInput,
) {
  if (template[name] === undefined && request[name] === undefined) return {};
  return { [name]: { ...template[name], ...request[name] } };
}

function mergedDevices(
  template: readonly BlockDeviceMapping[] = [],
  request: readonly BlockDeviceMapping[] = [],
): BlockDeviceMapping[] {
  const inRequest = new Set(request.map(({ DeviceName }) => DeviceName));
  return [...template.filter(({ DeviceName }) => !inRequest.has(DeviceName)), ...request];
}

function mergedTags(
  template: readonly TagSpecification[] = [],
  request: readonly TagSpecification[] = [],
): TagSpecification[] {
  const added = template.map(({ ResourceType, Tags = [] }) => {
    const said = request.filter((it) => it.ResourceType === ResourceType).flatMap((it) => it.Tags ?? []);
    const keys = new Set(said.map(({ Key }) => Key));
    return { ResourceType, Tags: [...Tags.filter(({ Key }) => !keys.has(Key)), ...said] };
  });
  const types = new Set(template.map(({ ResourceType }) => ResourceType));
  return [...added, ...request.filter(({ ResourceType }) => !types.has(ResourceType))];
}
