import type * as ec2 from "@aws-sdk/client-ec2";
import type {
  InstanceMonitoring,
  ModifyInstanceCreditSpecificationRequest,
  ModifyInstanceCreditSpecificationResult,
  UnsuccessfulInstanceCreditSpecificationItem,
} from "@aws-sdk/client-ec2";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import { type MakingPlan, modificationTokens, once } from "../client-token.ts";
import type { Ec2Context } from "../context.ts";
import { describe } from "../describe.ts";
import {
  creditsNotSupported,
  creditsNotSupportedMessage,
  instanceNotFound,
  missingParameter,
} from "../errors.ts";
import { cpuCredits, creditsNamed, isBurstable } from "./cpu-credits.ts";
import { describeMaintenance, describeMetadataOptions } from "./describe-instance.ts";
import {
  changeableInstance,
  instancesOf,
  isChangeable,
  onlyWhileStopped,
  rewrite,
} from "./instance-change.ts";
import { defaultMaintenance, touchedInstance, type InstanceRecord } from "./instance.ts";
import { metadataOptions } from "./launch-parameters.ts";
import { privateDnsNames } from "./private-dns-names.ts";

/** What may be changed of an instance at any time, each by an operation of its own. */
export const instanceOptionOperations = {
  ModifyInstanceMetadataOptions: {
    resolve({ InstanceId: id, ...options }, context) {
      const before = changeableInstance(id, context);
      return change(
        { ...before, metadataOptions: metadataOptions(options, before.metadataOptions) },
        context,
      );
    },
    answer: ({ instance }: ChangePlan) => ({
      InstanceId: instance.id,
      InstanceMetadataOptions: describeMetadataOptions(instance.metadataOptions),
    }),
  },

  ModifyInstanceMaintenanceOptions: {
    resolve({ InstanceId: id, AutoRecovery, RebootMigration }, context) {
      const before = changeableInstance(id, context);
      const { autoRecovery, rebootMigration } = before.maintenance ?? defaultMaintenance;
      const maintenance = {
        autoRecovery: AutoRecovery ?? autoRecovery,
        rebootMigration: RebootMigration ?? rebootMigration,
      };
      return change({ ...before, maintenance }, context);
    },
    answer: ({ instance }: ChangePlan) => ({ InstanceId: instance.id, ...describeMaintenance(instance) }),
  },

  /** How it is called, while it is stopped; whether its id leads to it, at any time. */
  ModifyPrivateDnsNameOptions: {
    resolve({ InstanceId: id, PrivateDnsHostnameType: HostnameType, ...records }, context) {
      const before = changeableInstance(id ?? "", context);
      const privateDns = privateDnsNames({ HostnameType, ...records }, before.privateDns);
      if (privateDns.hostNames !== before.privateDns?.hostNames) onlyWhileStopped(before);
      return change({ ...before, privateDns }, context);
    },
    answer: () => ({ Return: true }),
  },

  MonitorInstances: {
    resolve: (input, context) => monitor(input.InstanceIds, true, context),
    answer: ({ before }: MonitorPlan) => ({
      InstanceMonitorings: before.map((it) => describeMonitoring(it, it.monitoring ? "enabled" : "pending")),
    }),
  },
  UnmonitorInstances: {
    resolve: (input, context) => monitor(input.InstanceIds, false, context),
    answer: ({ before }: MonitorPlan) => ({
      InstanceMonitorings: before.map((it) =>
        describeMonitoring(it, it.monitoring ? "disabling" : "disabled"),
      ),
    }),
  },

  /** Without ids: those that may go beyond their credits. */
  DescribeInstanceCreditSpecifications: {
    resolve(input, context) {
      const all = context.records.all("instance");
      const burstable = all.filter(({ type }) => isBurstable(type));
      const others = (input.InstanceIds ?? []).filter((id) =>
        all.some((it) => it.id === id && !isBurstable(it.type)),
      );
      if (others.length > 0) throw creditsNotSupported(others);
      const shown = input.InstanceIds?.length
        ? burstable
        : burstable.filter((it) => cpuCredits(it) === "unlimited");
      return describe(shown, input, {
        ids: input.InstanceIds,
        parameter: "instancesSet",
        missing: instanceNotFound,
        filters: { "instance-id": (it) => it.id },
      });
    },
    answer: ({ items, nextToken }: { items: readonly InstanceRecord[]; nextToken?: string }) => ({
      InstanceCreditSpecifications: items.map((it) => ({ InstanceId: it.id, CpuCredits: cpuCredits(it) })),
      NextToken: nextToken,
    }),
  },

  /** Changes those it can, and says of each other why not. */
  ModifyInstanceCreditSpecification: {
    resolve(input, context) {
      if (input.InstanceCreditSpecifications.length === 0)
        throw missingParameter("InstanceCreditSpecification");
      return once("ModifyInstanceCreditSpecification", input, context, () => modifyCredits(input, context));
    },
    answer: ({ made }: MakingPlan): ModifyInstanceCreditSpecificationResult => JSON.parse(made),
  },

  /** Passwords are made for Windows only. */
  GetPasswordData: {
    resolve: ({ InstanceId: id }, context) => ({ touches: touched(instancesOf([id], context), context), id }),
    answer: ({ id }: { id: string }, { now }) => ({ InstanceId: id, Timestamp: now(), PasswordData: "" }),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

interface ChangePlan extends OperationPlan {
  readonly instance: InstanceRecord;
}

const change = (instance: InstanceRecord, context: Ec2Context): ChangePlan => ({
  touches: touched([instance], context),
  transaction: rewrite([instance], context),
  instance,
});

interface MonitorPlan extends OperationPlan {
  readonly before: readonly InstanceRecord[];
}

function monitor(ids: readonly string[], monitoring: boolean, context: Ec2Context): MonitorPlan {
  const instances = instancesOf(ids, context).map(({ id }) => changeableInstance(id, context));
  const changed = instances.filter((it) => it.monitoring !== monitoring);
  return {
    touches: touched(instances, context),
    ...(changed.length > 0 && {
      transaction: rewrite(
        changed.map((it) => ({ ...it, monitoring })),
        context,
      ),
    }),
    before: instances,
  };
}

const describeMonitoring = (
  { id }: InstanceRecord,
  State: "enabled" | "pending" | "disabled" | "disabling",
): InstanceMonitoring => ({ InstanceId: id, Monitoring: { State } });

/** The first instance that changes remembers the token. */
function modifyCredits(input: ModifyInstanceCreditSpecificationRequest, context: Ec2Context): MakingPlan {
  const failed: UnsuccessfulInstanceCreditSpecificationItem[] = [];
  const changed = new Map<string, InstanceRecord>();
  for (const { InstanceId: id = "", CpuCredits: credits = "" } of input.InstanceCreditSpecifications ?? []) {
    const chosen = creditsNamed(credits);
    const before = context.records.get("instance", id);
    const error = before ? refusal(before) : notFound(id);
    if (error) failed.push({ InstanceId: id, Error: error });
    else if (before) changed.set(id, { ...before, cpuCredits: chosen });
  }
  const [first, ...others] = changed.values();
  const outcome: ModifyInstanceCreditSpecificationResult = {
    SuccessfulInstanceCreditSpecifications: [...changed.keys()].map((InstanceId) => ({ InstanceId })),
    UnsuccessfulInstanceCreditSpecifications: failed,
  };
  const made = JSON.stringify(outcome);
  if (!first) return { touches: [], made };
  const { modifiedBy, delete: forgotten } = modificationTokens(
    "ModifyInstanceCreditSpecification",
    input.ClientToken,
    first.creditsModifiedBy,
    context.records,
  );
  const instances = [{ ...first, creditsModifiedBy: modifiedBy }, ...others];
  return {
    touches: touched(instances, context),
    transaction: { ...rewrite(instances, context), delete: forgotten },
    made,
  };
}

const notFound = (id: string) =>
  ({
    Code: "InvalidInstanceID.NotFound",
    Message: `The instance ID '${id}' does not exist`,
  }) as const;

function refusal(instance: InstanceRecord) {
  if (!isChangeable(instance))
    return {
      Code: "IncorrectInstanceState",
      Message: `The instance '${instance.id}' is not in a state from which it can be modified.`,
    } as const;
  if (isBurstable(instance.type)) return undefined;
  return {
    Code: "InstanceCreditSpecification.NotSupported",
    Message: creditsNotSupportedMessage(instance.id),
  } as const;
}

const touched = (instances: readonly InstanceRecord[], context: Ec2Context) =>
  instances.map((it) => touchedInstance(it, context));
