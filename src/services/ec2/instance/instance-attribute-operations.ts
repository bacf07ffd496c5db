import type * as ec2 from "@aws-sdk/client-ec2";
import type { InstanceAttribute, InstanceAttributeName } from "@aws-sdk/client-ec2";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import type { Ec2Context } from "../context.ts";
import { invalidParameter } from "../errors.ts";
import { describeGroups } from "../network-interface/network-interface.ts";
import { describeBlockDevices } from "./describe-instance.ts";
import { attributeChange } from "./instance-attribute-change.ts";
import { changeableInstance, instancesOf, onlyWhileStopped } from "./instance-change.ts";
import { touchedInstance, type InstanceRecord } from "./instance.ts";
import { sourceDestCheckChange } from "./interface-change.ts";

export const instanceAttributeOperations = {
  DescribeInstanceAttribute: {
    resolve({ InstanceId: id, Attribute: attribute }, context) {
      const [instance] = instancesOf([id], context);
      return {
        touches: instance ? [touchedInstance(instance, context)] : [],
        instance,
        attribute,
      };
    },
    answer: (
      { instance, attribute }: { instance: InstanceRecord; attribute: InstanceAttributeName },
      context,
    ) => ({ InstanceId: instance.id, ...describeAttribute[attribute](instance, context) }),
  },

  ModifyInstanceAttribute: {
    resolve(input, context): OperationPlan {
      const instance = changeableInstance(input.InstanceId, context);
      return {
        touches: [touchedInstance(instance, context)],
        transaction: attributeChange(instance, input, context),
      };
    },
    answer: () => ({}),
  },

  /** Instances have no kernel or RAM disk of their own here, so theirs are always as they were. */
  ResetInstanceAttribute: {
    resolve({ InstanceId: id, Attribute: attribute }, context): OperationPlan {
      const instance = changeableInstance(id, context);
      const touches = [touchedInstance(instance, context)];
      if (attribute === "sourceDestCheck")
        return { touches, transaction: sourceDestCheckChange(instance, true, context) };
      if (attribute !== "kernel" && attribute !== "ramdisk")
        throw invalidParameter(
          `Value (${attribute}) for parameter attribute is invalid. It cannot be reset.`,
        );
      onlyWhileStopped(instance);
      return { touches };
    },
    answer: () => ({}),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

const describeAttribute: Readonly<
  Record<InstanceAttributeName, (it: InstanceRecord, context: Ec2Context) => InstanceAttribute>
> = {
  blockDeviceMapping: (it, { records }) => ({ BlockDeviceMappings: describeBlockDevices(it, records) }),
  disableApiStop: (it) => ({ DisableApiStop: { Value: it.stopProtection } }),
  disableApiTermination: (it) => ({ DisableApiTermination: { Value: it.terminationProtection } }),
  ebsOptimized: (it) => ({ EbsOptimized: { Value: it.ebsOptimized } }),
  enaSupport: () => ({ EnaSupport: { Value: true } }),
  enclaveOptions: () => ({ EnclaveOptions: { Enabled: false } }),
  groupSet: (it, { records }) => {
    const [primary] = records.interfacesOf(it.id).filter((nic) => nic.attachment?.deviceIndex === 0);
    return { Groups: primary ? describeGroups(primary, records) : [] };
  },
  instanceInitiatedShutdownBehavior: (it) => ({
    InstanceInitiatedShutdownBehavior: { Value: it.shutdownBehavior },
  }),
  instanceType: (it) => ({ InstanceType: { Value: it.type } }),
  kernel: () => ({ KernelId: {} }),
  productCodes: () => ({ ProductCodes: [] }),
  ramdisk: () => ({ RamdiskId: {} }),
  rootDeviceName: (it) => ({ RootDeviceName: { Value: it.rootDevice } }),
  sourceDestCheck: (it, { records }) => ({
    SourceDestCheck: { Value: records.interfacesOf(it.id).every((nic) => nic.sourceDestCheck) },
  }),
  sriovNetSupport: () => ({ SriovNetSupport: {} }),
  userData: (it) => ({ UserData: { Value: it.userData } }),
};
