import type { EC2 } from "@aws-sdk/client-ec2";
import type { RealRegion } from "../real-region.ts";
import { patiently } from "./killed-programs.ts";

type Random = (below: number) => number;
type Call = () => Promise<unknown>;

/** Three networks, two with a stopped machine, which change at random by the API's calls. */
export interface ChangingNetworks {
  /** One call, and what became of it. */
  change(): Promise<string>;
  /** The ids of what was made and not deleted since, as far as answers told. */
  readonly acknowledged: ReadonlySet<string>;
}

const everywhere = "0.0.0.0/0";

export async function changingNetworks(
  { imageId }: RealRegion,
  api: EC2,
  random: Random,
): Promise<ChangingNetworks> {
  const pick = <T>(from: readonly T[]): T | undefined => from[random(from.length || 1)];
  const acknowledged = new Set<string>();
  const vpcs: string[] = [];
  for (const n of [1, 2, 3]) {
    const { Vpc } = await api.createVpc({ CidrBlock: `10.${n}.0.0/16` });
    const VpcId = Vpc?.VpcId ?? "";
    vpcs.push(VpcId);
    const { Subnet } = await api.createSubnet({ VpcId, CidrBlock: `10.${n}.0.0/24` });
    const { InternetGateway } = await api.createInternetGateway({});
    await api.attachInternetGateway({ VpcId, InternetGatewayId: InternetGateway?.InternetGatewayId });
    if (n === 3) continue;
    const launch = { ImageId: imageId, InstanceType: "t3.nano", MinCount: 1, MaxCount: 1 } as const;
    const { Instances: [it] = [] } = await api.runInstances({ ...launch, SubnetId: Subnet?.SubnetId });
    await api.stopInstances({ InstanceIds: [it?.InstanceId ?? ""], Force: true });
  }

  /** The network is another after each call, so what there is is asked for. */
  const inVpcs = { Filters: [{ Name: "vpc-id", Values: vpcs }] };
  const subnets = async () => (await api.describeSubnets(inVpcs)).Subnets ?? [];
  const groups = async () => (await api.describeSecurityGroups(inVpcs)).SecurityGroups ?? [];
  const tables = async () => (await api.describeRouteTables(inVpcs)).RouteTables ?? [];
  const acls = async () => (await api.describeNetworkAcls(inVpcs)).NetworkAcls ?? [];
  const nics = async () => (await api.describeNetworkInterfaces(inVpcs)).NetworkInterfaces ?? [];
  const gateways = async () => (await api.describeNatGateways({})).NatGateways ?? [];
  const addresses = async () => (await api.describeAddresses({})).Addresses ?? [];
  const peerings = async () => (await api.describeVpcPeeringConnections({})).VpcPeeringConnections ?? [];
  const instances = async () =>
    ((await api.describeInstances(inVpcs)).Reservations ?? []).flatMap(({ Instances = [] }) => Instances);
  const numberOf = (VpcId: string | undefined) => vpcs.indexOf(VpcId ?? "") + 1;
  const made = <T extends string | undefined>(id: T): T => {
    if (id) acknowledged.add(id);
    return id;
  };
  /** Said before: of an answer that is lost, nobody knows. */
  const gone = (id: string | undefined) => void acknowledged.delete(id ?? "");
  const rule = async (VpcId: string | undefined) => ({
    IpProtocol: pick(["tcp", "udp"]) ?? "tcp",
    FromPort: 1000 + random(20),
    ToPort: 1020 + random(20),
    ...(random(2) === 0
      ? { IpRanges: [{ CidrIp: pick([everywhere, "10.1.0.0/16", "10.2.0.0/16"]) }] }
      : {
          UserIdGroupPairs: [{ GroupId: pick((await groups()).filter((it) => it.VpcId === VpcId))?.GroupId }],
        }),
  });

  const calls: Readonly<Record<string, () => Promise<unknown>>> = {
    async authorize() {
      const group = pick(await groups());
      return api.authorizeSecurityGroupIngress({
        GroupId: group?.GroupId,
        IpPermissions: [await rule(group?.VpcId)],
      });
    },
    async revoke() {
      const group = pick(await groups());
      return api.revokeSecurityGroupIngress({
        GroupId: group?.GroupId,
        IpPermissions: group?.IpPermissions?.slice(0, 1),
      });
    },
    async makeGroup() {
      const of = { VpcId: pick(vpcs), GroupName: `g${random(1e9)}`, Description: "random" };
      return made((await api.createSecurityGroup(of)).GroupId);
    },
    async deleteGroup() {
      const GroupId = pick((await groups()).filter((it) => it.GroupName !== "default"))?.GroupId;
      gone(GroupId);
      await api.deleteSecurityGroup({ GroupId });
    },
    async aclEntry() {
      const NetworkAclId = pick(await acls())?.NetworkAclId;
      const entry = { NetworkAclId, RuleNumber: 1 + random(90), Egress: random(2) === 0 };
      if (random(3) === 0) return api.deleteNetworkAclEntry(entry);
      return api.createNetworkAclEntry({
        ...entry,
        Protocol: "6",
        CidrBlock: pick([everywhere, "10.2.0.0/16"]),
        PortRange: { From: 20 + random(10), To: 40 },
        RuleAction: pick(["allow", "deny"]),
      });
    },
    makeAcl: async () => made((await api.createNetworkAcl({ VpcId: pick(vpcs) })).NetworkAcl?.NetworkAclId),
    async associateAcl() {
      const all = await acls();
      const to = pick(all);
      const from = pick(all.filter((it) => it.VpcId === to?.VpcId && it.Associations?.length));
      const AssociationId = pick(from?.Associations ?? [])?.NetworkAclAssociationId;
      return api.replaceNetworkAclAssociation({ AssociationId, NetworkAclId: to?.NetworkAclId });
    },
    makeTable: async () => made((await api.createRouteTable({ VpcId: pick(vpcs) })).RouteTable?.RouteTableId),
    async deleteTable() {
      const RouteTableId = pick(await tables())?.RouteTableId;
      gone(RouteTableId);
      await api.deleteRouteTable({ RouteTableId });
    },
    async associateTable() {
      const subnet = pick(await subnets());
      const all = (await tables()).filter((it) => it.VpcId === subnet?.VpcId);
      const RouteTableId = pick(all)?.RouteTableId;
      const old = all
        .flatMap(({ Associations = [] }) => Associations)
        .find(({ SubnetId }) => SubnetId === subnet?.SubnetId);
      if (!old) return api.associateRouteTable({ RouteTableId, SubnetId: subnet?.SubnetId });
      return random(2) === 0
        ? api.disassociateRouteTable({ AssociationId: old.RouteTableAssociationId })
        : api.replaceRouteTableAssociation({ AssociationId: old.RouteTableAssociationId, RouteTableId });
    },
    async route() {
      const table = pick(await tables());
      const of = {
        RouteTableId: table?.RouteTableId,
        DestinationCidrBlock: pick([
          everywhere,
          everywhere,
          "192.0.2.0/24",
          "10.1.0.0/16",
          "10.2.0.0/16",
          "10.3.0.0/16",
        ]),
      };
      if (random(4) === 0) return api.deleteRoute(of);
      const { InternetGateways = [] } = await api.describeInternetGateways({
        Filters: [{ Name: "attachment.vpc-id", Values: [table?.VpcId ?? ""] }],
      });
      const target = pick([
        { GatewayId: InternetGateways[0]?.InternetGatewayId },
        { NatGatewayId: pick((await gateways()).filter((it) => it.VpcId === table?.VpcId))?.NatGatewayId },
        { VpcPeeringConnectionId: pick(await peerings())?.VpcPeeringConnectionId },
        {
          NetworkInterfaceId: pick((await nics()).filter((it) => it.VpcId === table?.VpcId))
            ?.NetworkInterfaceId,
        },
      ]);
      return random(3) === 0 ? api.replaceRoute({ ...of, ...target }) : api.createRoute({ ...of, ...target });
    },
    async makeSubnet() {
      const VpcId = pick(vpcs);
      const CidrBlock = `10.${numberOf(VpcId)}.${1 + random(12)}.0/24`;
      return made((await api.createSubnet({ VpcId, CidrBlock })).Subnet?.SubnetId);
    },
    async deleteSubnet() {
      const SubnetId = pick(await subnets())?.SubnetId;
      gone(SubnetId);
      await api.deleteSubnet({ SubnetId });
    },
    allocate: async () => made((await api.allocateAddress({})).AllocationId),
    async release() {
      const AllocationId = pick(await addresses())?.AllocationId;
      gone(AllocationId);
      await api.releaseAddress({ AllocationId });
    },
    async associate() {
      const [address, nic] = [pick(await addresses()), pick(await nics())];
      if (address?.AssociationId && random(2) === 0)
        return api.disassociateAddress({ AssociationId: address.AssociationId });
      const PrivateIpAddress = pick(nic?.PrivateIpAddresses ?? [])?.PrivateIpAddress;
      return api.associateAddress({
        AllocationId: address?.AllocationId,
        NetworkInterfaceId: nic?.NetworkInterfaceId,
        PrivateIpAddress,
        AllowReassociation: true,
      });
    },
    makeInterface: async () =>
      made(
        (await api.createNetworkInterface({ SubnetId: pick(await subnets())?.SubnetId })).NetworkInterface
          ?.NetworkInterfaceId,
      ),
    async deleteInterface() {
      const NetworkInterfaceId = pick(await nics())?.NetworkInterfaceId;
      gone(NetworkInterfaceId);
      await api.deleteNetworkInterface({ NetworkInterfaceId });
    },
    async attach() {
      const nic = pick((await nics()).filter((it) => it.InterfaceType === "interface"));
      if (nic?.Attachment) return api.detachNetworkInterface({ AttachmentId: nic.Attachment.AttachmentId });
      const InstanceId = pick((await instances()).filter((it) => it.VpcId === nic?.VpcId))?.InstanceId;
      return api.attachNetworkInterface({
        InstanceId,
        DeviceIndex: 1,
        NetworkInterfaceId: nic?.NetworkInterfaceId,
      });
    },
    async modifyInterface() {
      const nic = pick(await nics());
      const Groups = (await groups()).filter((it) => it.VpcId === nic?.VpcId && random(2) === 0);
      const { NetworkInterfaceId } = nic ?? {};
      if (random(2) === 0)
        return api.modifyNetworkInterfaceAttribute({
          NetworkInterfaceId,
          SourceDestCheck: { Value: random(2) === 0 },
        });
      return api.modifyNetworkInterfaceAttribute({
        NetworkInterfaceId,
        Groups: Groups.slice(0, 5).flatMap(({ GroupId }) => GroupId ?? []),
      });
    },
    async secondaryAddress() {
      const nic = pick(await nics());
      const { NetworkInterfaceId } = nic ?? {};
      const [, one] = nic?.PrivateIpAddresses ?? [];
      if (one)
        return api.unassignPrivateIpAddresses({
          NetworkInterfaceId,
          PrivateIpAddresses: [one.PrivateIpAddress ?? ""],
        });
      return api.assignPrivateIpAddresses({ NetworkInterfaceId, SecondaryPrivateIpAddressCount: 1 });
    },
    async makeNatGateway() {
      const subnet = { SubnetId: pick(await subnets())?.SubnetId };
      const free = pick((await addresses()).filter((it) => !it.AssociationId))?.AllocationId;
      const how = free && random(3) > 0 ? { AllocationId: free } : ({ ConnectivityType: "private" } as const);
      return (await api.createNatGateway({ ...subnet, ...how })).NatGateway?.NatGatewayId;
    },
    deleteNatGateway: async () =>
      api.deleteNatGateway({
        NatGatewayId: pick((await gateways()).filter((it) => it.State === "available"))?.NatGatewayId,
      }),
    async peer() {
      const asked = await api.createVpcPeeringConnection({ VpcId: pick(vpcs), PeerVpcId: pick(vpcs) });
      const { VpcPeeringConnectionId } = asked.VpcPeeringConnection ?? {};
      return api.acceptVpcPeeringConnection({ VpcPeeringConnectionId });
    },
    deletePeering: async () =>
      api.deleteVpcPeeringConnection({
        VpcPeeringConnectionId: pick((await peerings()).filter(({ Status }) => Status?.Code === "active"))
          ?.VpcPeeringConnectionId,
      }),
  };
  const names = Object.keys(calls);

  return {
    acknowledged,
    async change() {
      const name = pick(names) ?? "";
      try {
        await patiently(calls[name] as Call);
        return name;
      } catch (error) {
        // What cannot be, by then or by chance, is refused; that is an answer too.
        if (error instanceof Error && "$fault" in error && error.$fault === "client")
          return `${name}: ${error.name}`;
        throw error;
      }
    },
  };
}
