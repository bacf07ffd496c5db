import type * as ec2 from "@aws-sdk/client-ec2";
import type { AttachNetworkInterfaceRequest } from "@aws-sdk/client-ec2";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import type { Ec2Context } from "../context.ts";
import {
  attachmentLimitExceeded,
  attachmentNotFound,
  deviceIndexTaken,
  instanceNotReady,
  interfaceAttached,
  interfaceElsewhere,
  invalidParameter,
  missingParameter,
  otherServicesAttachment,
  primaryInterfaceStays,
  unsupportedParameter,
} from "../errors.ts";
import { interfaceLimit } from "../instance-type/instance-type.ts";
import { instancesOf, rewrite } from "../instance/instance-change.ts";
import { touchedInstance, instanceState } from "../instance/instance.ts";
import { ownInterfaceOf } from "./find-interface.ts";
import {
  addressSlots,
  networkInterfaceArn,
  type InterfaceAttachment,
  type NetworkInterfaceRecord,
} from "./network-interface.ts";
import { checkAddressCount } from "./private-address.ts";

export const attachmentOperations = {
  /** To an instance that runs or is stopped; the instance is written too, lest two come to be at one index. */
  AttachNetworkInterface: {
    resolve(input, context): OperationPlan & { attachmentId: string } {
      const { records } = context;
      const [nic, instance, index] = attachable(input, context);
      const attachment: InterfaceAttachment = {
        id: context.newId("eni-attach"),
        instanceId: instance.id,
        deviceIndex: index,
        attachedAt: context.now().toISOString(),
        deleteOnTermination: false,
        ...(instanceState(instance) === "running" && { plugging: true }),
      };
      const attached = { ...nic, hostId: instance.hostId, attachment, so: { ready: false } };
      const writes = [records.rewrite("network-interface", attached), rewrite([instance], context)];
      return {
        touches: [
          { arn: networkInterfaceArn(nic.id, context), tags: nic.tags },
          touchedInstance(instance, context),
        ],
        transaction: {
          expect: writes.flatMap(({ expect }) => expect),
          put: writes.flatMap(({ put }) => put),
        },
        attachmentId: attachment.id,
      };
    },
    answer: ({ attachmentId }: { attachmentId: string }) => ({
      AttachmentId: attachmentId,
      NetworkCardIndex: 0,
    }),
  },

  /** Its guest is asked to let go of it, or is not, by force. */
  DetachNetworkInterface: {
    resolve({ AttachmentId: id, Force: force = false }, context): OperationPlan {
      const { records } = context;
      if (id?.startsWith("ela-attach-")) throw otherServicesAttachment();
      const nic = records.interfaceAttachedBy(id);
      const { attachment } = nic ?? {};
      if (!nic || !attachment) throw attachmentNotFound(id);
      if (attachment.deviceIndex === 0) throw primaryInterfaceStays();
      const [instance] = instancesOf([attachment.instanceId], context);
      const state = instance && instanceState(instance);
      if (state === "shutting-down" || state === "terminated")
        throw instanceNotReady(state, attachment.instanceId);
      const detaching = { force: force || (attachment.detaching?.force ?? false) };
      return {
        touches: [
          { arn: networkInterfaceArn(nic.id, context), tags: nic.tags },
          ...(instance ? [touchedInstance(instance, context)] : []),
        ],
        transaction: records.rewrite("network-interface", {
          ...nic,
          attachment: { ...attachment, detaching },
        }),
      };
    },
    answer: () => ({}),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

/** What is to come together, and at which device index. */
function attachable(input: AttachNetworkInterfaceRequest, context: Ec2Context) {
  const { records } = context;
  for (const name of ["EnaQueueCount", "EnaSrdSpecification"] as const)
    if (input[name] !== undefined) throw unsupportedParameter(name);
  if (input.NetworkCardIndex) throw unsupportedParameter("NetworkCardIndex");
  const { DeviceIndex: index, InstanceId: instanceId = "", NetworkInterfaceId: id = "" } = input;
  if (index === undefined) throw missingParameter("deviceIndex");
  if (!Number.isInteger(index) || index < 0)
    throw invalidParameter(`Value (${index}) for parameter deviceIndex is invalid.`);
  const nic: NetworkInterfaceRecord = ownInterfaceOf(id, context);
  const [instance] = instancesOf([instanceId], context);
  const state = instance && instanceState(instance);
  if (!instance || (state !== "running" && state !== "stopped"))
    throw instanceNotReady(String(state), instanceId);
  if (nic.attachment) throw interfaceAttached(id);
  if (nic.zone !== instance.zone) throw interfaceElsewhere();
  const others = records.interfacesOf(instanceId);
  if (others.some(({ attachment }) => attachment?.deviceIndex === index))
    throw deviceIndexTaken(instanceId, index);
  if (others.length >= interfaceLimit(instance.type))
    throw attachmentLimitExceeded(others.length + 1, instance.type);
  checkAddressCount(addressSlots(nic), instance.type);
  return [nic, instance, index] as const;
}
