import type {
  InstanceAttributeName,
  InstanceBlockDeviceMappingSpecification,
  ModifyInstanceAttributeRequest,
} from "@aws-sdk/client-ec2";
import type { Transaction } from "#store/store.ts";
import type { Ec2Context } from "../context.ts";
import {
  invalidCombination,
  invalidInstanceAttribute,
  invalidParameter,
  missingParameter,
  severalAttributes,
  unsupportedParameter,
} from "../errors.ts";
import { placeInstances } from "./capacity.ts";
import { onlyWhileStopped, rewrite } from "./instance-change.ts";
import type { InstanceRecord } from "./instance.ts";
import { groupsChange, sourceDestCheckChange } from "./interface-change.ts";
import { launchableType } from "./launchable-type.ts";
import { checkedUserData, chosenShape, oneOf } from "./launch-parameters.ts";
import { attachmentTo, attachedTo } from "../volume/volume.ts";

type Attributes = Omit<ModifyInstanceAttributeRequest, "InstanceId" | "DryRun" | "Attribute" | "Value">;
type AttributeName = keyof Attributes;

/** What ModifyInstanceAttribute writes; it takes one attribute at a time. */
export function attributeChange(
  instance: InstanceRecord,
  input: ModifyInstanceAttributeRequest,
  context: Ec2Context,
): Transaction {
  const { InstanceId: _, DryRun: _dryRun, Attribute: attribute, Value: value, ...given } = input;
  const attributes = attribute === undefined ? given : { ...given, ...named(attribute, value) };
  const names = (Object.keys(attributes) as AttributeName[]).filter((name) => attributes[name] !== undefined);
  const [name, ...more] = names;
  if (name === undefined) throw invalidCombination("No attributes specified.");
  if (more.length > 0) throw severalAttributes(names);
  return changeOf(name, attributes, instance, context);
}

/** The older form: the attribute's name with its value as text. Lists come in members of their own in either form. */
function named(attribute: InstanceAttributeName, value: string | undefined): Attributes {
  if (value === undefined) return {};
  const member = olderNames[attribute];
  if (member === undefined)
    throw invalidParameter(`Value (${attribute}) for parameter attribute is invalid. It cannot be modified.`);
  if (member === "UserData")
    return { UserData: { Value: Buffer.from(checkedUserData(value) ?? "", "base64") } };
  if (isFlag(member))
    return { [member]: { Value: oneOf(["true", "false"], value.toLowerCase(), "value") === "true" } };
  return { [member]: { Value: value } };
}

const olderNames: Partial<Record<InstanceAttributeName, AttributeName>> = {
  disableApiStop: "DisableApiStop",
  disableApiTermination: "DisableApiTermination",
  ebsOptimized: "EbsOptimized",
  enaSupport: "EnaSupport",
  instanceInitiatedShutdownBehavior: "InstanceInitiatedShutdownBehavior",
  instanceType: "InstanceType",
  kernel: "Kernel",
  ramdisk: "Ramdisk",
  sourceDestCheck: "SourceDestCheck",
  sriovNetSupport: "SriovNetSupport",
  userData: "UserData",
};

const isFlag = (member: AttributeName) =>
  ["DisableApiStop", "DisableApiTermination", "EbsOptimized", "EnaSupport", "SourceDestCheck"].includes(
    member,
  );

function changeOf<Name extends AttributeName>(
  name: Name,
  attributes: Attributes,
  instance: InstanceRecord,
  context: Ec2Context,
): Transaction {
  const change: Changes[Name] = changes[name];
  const value = attributes[name];
  if (value === undefined) throw missingParameter(name);
  return change(instance, value, context);
}

type Changes = {
  readonly [Name in AttributeName]: (
    instance: InstanceRecord,
    value: NonNullable<Attributes[Name]>,
    context: Ec2Context,
  ) => Transaction;
};

const changes: Changes = {
  InstanceType: (it, { Value: id }, context) => {
    onlyWhileStopped(it);
    const type = launchableType(id ?? "", it);
    const { cappedFrom: _, ...without } = it;
    const { hostId: _host, ...shape } = placeInstances(
      type.id,
      chosenShape(undefined, type),
      it.architecture,
      it.zone,
      1,
      context,
    );
    return rewrite([{ ...without, type: type.id, ...shape }], context);
  },
  UserData: (it, { Value: bytes }, context) => {
    onlyWhileStopped(it);
    const { userData: _, ...without } = it;
    const userData = checkedUserData(Buffer.from(bytes ?? []).toString("base64"));
    return rewrite([{ ...without, ...(userData !== undefined && { userData }) }], context);
  },
  EbsOptimized: (it, { Value: ebsOptimized = false }, context) => {
    onlyWhileStopped(it);
    return rewrite([{ ...it, ebsOptimized }], context);
  },
  EnaSupport: (it, { Value: ena = false }, context) => {
    onlyWhileStopped(it);
    if (!ena) throw unsupportedParameter("EnaSupport=false");
    return rewrite([it], context);
  },
  DisableApiTermination: (it, { Value: terminationProtection = false }, context) =>
    rewrite([{ ...it, terminationProtection }], context),
  DisableApiStop: (it, { Value: stopProtection = false }, context) =>
    rewrite([{ ...it, stopProtection }], context),
  InstanceInitiatedShutdownBehavior: (it, { Value: behavior = "" }, context) => {
    const shutdownBehavior = oneOf(["stop", "terminate"], behavior, "instanceInitiatedShutdownBehavior");
    return rewrite([{ ...it, shutdownBehavior }], context);
  },
  SourceDestCheck: (it, { Value: check = false }, context) => sourceDestCheckChange(it, check, context),
  Groups: groupsChange,
  BlockDeviceMappings: blockDevicesChange,
  Kernel: () => {
    throw unsupportedParameter("Kernel");
  },
  Ramdisk: () => {
    throw unsupportedParameter("Ramdisk");
  },
  SriovNetSupport: () => {
    throw unsupportedParameter("SriovNetSupport");
  },
  EnclaveOptions: () => {
    throw unsupportedParameter("EnclaveOptions");
  },
};

/** Of attached volumes only what happens to them with their instance can be changed here. */
function blockDevicesChange(
  { id }: InstanceRecord,
  mappings: readonly InstanceBlockDeviceMappingSpecification[],
  { records }: Ec2Context,
): Transaction {
  const volumes = records.volumesOf(id);
  const changed = new Map(
    mappings.map(({ DeviceName: device, Ebs: ebs, NoDevice, VirtualName }) => {
      if (NoDevice !== undefined || VirtualName !== undefined)
        throw unsupportedParameter("BlockDeviceMapping.NoDevice and .VirtualName");
      const volume = volumes.find((it) => attachmentTo(id, it)?.device === device);
      const attachment = volume && attachmentTo(id, volume);
      if (!attachment || (ebs?.VolumeId !== undefined && ebs.VolumeId !== volume.id))
        throw invalidInstanceAttribute(`No device is currently mapped at ${device ?? ""}`);
      const deleteOnTermination = ebs?.DeleteOnTermination ?? attachment.deleteOnTermination;
      return [volume.id, attachedTo(volume, { ...attachment, deleteOnTermination })];
    }),
  );
  return {
    expect: [...changed.keys()].map((volume) => ({
      at: [records.key("volume", volume), records.entry("volume", volume)?.revision ?? 0],
    })),
    put: [...changed].map(([volume, value]) => ({ key: records.key("volume", volume), value })),
  };
}
