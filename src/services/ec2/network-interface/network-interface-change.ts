import type {
  ModifyNetworkInterfaceAttributeRequest,
  NetworkInterfaceAttachmentChanges,
} from "@aws-sdk/client-ec2";
import type { Transaction } from "#store/store.ts";
import type { Ec2Context } from "../context.ts";
import {
  attachmentNotFound,
  invalidCombination,
  missingParameter,
  severalAttributes,
  unsupportedParameter,
} from "../errors.ts";
import { groupsOf } from "../instance/launch-network.ts";
import { groupMember, groupStands } from "../security-group/group-member.ts";
import { idleTimeouts } from "./idle-timeouts.ts";
import type { NetworkInterfaceRecord } from "./network-interface.ts";
import { checkedDescription } from "./new-interface.ts";

/** What ModifyNetworkInterfaceAttribute writes; it takes one attribute at a time. */
export function interfaceChange(
  nic: NetworkInterfaceRecord,
  { NetworkInterfaceId: _, DryRun: _dryRun, ...given }: ModifyNetworkInterfaceAttributeRequest,
  context: Ec2Context,
): Transaction {
  const { Groups: groups, SourceDestCheck: check, Description: text, Attachment: attached } = given;
  const { ConnectionTrackingSpecification: tracking } = given;
  const { records } = context;
  const [name, ...more] = Object.entries(given).flatMap(([it, value]) => (value === undefined ? [] : [it]));
  if (name === undefined) throw invalidCombination("No attributes specified.");
  if (more.length > 0) throw severalAttributes([name, ...more]);
  if (groups) return interfaceGroupsChange(nic, groups, context);
  if (check) return records.rewrite("network-interface", { ...nic, sourceDestCheck: check.Value ?? false });
  if (text)
    return records.rewrite("network-interface", { ...nic, description: checkedDescription(text.Value) });
  if (attached) return attachmentChange(nic, attached, context);
  const timeouts = tracking && idleTimeouts(tracking, nic.idleTimeouts);
  if (timeouts) return records.rewrite("network-interface", { ...nic, idleTimeouts: timeouts });
  throw unsupportedParameter(name);
}

function attachmentChange(
  { attachment, ...nic }: NetworkInterfaceRecord,
  {
    AttachmentId: id = "",
    DeleteOnTermination: deleteOnTermination,
    ...more
  }: NetworkInterfaceAttachmentChanges,
  { records }: Ec2Context,
): Transaction {
  const [unserved] = Object.entries(more).flatMap(([name, value]) => (value === undefined ? [] : [name]));
  if (unserved !== undefined) throw unsupportedParameter(`Attachment.${unserved}`);
  if (attachment?.id !== id) throw attachmentNotFound(id);
  if (deleteOnTermination === undefined) throw missingParameter("deleteOnTermination");
  return records.rewrite("network-interface", { ...nic, attachment: { ...attachment, deleteOnTermination } });
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
  const member = (id: string) => groupMember(id, nic, records);
  const { expect, put } = records.rewrite("network-interface", { ...nic, groupIds });
  return {
    expect: [...expect, ...added.map((id) => groupStands(id, nic.vpcId, records))],
    put: [...put, ...added.map((id) => ({ key: member(id), value: null }))],
    delete: left.map(member),
  };
}
