import type {
  CpuOptionsRequest,
  InstanceMetadataOptionsRequest,
  Placement,
  RunInstancesRequest,
} from "@aws-sdk/client-ec2";
import type { ApiError } from "#api/error.ts";
import { invalidCombination, invalidParameter, unsupportedParameter } from "../errors.ts";
import type { InstanceType } from "../instance-type/instance-type.ts";
import type { Shape } from "./capacity.ts";
import type { MetadataOptions } from "./instance.ts";

/** Parameters of RunInstances that Croft gives their meaning; any other is refused, never ignored. */
const served: ReadonlySet<string> = new Set<keyof RunInstancesRequest>([
  "BlockDeviceMappings",
  "ClientToken",
  "CpuOptions",
  "CreditSpecification",
  "DisableApiStop",
  "DisableApiTermination",
  "DryRun",
  "EbsOptimized",
  "IamInstanceProfile",
  "ImageId",
  "InstanceInitiatedShutdownBehavior",
  "InstanceType",
  "KeyName",
  "MaintenanceOptions",
  "MaxCount",
  "MetadataOptions",
  "MinCount",
  "Monitoring",
  "NetworkInterfaces",
  "Placement",
  "PrivateDnsNameOptions",
  "PrivateIpAddress",
  "SecurityGroupIds",
  "SecurityGroups",
  "SubnetId",
  "TagSpecifications",
  "UserData",
]);
const servedInterface: ReadonlySet<string> = new Set([
  "AssociatePublicIpAddress",
  "ConnectionTrackingSpecification",
  "DeleteOnTermination",
  "Description",
  "DeviceIndex",
  "Groups",
  "InterfaceType",
  "Ipv4PrefixCount",
  "Ipv4Prefixes",
  "NetworkCardIndex",
  "NetworkInterfaceId",
  "PrivateIpAddress",
  "PrivateIpAddresses",
  "SecondaryPrivateIpAddressCount",
  "SubnetId",
]);
const servedPlacement: ReadonlySet<string> = new Set<keyof Placement>([
  "AvailabilityZone",
  "AvailabilityZoneId",
  "GroupId",
  "GroupName",
  "PartitionNumber",
  "Tenancy",
]);

/** Settings that ask for what every instance here is anyway. */
const alreadySo: Readonly<Record<string, readonly unknown[]>> = {
  "CapacityReservationSpecification.CapacityReservationPreference": ["open", "none"],
};

export function refuseUnserved(input: RunInstancesRequest): void {
  onlyServed(input, served, "");
  for (const it of input.NetworkInterfaces ?? []) onlyServed(it, servedInterface, "NetworkInterfaces.");
  onlyServed(input.Placement ?? {}, servedPlacement, "Placement.");
  if ((input.Placement?.Tenancy ?? "default") !== "default") throw unsupportedParameter("Placement.Tenancy");
}

function onlyServed(given: object, names: ReadonlySet<string>, prefix: string): void {
  for (const [name, value] of Object.entries(given))
    if (!names.has(name) && !isEmpty(value, prefix + name)) throw unsupportedParameter(prefix + name);
}

/** Nothing is asked for by an empty list or text, zero of something, a switch that is off, or a structure of only those. */
function isEmpty(value: unknown, name: string): boolean {
  if (value === undefined || value === false || value === 0 || value === "") return true;
  if (Array.isArray(value)) return value.length === 0;
  if (typeof value === "object" && value !== null && !(value instanceof Date))
    return Object.entries(value).every(([member, of]) => isEmpty(of, `${name}.${member}`));
  return alreadySo[name]?.includes(value) ?? false;
}

/** EC2's limit is 16 KiB before base64. */
const userDataBytes = 16 * 1024;

export function checkedUserData(text: string | undefined): string | undefined {
  if (text === undefined || text === "") return undefined;
  if (!/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(text))
    throw invalidParameter("Invalid BASE64 encoding of user data");
  const bytes = Buffer.from(text, "base64");
  if (bytes.length > userDataBytes) throw invalidParameter(`User data is limited to ${userDataBytes} bytes`);
  return bytes.toString("base64");
}

/** What a request says of the options, over what they were. */
export function metadataOptions(
  given: InstanceMetadataOptionsRequest = {},
  before: MetadataOptions = defaultMetadataOptions,
): MetadataOptions {
  if (given.HttpProtocolIpv6 === "enabled") throw unsupportedParameter("HttpProtocolIpv6=enabled");
  const hopLimit = given.HttpPutResponseHopLimit ?? before.hopLimit;
  if (hopLimit < 1 || hopLimit > 64)
    throw invalidParameter(`Value (${hopLimit}) for parameter HttpPutResponseHopLimit is invalid.`);
  const { HttpTokens, HttpEndpoint, InstanceMetadataTags } = given;
  return {
    tokens:
      HttpTokens === undefined ? before.tokens : oneOf(["optional", "required"], HttpTokens, "HttpTokens"),
    enabled: isEnabled(HttpEndpoint, "HttpEndpoint") ?? before.enabled,
    hopLimit,
    tags: isEnabled(InstanceMetadataTags, "InstanceMetadataTags") ?? before.tags,
  };
}

const defaultMetadataOptions = { tokens: "optional", enabled: true, hopLimit: 1, tags: false } as const;
/** Of an image that says it supports IMDSv2: containers on the instance reach it as well. */
export const ofImdsV2 = { ...defaultMetadataOptions, tokens: "required", hopLimit: 2 } as const;

const isEnabled = (value: string | undefined, parameter: string) =>
  value === undefined ? undefined : oneOf(["enabled", "disabled"], value, parameter) === "enabled";

/** Those of the type, or fewer of its cores, or one thread of each. */
export function chosenShape(options: CpuOptionsRequest | undefined, type: InstanceType): Shape {
  const { CoreCount: cores, ThreadsPerCore: threads, ...others } = options ?? {};
  if (!isEmpty(others, "CpuOptions")) throw unsupportedParameter(`CpuOptions.${Object.keys(others).join()}`);
  if (cores === undefined && threads === undefined)
    return { cpus: type.vcpus, threadsPerCore: type.threadsPerCore, memoryMiB: type.memoryMiB };
  if (cores === undefined || threads === undefined)
    throw invalidCombination("CpuOptions needs both CoreCount and ThreadsPerCore.");
  if (!Number.isInteger(cores) || cores < 1 || cores > type.cores)
    throw invalidParameter(
      `Value (${cores}) for parameter CoreCount is invalid. The instance type '${type.id}' has ${type.cores} cores.`,
    );
  if (threads !== 1 && threads !== type.threadsPerCore)
    throw invalidParameter(
      `Value (${threads}) for parameter ThreadsPerCore is invalid. The instance type '${type.id}' has ${type.threadsPerCore} threads per core.`,
    );
  return { cpus: cores * threads, threadsPerCore: threads, memoryMiB: type.memoryMiB };
}

export function oneOf<T extends string>(values: readonly T[], value: string, parameter: string): T {
  const found = values.find((it) => it === value);
  if (found === undefined) throw badValue(value, parameter);
  return found;
}

const badValue = (value: string, parameter: string): ApiError =>
  invalidParameter(`Value (${value}) for parameter ${parameter} is invalid.`);
