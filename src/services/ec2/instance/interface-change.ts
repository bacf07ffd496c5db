import type { Transaction } from "#store/store.ts";
import type { Ec2Context } from "../context.ts";
import { manyInterfaces } from "../errors.ts";
import type { NetworkInterfaceRecord } from "../network-interface/network-interface.ts";
import type { InstanceRecord } from "./instance.ts";
import { groupsOf } from "./launch-network.ts";

export function sourceDestCheckChange(
  instance: InstanceRecord,
  sourceDestCheck: boolean,
  context: Ec2Context,
): Transaction {
  const nic = onlyInterface(instance, context);
  return rewriteInterface({ ...nic, sourceDestCheck }, context);
}

/** Membership is written beside the interface, so that a group with members cannot be deleted. */
export function groupsChange(
  instance: InstanceRecord,
  ids: readonly string[],
  context: Ec2Context,
): Transaction {
  const { records } = context;
  const nic = onlyInterface(instance, context);
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

/** The interface that an attribute of the instance speaks of, where there is only one. */
function onlyInterface({ id }: InstanceRecord, { records }: Ec2Context): NetworkInterfaceRecord {
  const [nic, ...more] = records.interfacesOf(id);
  if (!nic || more.length > 0) throw manyInterfaces(id);
  return nic;
}

function rewriteInterface(
  nic: NetworkInterfaceRecord,
  { records }: Ec2Context,
): Required<Pick<Transaction, "expect" | "put">> {
  const key = records.key("network-interface", nic.id);
  return {
    expect: [{ at: [key, records.entry("network-interface", nic.id)?.revision ?? 0] }],
    put: [{ key, value: nic }],
  };
}
