import type { TouchedResource } from "#api/operation.ts";
import { imageKeys } from "./image/image.ts";
import { instanceKeys } from "./instance/instance.ts";
import { keyNameClaim } from "./key-pair/key-pair.ts";
import { placementGroupNameClaim } from "./placement-group/placement-group.ts";
import type { Ec2Records, Kind, Kinds, Scope } from "./records.ts";
import { volumeOf } from "./snapshot/snapshot.ts";
import { subnetArn } from "./subnet/subnet.ts";
import { volumeArn, volumeKeys } from "./volume/volume.ts";
import { vpcArn } from "./vpc/vpc.ts";

/**
 * What policies may ask about a thing of EC2's that is there, beside its tags, whatever operation touches it. AWS, "Actions, resources, and
 * condition keys for Amazon EC2", resource types. What the operation itself says of it comes first.
 */
export function withResourceKeys(
  touched: TouchedResource,
  context: Scope & { readonly records: Ec2Records },
): TouchedResource {
  const [, type = "", id = ""] = /^arn:aws:ec2:[^:]*:[^:]*:([^/]+)\/(.+)$/.exec(touched.arn) ?? [];
  const known = Object.hasOwn(resourceKeys, type) ? resourceKeys[type]?.(id, context) : undefined;
  return known ? { ...touched, keys: { ...known, ...touched.keys } } : touched;
}

type Keys = Readonly<Record<string, string>>;
type Known = Scope & { readonly records: Ec2Records };

const of =
  <K extends Kind>(
    kind: K,
    keysOf: (it: Kinds[K], scope: Scope) => Keys,
    claim: (name: string) => string | undefined = () => undefined,
  ) =>
  (id: string, { records, ...scope }: Known): Keys | undefined => {
    const named = claim(id);
    const it = records.get(kind, named === undefined ? id : (records.claimed(named) ?? ""));
    return it && keysOf(it, scope);
  };

const vpcOf = ({ vpcId }: { readonly vpcId: string }, scope: Scope): Keys => ({
  "ec2:Vpc": vpcArn(vpcId, scope),
});

/** By the type in its ARN. */
export const resourceKeys: Readonly<Record<string, (id: string, known: Known) => Keys | undefined>> = {
  "dhcp-options": of("dhcp-options", ({ id }) => ({ "ec2:DhcpOptionsID": id })),
  "elastic-ip": of("elastic-ip", ({ id, address }) => ({
    "ec2:AllocationId": id,
    "ec2:Domain": "vpc",
    "ec2:PublicIpAddress": address,
  })),
  image: of("image", imageKeys),
  instance: of("instance", (it) => ({ ...instanceKeys(it), "ec2:InstanceID": it.id })),
  "internet-gateway": of("internet-gateway", ({ id }) => ({ "ec2:InternetGatewayID": id })),
  "key-pair": of(
    "key-pair",
    ({ name, type }) => ({ "ec2:KeyPairName": name, "ec2:KeyPairType": type }),
    keyNameClaim,
  ),
  natgateway: of("nat-gateway", vpcOf),
  "network-acl": of("network-acl", (it, scope) => ({ ...vpcOf(it, scope), "ec2:NetworkAclID": it.id })),
  "network-interface": of("network-interface", (it, scope) => ({
    ...vpcOf(it, scope),
    "ec2:NetworkInterfaceID": it.id,
    "ec2:Subnet": subnetArn({ id: it.subnetId }, scope),
    "ec2:AvailabilityZone": it.zone,
  })),
  "placement-group": of(
    "placement-group",
    ({ name, strategy }) => ({ "ec2:PlacementGroupName": name, "ec2:PlacementGroupStrategy": strategy }),
    placementGroupNameClaim,
  ),
  "route-table": of("route-table", (it, scope) => ({ ...vpcOf(it, scope), "ec2:RouteTableID": it.id })),
  "security-group": of("security-group", (it, scope) => ({
    ...vpcOf(it, scope),
    "ec2:SecurityGroupID": it.id,
  })),
  snapshot: of("snapshot", (it, scope) => {
    const volume = volumeOf(it);
    return {
      "ec2:SnapshotID": it.id,
      "ec2:Owner": scope.accountId,
      "ec2:SnapshotTime": it.createdAt,
      "ec2:VolumeSize": String(it.sizeGiB),
      "ec2:Encrypted": String(it.encryption !== undefined),
      ...(volume !== undefined && { "ec2:ParentVolume": volumeArn(volume, scope) }),
    };
  }),
  subnet: of("subnet", (it, scope) => ({
    ...vpcOf(it, scope),
    "ec2:SubnetID": it.id,
    "ec2:AvailabilityZone": it.zone,
  })),
  volume: of("volume", (it, scope) => ({ ...volumeKeys(it, scope), "ec2:VolumeID": it.id })),
  vpc: of("vpc", ({ id, tenancy = "default" }) => ({ "ec2:VpcID": id, "ec2:Tenancy": tenancy })),
  "vpc-endpoint": of("vpc-endpoint", ({ serviceName }) => ({
    "ec2:VpceServiceName": serviceName,
    "ec2:VpceServiceOwner": "amazon",
  })),
  "vpc-peering-connection": of("vpc-peering-connection", ({ id, requester, accepter }) => {
    const arn = (side: typeof requester) =>
      vpcArn(side.vpcId, { region: side.region, accountId: side.ownerId });
    return {
      "ec2:VpcPeeringConnectionID": id,
      "ec2:RequesterVpc": arn(requester),
      "ec2:AccepterVpc": arn(accepter),
    };
  }),
};
