import type { EC2 } from "@aws-sdk/client-ec2";

/** Every resource that the region shows, a sorted line each: equal when the same is there, with the same names and addresses. */
export const inventory = async (client: EC2): Promise<string[]> => {
  const [{ Reservations = [] }, { Volumes = [] }, { NetworkInterfaces = [] }, { SecurityGroups = [] }] =
    await Promise.all([
      client.describeInstances({}),
      client.describeVolumes({}),
      client.describeNetworkInterfaces({}),
      client.describeSecurityGroups({}),
    ]);
  const [
    { SecurityGroupRules = [] },
    { KeyPairs = [] },
    { LaunchTemplateVersions = [] },
    { PlacementGroups = [] },
  ] = await Promise.all([
    client.describeSecurityGroupRules({}),
    client.describeKeyPairs({}),
    client.describeLaunchTemplateVersions({ Versions: ["$Latest", "$Default"] }),
    client.describePlacementGroups({}),
  ]);
  const [{ Vpcs = [] }, { Subnets = [] }, { Tags = [] }, { Images = [] }] = await Promise.all([
    client.describeVpcs({}),
    client.describeSubnets({}),
    client.describeTags({}),
    client.describeImages({}),
  ]);
  const lines = [
    Reservations.flatMap(({ Instances = [] }) => Instances).map((it) => [
      it.InstanceId,
      it.State?.Name,
      it.InstanceType,
      it.ImageId,
      it.PrivateIpAddress,
      it.PublicIpAddress,
      it.KeyName,
      it.LaunchTime?.toISOString(),
    ]),
    Volumes.map((it) => [it.VolumeId, it.State, it.Size, it.Attachments?.[0]?.InstanceId]),
    NetworkInterfaces.map((it) => [it.NetworkInterfaceId, it.MacAddress, it.PrivateIpAddress, it.Status]),
    SecurityGroups.map((it) => [it.GroupId, it.GroupName, it.Description, it.VpcId]),
    SecurityGroupRules.map((it) => [
      it.SecurityGroupRuleId,
      it.GroupId,
      it.IsEgress,
      it.IpProtocol,
      it.FromPort,
      it.ToPort,
      it.CidrIpv4,
      it.ReferencedGroupInfo?.GroupId,
    ]),
    KeyPairs.map((it) => [it.KeyPairId, it.KeyName, it.KeyFingerprint]),
    LaunchTemplateVersions.map((it) => [
      it.LaunchTemplateId,
      it.LaunchTemplateName,
      it.VersionNumber,
      JSON.stringify(it.LaunchTemplateData),
    ]),
    PlacementGroups.map((it) => [it.GroupId, it.GroupName, it.Strategy, it.State]),
    Vpcs.map((it) => [it.VpcId, it.CidrBlock, it.IsDefault]),
    Subnets.map((it) => [it.SubnetId, it.CidrBlock, it.AvailabilityZone]),
    Tags.map((it) => ["tag", it.ResourceId, it.Key, it.Value]),
    Images.map((it) => [it.ImageId, it.Name]),
  ];
  return lines
    .flat()
    .map((words) => words.map((word) => word ?? "-").join(" "))
    .toSorted();
};
