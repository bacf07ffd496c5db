import type {
  LaunchTemplate,
  LaunchTemplateVersion,
  RequestLaunchTemplateData,
  ResponseLaunchTemplateData,
} from "@aws-sdk/client-ec2";
import { clientTokenClaim } from "../client-token.ts";
import type { FilterTable } from "../filters.ts";
import type { Ec2Records, ResourceRecord, Scope } from "../records.ts";
import { describeTags } from "../tag/tag.ts";

/** What an instance is launched from. Its versions are records of their own, and never change. */
export interface LaunchTemplateRecord extends ResourceRecord {
  readonly id: `lt-${string}`;
  readonly name: string;
  readonly defaultVersion: number;
  /** The highest there is; a number given once is not given again. */
  readonly latestVersion: number;
  readonly lastNumber: number;
  readonly clientToken: string;
  /** The client tokens of its last modifications, newest first. */
  readonly modifiedBy?: readonly string[];
}

export interface LaunchTemplateVersionRecord extends ResourceRecord {
  /** The template's id, a slash and the number. */
  readonly id: `lt-${string}/${number}`;
  readonly templateId: `lt-${string}`;
  readonly number: number;
  readonly description?: string;
  readonly data: RequestLaunchTemplateData;
  readonly clientToken: string;
}

export const launchTemplateNameClaim = (name: string) => `launch-template-name/${name}`;

/** A version's record and its client token's claim. */
export const versionKeys = (
  { id, clientToken }: LaunchTemplateVersionRecord,
  records: Ec2Records,
): string[] => [
  records.key("launch-template-version", id),
  ...(clientToken === ""
    ? []
    : [records.key("claim", clientTokenClaim("CreateLaunchTemplateVersion", clientToken))]),
];

export const launchTemplateArn = (id: string, { region, accountId }: Scope) =>
  `arn:aws:ec2:${region}:${accountId}:launch-template/${id}`;

const createdBy = ({ accountId }: Scope) => `arn:aws:iam::${accountId}:root`;

export const describeLaunchTemplate = (template: LaunchTemplateRecord, scope: Scope): LaunchTemplate => ({
  LaunchTemplateId: template.id,
  LaunchTemplateName: template.name,
  CreateTime: new Date(template.createdAt),
  CreatedBy: createdBy(scope),
  DefaultVersionNumber: template.defaultVersion,
  LatestVersionNumber: template.latestVersion,
  Tags: describeTags(template.tags),
  Operator: { Managed: false },
});

export const describeLaunchTemplateVersion = (
  { templateId, number, description, createdAt, data }: LaunchTemplateVersionRecord,
  { name, defaultVersion }: LaunchTemplateRecord,
  scope: Scope,
): LaunchTemplateVersion => ({
  LaunchTemplateId: templateId,
  LaunchTemplateName: name,
  VersionNumber: number,
  VersionDescription: description,
  CreateTime: new Date(createdAt),
  CreatedBy: createdBy(scope),
  DefaultVersion: number === defaultVersion,
  LaunchTemplateData: describeData(data),
  Operator: { Managed: false },
});

/** As it was given. Times were kept as text. */
function describeData({ InstanceMarketOptions: market, ...data }: RequestLaunchTemplateData) {
  const until = market?.SpotOptions?.ValidUntil;
  return {
    ...data,
    ...(market && {
      InstanceMarketOptions: {
        ...market,
        ...(until && { SpotOptions: { ...market.SpotOptions, ValidUntil: new Date(until) } }),
      },
    }),
  } satisfies ResponseLaunchTemplateData;
}

export const launchTemplateFilters: FilterTable<LaunchTemplateRecord> = {
  "create-time": (it) => it.createdAt,
  "launch-template-name": (it) => it.name,
};

export const launchTemplateVersionFilters = (
  template: (id: string) => LaunchTemplateRecord | undefined,
): FilterTable<LaunchTemplateVersionRecord> => ({
  "create-time": (it) => it.createdAt,
  "ebs-optimized": ({ data }) => (data.EbsOptimized === undefined ? undefined : String(data.EbsOptimized)),
  "http-endpoint": ({ data }) => data.MetadataOptions?.HttpEndpoint,
  "http-protocol-ipv4": ({ data }) => data.MetadataOptions?.HttpEndpoint,
  "host-resource-group-arn": ({ data }) => data.Placement?.HostResourceGroupArn,
  "http-tokens": ({ data }) => data.MetadataOptions?.HttpTokens,
  "iam-instance-profile": ({ data }) => data.IamInstanceProfile?.Arn ?? data.IamInstanceProfile?.Name,
  "image-id": ({ data }) => data.ImageId,
  "instance-type": ({ data }) => data.InstanceType,
  "is-default-version": (it) => String(template(it.templateId)?.defaultVersion === it.number),
  "kernel-id": ({ data }) => data.KernelId,
  "license-configuration-arn": ({ data }) =>
    data.LicenseSpecifications?.map((license) => license.LicenseConfigurationArn),
  "network-card-index": ({ data }) =>
    data.NetworkInterfaces?.map((nic) =>
      nic.NetworkCardIndex === undefined ? undefined : String(nic.NetworkCardIndex),
    ),
  "ram-disk-id": ({ data }) => data.RamDiskId,
});
