import type { RunInstancesCommandInput, RunInstancesCommandOutput } from "@aws-sdk/client-ec2";
import type { Operation } from "#api/operation.ts";
import { transactionLimits, type Expectation } from "#store/store.ts";
import { once, type MakingPlan } from "../client-token.ts";
import type { Ec2Context } from "../context.ts";
import {
  idempotentInstanceTerminated,
  instanceLimitExceeded,
  invalidParameter,
  keyPairNotFound,
} from "../errors.ts";
import { findParameter } from "../image/image-parameter.ts";
import type { ImageRecord } from "../image/image.ts";
import { notedLaunch } from "../image/last-launched.ts";
import { launchableImage } from "../image/launchable-image.ts";
import { keyNameClaim } from "../key-pair/key-pair.ts";
import { launchFromTemplate } from "../launch-template/launch-from-template.ts";
import { interfaceWrites } from "../network-interface/new-interface.ts";
import type { PublicAddressRecord } from "../network-interface/public-address.ts";
import { placeInGroup, type GroupPlacement } from "../placement-group/group-placement.ts";
import { groupStands } from "../security-group/group-member.ts";
import { onlyTags, tagsFor } from "../tag/tag.ts";
import { blockDevices, newVolumes } from "./block-devices.ts";
import { changedStores } from "./instance-store.ts";
import { placeInstances } from "./capacity.ts";
import { describeLaunch } from "./describe-instance.ts";
import { chosenCredits } from "./cpu-credits.ts";
import { defaultMaintenance, type InstanceRecord } from "./instance.ts";
import {
  checkedUserData,
  chosenShape,
  metadataOptions,
  ofImdsV2,
  oneOf,
  refuseUnserved,
} from "./launch-parameters.ts";
import { chosenProfile } from "./instance-profile.ts";
import { launchableType } from "./launchable-type.ts";
import { encryptionPlan } from "../volume/encryption.ts";
import { launchTouches } from "./launch-touches.ts";
import { privateDnsNames } from "./private-dns-names.ts";
import { chooseNetworks, launchedInterface, newAddresses } from "./launch-network.ts";

/**
 * Launches instances: all their records in one transaction, so that a launch is whole or not at all. The host's reconcilers
 * do the rest. Follows RunInstances in the EC2 API reference.
 */
export const runInstances: Operation<
  RunInstancesCommandInput & { MinCount: number; MaxCount: number },
  Omit<RunInstancesCommandOutput, "$metadata">,
  Ec2Context,
  MakingPlan
> = {
  resolve(input, context) {
    const plan = once("RunInstances", input, context, () => newReservation(input, context));
    const again = plan.transaction === undefined;
    if (again && isTerminated(plan.made, context)) throw idempotentInstanceTerminated();
    return plan;
  },
  answer({ made: reservationId }, context) {
    const launched = context.records.instancesOfReservation(reservationId);
    return describeLaunch(reservationId, launched, context.records, context);
  },
};

const isTerminated = (reservationId: string, { records }: Ec2Context): boolean =>
  records.instancesOfReservation(reservationId).every(({ so }) => so.state === "terminated");

