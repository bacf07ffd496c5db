import type { ModifyNetworkInterfaceAttributeRequest } from "@aws-sdk/client-ec2";
import type { Transaction } from "#store/store.ts";
import type { Ec2Context } from "../context.ts";
import { invalidCombination, unsupportedParameter } from "../errors.ts";
import { groupsOf } from "../instance/launch-network.ts";
import type { NetworkInterfaceRecord } from "./network-interface.ts";

/** What ModifyNetworkInterfaceAttribute writes; it takes one attribute at a time. */
export function interfaceChange(
  nic: NetworkInterfaceRecord,
  { NetworkInterfaceId: _, DryRun: _dryRun, ...given }: ModifyNetworkInterfaceAttributeRequest,
  context: Ec2Context,
): Transaction {
  const { Groups: groups, SourceDestCheck: check, Description: text } = given;
  const [name, ...more] = Object.entries(given).flatMap(([it, value]) => (value === undefined ? [] : [it]));
  if (name === undefined) throw invalidCombination("No attributes specified.");
  if (more.length > 0)
    throw invalidCombination(`Fields for multiple attribute types specified: ${[name, ...more].join(", ")}`);
  if (groups) return interfaceGroupsChange(nic, groups, context);
  if (check) return rewriteInterface({ ...nic, sourceDestCheck: check.Value ?? false }, context);
  if (text) return rewriteInterface({ ...nic, description: text.Value ?? "" }, context);
  throw unsupportedParameter(name);
}

/** Membership is written beside the interface, so that a group with members cannot be deleted. */
export function interfaceGroupsChange(
  nic: NetworkInterfaceRecord,
  ids: readonly string[],
  context: Ec2Context,
): Transaction {
  const { records } = context;
  const groupIds = groupsOf(ids, undefined, nic, context);
  const [added, left] = [
    groupIds.filter((id) => !nic.groupIds.includes(id)),
    nic.groupIds.filter((id) => !groupIds.includes(id)),
  ];
  const member = (id: string) => records.key("member", `${id}/${nic.id}`);
  const { expect, put } = rewriteInterface({ ...nic, groupIds }, context);
  return {
    expect: [...expect, ...added.map((id) => ({ exists: records.key("security-group", id) }))],
    put: [...put, ...added.map((id) => ({ key: member(id), value: null }))],
    delete: left.map(member),
  };
}

export function rewriteInterface(
  nic: NetworkInterfaceRecord,
  { records }: Ec2Context,
): Required<Pick<Transaction, "expect" | "put">> {
  const key = records.key("network-interface", nic.id);
  return {
    expect: [{ at: [key, records.entry("network-interface", nic.id)?.revision ?? 0] }],
    put: [{ key, value: nic }],
  };
}
