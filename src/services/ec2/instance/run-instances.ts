import type { RunInstancesCommandInput, RunInstancesCommandOutput } from "@aws-sdk/client-ec2";
import type { Operation, OperationPlan } from "#api/operation.ts";
import { transactionLimits, type Expectation } from "#store/store.ts";
import type { Ec2Context } from "../context.ts";
import {
  imageNotFound,
  instanceLimitExceeded,
  instanceTypesNotFound,
  invalidParameter,
  keyPairNotFound,
  unsupported,
} from "../errors.ts";
import { instanceTypes, type InstanceType } from "../instance-type/instance-type.ts";
import type { ImageRecord } from "../image/image.ts";
import { keyNameClaim } from "../key-pair/key-pair.ts";
import type { PublicAddressRecord } from "../network-interface/network-interface.ts";
import { onlyTags, tagsFor } from "../tag/tag.ts";
import { blockDevices, newVolumes } from "./block-devices.ts";
import { placeInstances } from "./capacity.ts";
import { describeReservations } from "./describe-instance.ts";
import { instanceArn, type InstanceRecord } from "./instance.ts";
import { launchedWith, withClientToken } from "./client-token.ts";
import { checkedUserData, metadataOptions, oneOf, refuseUnserved } from "./launch-parameters.ts";
import { chooseNetwork, newAddresses, newInterface } from "./launch-network.ts";

interface RunPlan extends OperationPlan {
  readonly reservationId: string;
}

/**
 * Launches instances: all their records in one transaction, so that a launch is whole or not at all. The host's reconcilers
 * do the rest. Follows RunInstances in the EC2 API reference.
 */
export const runInstances: Operation<
  RunInstancesCommandInput & { MinCount: number; MaxCount: number },
  Omit<RunInstancesCommandOutput, "$metadata">,
  Ec2Context,
  RunPlan
> = {
  resolve(input, context) {
    refuseUnserved(input);
    const earlier = input.ClientToken ? launchedWith(input.ClientToken, input, context) : undefined;
    if (earlier !== undefined) return { touches: [], reservationId: earlier };
    return newReservation(input, context);
  },
  answer({ reservationId }, context) {
    const launched = context.records.instancesOfReservation(reservationId);
    const [reservation] = describeReservations(launched, context.records, context);
    return (
      reservation ?? { ReservationId: reservationId, OwnerId: context.accountId, Instances: [], Groups: [] }
    );
  },
};