function newReservation(request: RunInstancesCommandInput, context: Ec2Context): MakingPlan {
  const { input: asked, tags: templateTags } = launchFromTemplate(said(request), context);
  const input = { ...asked, ...resolvedImage(asked, context) };
  refuseUnserved(input);
  const { records, newId } = context;
  const count = wantedCount(input);
  const image = imageOf(input, context);
  const type = launchableType(input.InstanceType ?? "m1.small", image);
  const key = keyOf(input, context);
  const profile = chosenProfile(input.IamInstanceProfile, context);
  onlyTags(["instance", "volume", "network-interface"], input.TagSpecifications);
  const networks = chooseNetworks(input, type, context);
  const [network] = networks;
  const devices = blockDevices(input, image, type.id, context);
  const stores = changedStores(image.storeDevices, input.BlockDeviceMappings);
  const { hostId, ...shape } = placeInstances(
    type.id,
    chosenShape(input.CpuOptions, type),
    image.architecture,
    network.subnet.zone,
    count,
    context,
  );
  const group = placeInGroup(input.Placement, type, network.subnet.zone, count, context);
  const addresses = newAddresses(networks, count, context);

  const reservationId = newId("r");
  const now = context.now().toISOString();
  const encryptions = encryptionPlan(context);
  const launches = addresses.map((ofInterfaces, launchIndex) => {
    const instance: InstanceRecord = {
      id: newId("i"),
      hostId,
      reservationId,
      launchIndex,
      imageId: input.ImageId ?? image.id,
      type: type.id,
      architecture: image.architecture,
      ...(image.bootMode && { bootMode: image.bootMode }),
      ...shape,
      ...key,
      ...profile?.associated(),
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
      metadataOptions: metadataOptions(input.MetadataOptions, image.imdsSupport && ofImdsV2),
      ...chosenCredits(input.CreditSpecification, type.id),
      ...maintenanceOf(input),
      ...stores,
      privateDns: privateDnsNames(input.PrivateDnsNameOptions, network.subnet),
      ...placeOf(group, launchIndex),
      tags: { ...tagsFor("instance", input.TagSpecifications), ...templateTags },
      createdAt: now,
      launchedAt: now,
      wanted: { state: "running", generation: 1, reboots: 0, force: false },
      so: { generation: 0, state: "new", reboots: 0 },
    };
    const attachedTo = { instanceId: instance.id, attachedAt: now };
    const volumes = newVolumes(devices, attachedTo, network.subnet.zone, hostId, input, encryptions, context);
    const nics = networks.map((it, n) => {
      const address = ofInterfaces[n] ?? { address: "", secondary: [], prefixes: [] };
      const nic = launchedInterface(it, address, attachedTo, hostId, input, context);
      const writes = it.existing ? records.rewrite("network-interface", nic) : interfaceWrites(nic, records);
      return { nic, writes, publicAddress: address.publicAddress };
    });
    const publicAddresses = nics.flatMap(({ nic, publicAddress: id }): PublicAddressRecord[] =>
      id === undefined ? [] : [{ id, interfaceId: nic.id, tags: {}, createdAt: now }],
    );
    return { instance, nicWrites: nics.map(({ writes }) => writes), volumes, publicAddresses };
  });

  const written = launches.flatMap(({ instance, nicWrites, volumes, publicAddresses }) => [
    { key: records.key("instance", instance.id), value: instance },
    ...nicWrites.flatMap(({ put }) => put),
    ...volumes.map((volume) => ({ key: records.key("volume", volume.id), value: volume })),
    ...publicAddresses.map((value) => ({ key: records.key("public-address", value.id), value })),
  ]);
  const ofKeys = encryptions.parts();
  const noted = notedLaunch(image, context);
  const put = [...written, ...group.put, ...(ofKeys.transaction.put ?? []), ...noted.put];
  const expect: Expectation[] = [
    ...noted.expect,
    ...(profile?.stays ?? []),
    ...group.expect,
    ...(ofKeys.transaction.expect ?? []),
    ...devices.flatMap(({ stays = [] }) => stays),
    ...[...new Set(networks.map(({ subnet }) => subnet.id))].map((id) => ({
      exists: records.key("subnet", id),
    })),
    ...networks.flatMap(({ subnet, groupIds }) =>
      groupIds.map((id) => groupStands(id, subnet.vpcId, records)),
    ),
    ...launches.flatMap(({ nicWrites, publicAddresses }) => [
      ...nicWrites.flatMap(({ expect: stands }) => stands),
      ...publicAddresses.map(({ id }) => ({ absent: records.key("public-address", id) })),
    ]),
  ];
  const entries = Math.max(put.length, expect.length) + (input.ClientToken ? 1 : 0);
  if (entries > transactionLimits.entries)
    throw instanceLimitExceeded(count, Math.floor((transactionLimits.entries / entries) * count));
  return {
    touches: launches
      .slice(0, 1)
      .flatMap(({ instance, volumes }) =>
        launchTouches({ request, input, instance, volumes, networks, image }, context),
      )
      .concat(profile?.passing("*") ?? [], ofKeys.touches),
    transaction: { expect, put },
    made: reservationId,
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

function imageOf({ ImageId: id }: RunInstancesCommandInput, context: Ec2Context): ImageRecord {
  if (id === undefined) throw invalidParameter("The request must contain the parameter ImageId");
  return launchableImage(id, context);
}

function keyOf({ KeyName: keyName }: RunInstancesCommandInput, { records }: Ec2Context) {
  if (keyName === undefined) return {};
  const key = records.get("key-pair", records.claimed(keyNameClaim(keyName)) ?? "");
  if (!key) throw keyPairNotFound(keyName);
  return { keyName, publicKey: key.publicKey };
}

const bySsm = "resolve:ssm:";

/** `resolve:ssm:PARAMETER[:VERSION]` stands for the id that the parameter holds. */
function resolvedImage({ ImageId: id }: RunInstancesCommandInput, context: Ec2Context) {
  if (!id?.startsWith(bySsm)) return {};
  const parameter = findParameter(id.slice(bySsm.length), context.records.all("image"), context);
  if (!parameter) throw invalidParameter(`The SSM parameter in ImageId '${id}' does not exist.`);
  return { ImageId: parameter.imageId };
}

function userDataOf({ UserData }: RunInstancesCommandInput) {
  const userData = checkedUserData(UserData);
  return userData === undefined ? {} : { userData };
}

function maintenanceOf({ MaintenanceOptions: given }: RunInstancesCommandInput) {
  const autoRecovery = given?.AutoRecovery;
  return autoRecovery === undefined ? {} : { maintenance: { ...defaultMaintenance, autoRecovery } };
}

/** Clients write a member that nobody set as empty text: Packer does so with the subnet, Terraform with the zone. */
function said<Input extends RunInstancesCommandInput>({ Placement: placement, ...request }: Input): Input {
  return { ...withoutEmpty(request), ...(placement && { Placement: withoutEmpty(placement) }) } as Input;
}

const withoutEmpty = (members: object): object =>
  Object.values(members).includes("")
    ? Object.fromEntries(Object.entries(members).filter(([, value]) => value !== ""))
    : members;

function placeOf({ places }: GroupPlacement, launchIndex: number) {
  const placementGroup = places[launchIndex];
  return placementGroup ? { placementGroup } : {};
}
