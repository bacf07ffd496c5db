import type { Transaction } from "#store/store.ts";
import type { Ec2Context } from "../context.ts";
import { manyInterfaces } from "../errors.ts";
import { interfaceGroupsChange } from "../network-interface/network-interface-change.ts";
import type { NetworkInterfaceRecord } from "../network-interface/network-interface.ts";
import type { InstanceRecord } from "./instance.ts";

export function sourceDestCheckChange(
  instance: InstanceRecord,
  sourceDestCheck: boolean,
  context: Ec2Context,
): Transaction {
  const nic = onlyInterface(instance, context);
  return context.records.rewrite("network-interface", { ...nic, sourceDestCheck });
}

export const groupsChange = (
  instance: InstanceRecord,
  ids: readonly string[],
  context: Ec2Context,
): Transaction => interfaceGroupsChange(onlyInterface(instance, context), ids, context);

/** The interface that an attribute of the instance speaks of, where there is only one. */
function onlyInterface({ id }: InstanceRecord, { records }: Ec2Context): NetworkInterfaceRecord {
  const [nic, ...more] = records.interfacesOf(id);
  if (!nic || more.length > 0) throw manyInterfaces(id);
  return nic;
}
