/**
 * What an account may have, by default, with the codes Service Quotas knows it by; whoever enforces a number reads it here.
 * Follows "Amazon VPC quotas" and "Amazon EC2 endpoints and quotas".
 */
export const quotas = {
  elasticAddressesPerRegion: quota("ec2", "L-0263D0A3", "EC2-VPC Elastic IPs", 5),
  networkInterfacesPerRegion: quota("vpc", "L-DF5E4CA3", "Network interfaces per Region", 5000),
  internetGatewaysPerRegion: quota("vpc", "L-A4707A72", "Internet gateways per Region", 5),
  natGatewaysPerZone: quota("vpc", "L-FE5A380F", "NAT gateways per Availability Zone", 5),
  elasticAddressesPerNatGateway: quota("vpc", "L-5F53652F", "Elastic IP address quota per NAT gateway", 2),
  addressesPerNatGateway: quota("vpc", "L-DFA99DE7", "Private IP address quota per NAT gateway", 8),
  activePeerings: quota("vpc", "L-7E9ECCDB", "Active VPC peering connections per VPC", 50),
  pendingPeerings: quota("vpc", "L-DC9F7029", "Outstanding VPC peering connection requests", 25),
  gatewayEndpointsPerRegion: quota("vpc", "L-1B52E74A", "Gateway VPC endpoints per Region", 20),
  rangesPerVpc: quota("vpc", "L-83CA0A9D", "IPv4 CIDR blocks per VPC", 5),
  routeTablesPerVpc: quota("vpc", "L-589F43AA", "Route tables per VPC", 200),
  routesPerTable: quota("vpc", "L-93826ACB", "Routes per route table", 50),
  networkAclsPerVpc: quota("vpc", "L-B4A6D682", "Network ACLs per VPC", 200),
  rulesPerNetworkAcl: quota("vpc", "L-2AEEBF1A", "Rules per network ACL", 20),
  /** In each direction, for IPv4 and for IPv6; a group as peer counts for both. */
  rulesPerSecurityGroup: quota("vpc", "L-0EA8095F", "Inbound or outbound rules per security group", 60),
  securityGroupsPerInterface: quota("vpc", "L-2AFB9258", "Security groups per network interface", 5),
  securityGroupsPerRegion: quota("vpc", "L-E79EC296", "VPC security groups per Region", 2500),
  subnetsPerVpc: quota("vpc", "L-407747CB", "Subnets per VPC", 200),
  vpcsPerRegion: quota("vpc", "L-F678F1CE", "VPCs per Region", 5),
} as const;

export interface Quota {
  readonly service: "ec2" | "vpc";
  readonly code: `L-${string}`;
  readonly name: string;
  readonly value: number;
}

function quota(service: Quota["service"], code: Quota["code"], name: string, value: number): Quota {
  return { service, code, name, value };
}
