import type { ResponseLaunchTemplateData } from "@aws-sdk/client-ec2";
import { instanceTypes } from "../instance-type/instance-type.ts";
import { describeMetadataOptions } from "../instance/describe-instance.ts";
import { cpuCredits } from "../instance/cpu-credits.ts";
import { cpuOptions, type InstanceRecord } from "../instance/instance.ts";
import { describePrivateDnsNames } from "../instance/private-dns-names.ts";
import { describeIdleTimeouts } from "../network-interface/idle-timeouts.ts";
import type { Ec2Records } from "../records.ts";
import { describeTags } from "../tag/tag.ts";
import { volumeTypes } from "../volume/volume-types.ts";
import { attachmentTo } from "../volume/volume.ts";

/**
 * What would launch another instance like this one. Its own addresses are left out: they are taken. Tags that AWS sets are,
 * too.
 */
export function dataOfInstance(instance: InstanceRecord, records: Ec2Records): ResponseLaunchTemplateData {
  const group = instance.placementGroup && records.get("placement-group", instance.placementGroup.id);
  const credits = cpuCredits(instance);
  const { State: _, ...metadata } = describeMetadataOptions(instance.metadataOptions);
  const tags = describeTags(instance.tags).filter(({ Key }) => !Key?.startsWith("aws:"));
  return {
    ImageId: instance.imageId,
    InstanceType: instance.type,
    KeyName: instance.keyName,
    ...(instance.profile && { IamInstanceProfile: { Arn: instance.profile.arn } }),
    UserData: instance.userData,
    EbsOptimized: instance.ebsOptimized,
    Monitoring: { Enabled: instance.monitoring },
    DisableApiTermination: instance.terminationProtection,
    DisableApiStop: instance.stopProtection,
    InstanceInitiatedShutdownBehavior: instance.shutdownBehavior,
    Placement: {
      AvailabilityZone: instance.zone,
      Tenancy: "default",
      GroupName: group?.name ?? "",
      PartitionNumber: instance.placementGroup?.partition,
    },
    ...(credits && { CreditSpecification: { CpuCredits: credits } }),
    ...((instance.cappedFrom ?? instance).cpus !== instanceTypes.get(instance.type)?.vcpus && {
      CpuOptions: cpuOptions(instance),
    }),
    MetadataOptions: metadata,
    MaintenanceOptions: { AutoRecovery: instance.maintenance?.autoRecovery ?? "default" },
    PrivateDnsNameOptions: describePrivateDnsNames(instance.privateDns),
    HibernationOptions: { Configured: false },
    EnclaveOptions: { Enabled: false },
    CapacityReservationSpecification: { CapacityReservationPreference: "open" },
    BlockDeviceMappings: records.volumesOf(instance.id).map((volume) => ({
      DeviceName: attachmentTo(instance.id, volume)?.device,
      Ebs: {
        DeleteOnTermination: attachmentTo(instance.id, volume)?.deleteOnTermination,
        Encrypted: volume.encryption !== undefined,
        KmsKeyId: volume.encryption?.keyArn,
        SnapshotId: volume.image?.snapshotId,
        VolumeSize: volume.sizeGiB,
        VolumeType: volume.type,
        Iops: volumeTypes[volume.type].iops && volume.iops,
        Throughput: volume.throughputMiBps,
      },
    })),
    NetworkInterfaces: records.interfacesOf(instance.id).map((nic) => ({
      DeviceIndex: nic.attachment?.deviceIndex,
      NetworkCardIndex: 0,
      Description: nic.description,
      SubnetId: nic.subnetId,
      Groups: [...nic.groupIds],
      AssociatePublicIpAddress: nic.publicAddressOnStart,
      DeleteOnTermination: nic.attachment?.deleteOnTermination,
      InterfaceType: "interface",
      ...(nic.idleTimeouts && { ConnectionTrackingSpecification: describeIdleTimeouts(nic.idleTimeouts) }),
    })),
    ...(tags.length > 0 && { TagSpecifications: [{ ResourceType: "instance", Tags: tags }] }),
  };
}
