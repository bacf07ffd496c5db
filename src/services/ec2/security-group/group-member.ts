import type { Expectation } from "#store/store.ts";
import type { NetworkInterfaceRecord } from "../network-interface/network-interface.ts";
import type { Ec2Records } from "../records.ts";

/** Keeps the association of a group with a further VPC, while it is there, and the VPC and the group with it. */
export const associationKeys = (groupId: string, vpcId: string, records: Ec2Records): string[] => [
  records.key("member", `${groupId}/${vpcId}`),
  records.key("member", `${vpcId}/${groupId}`),
];

/** What keeps a group while an interface is in it, and the association by which it may be. */
export const groupMember = (
  groupId: string,
  { id, vpcId }: Pick<NetworkInterfaceRecord, "id" | "vpcId">,
  records: Ec2Records,
): string =>
  records.key("member", `${groupId}/${isOfOther(groupId, vpcId, records) ? `${vpcId}/` : ""}${id}`);

/** What must still be so when an interface of this VPC comes to be in the group. */
export const groupStands = (groupId: string, vpcId: string, records: Ec2Records): Expectation => ({
  exists: isOfOther(groupId, vpcId, records)
    ? records.key("member", `${groupId}/${vpcId}`)
    : records.key("security-group", groupId),
});

const isOfOther = (groupId: string, vpcId: string, records: Ec2Records): boolean =>
  records.get("security-group", groupId)?.vpcId !== vpcId;