function newReservation(input: RunInstancesCommandInput, context: Ec2Context): RunPlan {
  const { records, newId } = context;
  const count = wantedCount(input);
  const image = imageOf(input, context);
  const type = typeOf(input, image);
  if (input.KeyName !== undefined && records.claimed(keyNameClaim(input.KeyName)) === undefined)
    throw keyPairNotFound(input.KeyName);
  onlyTags(["instance", "volume", "network-interface"], input.TagSpecifications);
  const network = chooseNetwork(input, context);
  const devices = blockDevices(input, image);
  const hostId = placeInstances(type, image.architecture, network.subnet.zone, count, context);
  const addresses = newAddresses(network, count, context);

  const reservationId = newId("r");
  const now = context.now().toISOString();
  const launches = addresses.map((address, launchIndex) => {
    const instance: InstanceRecord = {
      id: newId("i"),
      hostId,
      reservationId,
      launchIndex,
      imageId: image.id,
      type: type.id,
      architecture: image.architecture,
      cpus: type.vcpus,
      memoryMiB: type.memoryMiB,
      ...(input.KeyName !== undefined && { keyName: input.KeyName }),
      ...userDataOf(input),
      zone: network.subnet.zone,
      vpcId: network.subnet.vpcId,
      subnetId: network.subnet.id,
      rootDevice: image.rootDevice,
      clientToken: input.ClientToken ?? "",
      monitoring: input.Monitoring?.Enabled ?? false,
      ebsOptimized: input.EbsOptimized ?? false,
      shutdownBehavior: oneOf(
        ["stop", "terminate"],
        input.InstanceInitiatedShutdownBehavior ?? "stop",
        "InstanceInitiatedShutdownBehavior",
      ),
      terminationProtection: input.DisableApiTermination ?? false,
      stopProtection: input.DisableApiStop ?? false,
      metadataOptions: metadataOptions(input.MetadataOptions),
      tags: tagsFor("instance", input.TagSpecifications),
      createdAt: now,
      launchedAt: now,
      wanted: { state: "running", generation: 1, reboots: 0, force: false },
      so: { generation: 0, state: "new", reboots: 0 },
    };
    const attachedTo = { instanceId: instance.id, attachedAt: now };
    const nic = newInterface(network, address, attachedTo, hostId, input, context);
    const volumes = newVolumes(devices, attachedTo, network.subnet.zone, hostId, input, context);
    const publicAddress: PublicAddressRecord | undefined =
      address.publicAddress === undefined
        ? undefined
        : { id: address.publicAddress, interfaceId: nic.id, tags: {}, createdAt: now };
    return { instance, nic, volumes, publicAddress };
  });

  const put = launches.flatMap(({ instance, nic, volumes, publicAddress }) => [
    { key: records.key("instance", instance.id), value: instance },
    { key: records.key("network-interface", nic.id), value: nic },
    { key: records.key("claim", `subnet-address/${nic.subnetId}/${nic.address}`), value: nic.id },
    ...nic.groupIds.map((id) => ({ key: records.key("member", `${id}/${nic.id}`), value: null })),
    ...volumes.map((volume) => ({ key: records.key("volume", volume.id), value: volume })),
    ...(publicAddress
      ? [{ key: records.key("public-address", publicAddress.id), value: publicAddress }]
      : []),
  ]);
  const expect: Expectation[] = [
    { exists: records.key("subnet", network.subnet.id) },
    ...network.groupIds.map((id) => ({ exists: records.key("security-group", id) })),
    ...launches.flatMap(({ nic, publicAddress }) => [
      { absent: records.key("claim", `subnet-address/${nic.subnetId}/${nic.address}`) },
      ...(publicAddress ? [{ absent: records.key("public-address", publicAddress.id) }] : []),
    ]),
  ];
  const transaction = withClientToken({ expect, put }, input, reservationId, context);
  const entries = Math.max(transaction.put?.length ?? 0, transaction.expect?.length ?? 0);
  if (entries > transactionLimits.entries)
    throw instanceLimitExceeded(count, Math.floor((transactionLimits.entries / entries) * count));
  return {
    touches: launches.map(({ instance }) => ({
      arn: instanceArn(instance.id, context),
      tags: instance.tags,
    })),
    transaction,
    reservationId,
  };
}

/** The larger count when it fits one transaction; there is no half launch here, so the smaller one only bounds it. */
function wantedCount({ MinCount: min, MaxCount: max }: RunInstancesCommandInput): number {
  if (min === undefined || max === undefined || min < 1 || !Number.isInteger(min))
    throw invalidParameter(
      `Value (${min}) for parameter minCount is invalid. Expecting a value of 1 or more.`,
    );
  if (max < min || !Number.isInteger(max))
    throw invalidParameter(
      `Value (${max}) for parameter maxCount is invalid. It must be no less than minCount (${min}).`,
    );
  return max;
}

function imageOf({ ImageId: id }: RunInstancesCommandInput, { records }: Ec2Context): ImageRecord {
  if (id === undefined) throw invalidParameter("The request must contain the parameter ImageId");
  const image = records.get("image", id);
  if (!image) throw imageNotFound([id]);
  return image;
}

function typeOf(
  { InstanceType: id = "m1.small" }: RunInstancesCommandInput,
  image: ImageRecord,
): InstanceType {
  const type = instanceTypes.get(id);
  if (!type) throw instanceTypesNotFound([id]);
  if (type.bareMetal) throw unsupported(`Croft does not run bare metal instance types such as '${id}'.`);
  if (!type.architectures.some((it) => it === image.architecture))
    throw invalidParameter(
      `The architecture '${type.architectures.join(",")}' of the specified instance type does not match the architecture ` +
        `'${image.architecture}' of the specified AMI. Specify an instance type and an AMI that have matching architectures, and try again.`,
    );
  return type;
}

function userDataOf({ UserData }: RunInstancesCommandInput) {
  const userData = checkedUserData(UserData);
  return userData === undefined ? {} : { userData };
}
