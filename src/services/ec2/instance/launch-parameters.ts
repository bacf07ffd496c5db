import type { RunInstancesRequest } from "@aws-sdk/client-ec2";
import type { ApiError } from "#api/error.ts";
import { invalidParameter, unsupportedParameter } from "../errors.ts";
import type { MetadataOptions } from "./instance.ts";

/** Parameters of RunInstances that Croft gives their meaning; any other is refused, never ignored. */
const served: ReadonlySet<string> = new Set<keyof RunInstancesRequest>([
  "BlockDeviceMappings",
  "ClientToken",
  "CreditSpecification",
  "DisableApiStop",
  "DisableApiTermination",
  "DryRun",
  "EbsOptimized",
  "ImageId",
  "InstanceInitiatedShutdownBehavior",
  "InstanceType",
  "KeyName",
  "MaxCount",
  "MetadataOptions",
  "MinCount",
  "Monitoring",
  "NetworkInterfaces",
  "Placement",
  "PrivateIpAddress",
  "SecurityGroupIds",
  "SecurityGroups",
  "SubnetId",
  "TagSpecifications",
  "UserData",
]);
const servedInterface: ReadonlySet<string> = new Set([
  "AssociatePublicIpAddress",
  "DeleteOnTermination",
  "Description",
  "DeviceIndex",
  "Groups",
  "InterfaceType",
  "NetworkCardIndex",
  "PrivateIpAddress",
  "SubnetId",
]);
const servedPlacement: ReadonlySet<string> = new Set(["AvailabilityZone", "AvailabilityZoneId", "Tenancy"]);

export function refuseUnserved(input: RunInstancesRequest): void {
  onlyServed(input, served, "");
  for (const it of input.NetworkInterfaces ?? []) onlyServed(it, servedInterface, "NetworkInterfaces.");
  onlyServed(input.Placement ?? {}, servedPlacement, "Placement.");
  if ((input.Placement?.Tenancy ?? "default") !== "default") throw unsupportedParameter("Placement.Tenancy");
}

function onlyServed(given: object, names: ReadonlySet<string>, prefix: string): void {
  for (const [name, value] of Object.entries(given))
    if (value !== undefined && !names.has(name) && !isEmpty(value)) throw unsupportedParameter(prefix + name);
}

/** An empty list, or a switch that is off, asks for nothing. */
const isEmpty = (value: unknown) => value === false || (Array.isArray(value) && value.length === 0);

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

export function metadataOptions(input: RunInstancesRequest["MetadataOptions"]): MetadataOptions {
  const hopLimit = input?.HttpPutResponseHopLimit ?? 1;
  if (hopLimit < 1 || hopLimit > 64)
    throw invalidParameter(`Value (${hopLimit}) for parameter HttpPutResponseHopLimit is invalid.`);
  return {
    tokens: oneOf(["optional", "required"], input?.HttpTokens ?? "optional", "HttpTokens"),
    enabled: oneOf(["enabled", "disabled"], input?.HttpEndpoint ?? "enabled", "HttpEndpoint") === "enabled",
    hopLimit,
    tags:
      oneOf(["enabled", "disabled"], input?.InstanceMetadataTags ?? "disabled", "InstanceMetadataTags") ===
      "enabled",
  };
}

export function oneOf<T extends string>(values: readonly T[], value: string, parameter: string): T {
  const found = values.find((it) => it === value);
  if (found === undefined) throw badValue(value, parameter);
  return found;
}

const badValue = (value: string, parameter: string): ApiError =>
  invalidParameter(`Value (${value}) for parameter ${parameter} is invalid.`);
