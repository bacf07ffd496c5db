import type { Transaction } from "#store/store.ts";
import type { Ec2Context } from "../context.ts";
import { defaultAclClaim, passAll, type NetworkAclRecord } from "../network-acl/network-acl.ts";
import { mainTableClaim, type Route, type RouteTableRecord } from "../route-table/route-table.ts";
import { newSecurityGroup } from "../security-group/security-group.ts";
import { newSubnet, type SubnetRecord } from "../subnet/subnet.ts";
import type { VpcRecord } from "./vpc.ts";

/**
 * A VPC with what AWS makes along with each: its main route table, its default network ACL and its default security group.
 * `subnets`, `routes`: what a default VPC has from the start.
 */
export function newVpc(
  vpc: VpcRecord,
  context: Ec2Context,
  { subnets = [], routes = [] }: { subnets?: readonly SubnetRecord[]; routes?: readonly Route[] } = {},
): Required<Pick<Transaction, "put">> {
  const { records, newId } = context;
  const common = { vpcId: vpc.id, tags: {}, createdAt: vpc.createdAt } as const;
  const table: RouteTableRecord = {
    id: newId("rtb"),
    routes,
    associations: [{ id: newId("rtbassoc"), main: true }],
    ...common,
  };
  const acl: NetworkAclRecord = {
    id: newId("acl"),
    isDefault: true,
    entries: passAll,
    associations: subnets.map(({ id }) => ({ id: newId("aclassoc"), subnetId: id })),
    ...common,
  };
  const group = newSecurityGroup(
    { name: "default", description: "default VPC security group", vpcId: vpc.id, tags: {} },
    context,
  );
  const claim = (name: string, value: string) => ({ key: records.key("claim", name), value });
  return {
    put: [
      { key: records.key("vpc", vpc.id), value: vpc },
      { key: records.key("route-table", table.id), value: table },
      claim(mainTableClaim(vpc.id), table.id),
      { key: records.key("network-acl", acl.id), value: acl },
      claim(defaultAclClaim(vpc.id), acl.id),
      ...subnets.flatMap((subnet) => newSubnet(subnet, context)),
      ...group.put,
    ],
  };
}
