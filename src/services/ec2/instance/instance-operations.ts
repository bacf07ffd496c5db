import type * as ec2 from "@aws-sdk/client-ec2";
import type { InstanceStateName } from "@aws-sdk/client-ec2";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import type { Transaction } from "#store/store.ts";
import type { Ec2Context } from "../context.ts";
import { describe } from "../describe.ts";
import {
  incorrectInstanceState,
  instanceNotFound,
  noFreePublicAddresses,
  rootVolumeMissing,
  stopProtected,
  terminationProtected,
  unsupportedParameter,
} from "../errors.ts";
import { zoneId } from "../availability-zone/availability-zone.ts";
import { freeAddress, inner } from "../network-interface/free-address.ts";
import { publicAddressInUse, type PublicAddressRecord } from "../network-interface/public-address.ts";
import { returnToGroups } from "../placement-group/group-placement.ts";
import { placeInstances } from "./capacity.ts";
import { instanceFilters, instanceStatusFilters } from "./instance-filters.ts";
import { describeCheck, ebsCheck, instanceCheck, systemCheck } from "./status-checks.ts";
import { describeReservations } from "./describe-instance.ts";
import {
  describeState,
  instanceAllows,
  touchedInstance,
  instanceState,
  reasons,
  rebooted,
  type InstanceRecord,
} from "./instance.ts";
import { instancesOf } from "./instance-change.ts";
import { runInstances } from "./run-instances.ts";
import { attachmentTo } from "../volume/volume.ts";

interface ChangePlan extends OperationPlan {
  readonly changes: readonly { readonly id: string; readonly before: InstanceStateName }[];
}

export const instanceOperations = {
  RunInstances: runInstances,

  DescribeInstances: {
    resolve: (input, context) =>
      describe(context.records.named("instance", input.InstanceIds), input, {
        ids: input.InstanceIds,
        parameter: "instancesSet",
        missing: instanceNotFound,
        filters: instanceFilters(context.records, context),
      }),
    answer: ({ items, nextToken }: { items: readonly InstanceRecord[]; nextToken?: string }, context) => ({
      Reservations: describeReservations(items, context.records, context),
      NextToken: nextToken,
    }),
  },

  DescribeInstanceStatus: {
    /** Of the named or all instances those that run, unless all are asked for. */
    resolve: (input, context) =>
      describe(
        context.records.named("instance", input.InstanceIds),
        {
          ...input,
          Filters: [...(input.Filters ?? []), ...(input.IncludeAllInstances ? [] : [onlyRunning])],
        },
        {
          ids: input.InstanceIds,
          parameter: "instancesSet",
          missing: instanceNotFound,
          filters: instanceStatusFilters(context),
        },
      ),
    answer: ({ items, nextToken }: { items: readonly InstanceRecord[]; nextToken?: string }, { region }) => ({
      InstanceStatuses: items.map((it) => ({
        InstanceId: it.id,
        AvailabilityZone: it.zone,
        AvailabilityZoneId: zoneId(region, it.zone),
        InstanceState: describeState(instanceState(it)),
        InstanceStatus: describeCheck(instanceCheck(it), (it.so.paused ?? it.so.cutOff)?.since),
        SystemStatus: describeCheck(systemCheck(it), it.so.cutOff?.since),
        AttachedEbsStatus: describeCheck(ebsCheck(it), it.so.paused?.since),
        Events: [],
      })),
      NextToken: nextToken,
    }),
  },

  StartInstances: {
    resolve(input, context) {
      const addresses = new Set<string>();
      const stopped = instancesOf(input.InstanceIds, context).filter((it) => instanceState(it) === "stopped");
      const plan = change("start", input.InstanceIds, context, (it) => {
        const volumes = context.records.volumesOf(it.id);
        const attachments = volumes.flatMap((volume) => attachmentTo(it.id, volume) ?? []);
        if (!attachments.some(({ device, detaching }) => device === it.rootDevice && !detaching))
          throw rootVolumeMissing(it.id, it.rootDevice);
        placeInstances(it.type, { threadsPerCore: 1, ...it }, it.architecture, it.zone, 1, context);
        const { reason: _, ...wanted } = it.wanted;
        return [
          {
            ...it,
            launchedAt: context.now().toISOString(),
            wanted: { ...wanted, state: "running", force: false, generation: wanted.generation + 1 },
          },
          ...newPublicAddresses(it, addresses, context),
        ];
      });
      return { ...plan, ...joined(plan.transaction, returnToGroups(stopped, context)) };
    },
    answer: (plan: ChangePlan, context) => ({ StartingInstances: stateChanges(plan, context) }),
  },

  StopInstances: {
    resolve(input, context) {
      if (input.Hibernate) throw unsupportedParameter("Hibernate");
      return change("stop", input.InstanceIds, context, (it) => {
        if (it.stopProtection) throw stopProtected(it.id);
        const force = Boolean(input.Force || input.SkipOsShutdown);
        return [
          {
            ...it,
            wanted: {
              ...it.wanted,
              state: "stopped",
              force,
              generation: it.wanted.generation + 1,
              reason: reasons.userStopped,
            },
          },
        ];
      });
    },
    answer: (plan: ChangePlan, context) => ({ StoppingInstances: stateChanges(plan, context) }),
  },

  RebootInstances: {
    resolve: (input, context) => change("reboot", input.InstanceIds, context, (it) => [rebooted(it)]),
    answer: () => ({}),
  },

  TerminateInstances: {
    resolve: (input, context) =>
      change("terminate", input.InstanceIds, context, (it) => {
        if (it.terminationProtection) throw terminationProtected(it.id);
        const force = Boolean(input.Force || input.SkipOsShutdown);
        return [
          {
            ...it,
            wanted: {
              ...it.wanted,
              state: "terminated",
              force,
              generation: it.wanted.generation + 1,
              reason: reasons.userStopped,
            },
          },
        ];
      }),
    answer: (plan: ChangePlan, context) => ({ TerminatingInstances: stateChanges(plan, context) }),
  },

  GetConsoleOutput: {
    resolve({ InstanceId: id }, context) {
      const [instance] = instancesOf([id], context);
      return { touches: instance ? [touchedInstance(instance, context)] : [], id };
    },
    answer({ id }: { id: string }, { records, now }) {
      const console = records.get("console", id);
      return {
        InstanceId: id,
        Output: console?.output,
        Timestamp: console ? new Date(console.createdAt) : now(),
      };
    },
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

const onlyRunning = { Name: "instance-state-name", Values: ["running"] };

/**
 * Writes the same wish into every named instance, or into none: one that is not in a state for it fails them all. Those
 * already on their way stay as they are.
 */
function change(
  what: keyof typeof instanceAllows,
  ids: readonly string[],
  context: Ec2Context,
  wish: (instance: InstanceRecord) => [InstanceRecord, ...PublicAddressRecord[]],
): ChangePlan {
  const { records } = context;
  const instances = instancesOf(ids, context);
  const { from, idle }: { from: readonly string[]; idle: readonly string[] } = instanceAllows[what];
  const writes = instances.flatMap((it) => {
    const state = instanceState(it);
    if (idle.includes(state)) return [];
    if (!from.includes(state)) throw incorrectInstanceState(it.id, pastTense[what]);
    return [{ it, written: wish(it) }];
  });
  const interfacesOf = (addresses: readonly PublicAddressRecord[]) =>
    addresses.flatMap(({ interfaceId = "" }) => records.get("network-interface", interfaceId) ?? []);
  return {
    touches: instances.map((it) => touchedInstance(it, context)),
    ...(writes.length > 0 && {
      transaction: {
        expect: writes.flatMap(({ it, written: [, ...addresses] }) => [
          { at: [records.key("instance", it.id), records.entry("instance", it.id)?.revision ?? 0] as const },
          ...addresses.map(({ id }) => ({ absent: records.key("public-address", id) })),
          ...interfacesOf(addresses).flatMap((nic) => records.rewrite("network-interface", nic).expect),
        ]),
        put: writes.flatMap(({ written: [instance, ...addresses] }) => [
          { key: records.key("instance", instance.id), value: instance },
          ...addresses.map((value) => ({ key: records.key("public-address", value.id), value })),
          ...interfacesOf(addresses).flatMap((nic) => records.rewrite("network-interface", nic).put),
        ]),
      },
    }),
    changes: instances.map((it) => ({ id: it.id, before: instanceState(it) })),
  };
}

/** Nothing is written beside nothing. */
const joined = (one: Transaction | undefined, other: Required<Pick<Transaction, "expect" | "put">>) =>
  one && {
    transaction: {
      ...one,
      expect: [...(one.expect ?? []), ...other.expect],
      put: [...(one.put ?? []), ...other.put],
    },
  };

const pastTense = { start: "started", stop: "stopped", reboot: "rebooted", terminate: "terminated" } as const;

/** A stopped instance gave its address back; starting it takes a new one, unless it has several interfaces. */
function newPublicAddresses(
  instance: InstanceRecord,
  used: Set<string>,
  context: Ec2Context,
): PublicAddressRecord[] {
  const { records, publicPool, now } = context;
  const interfaces = records.interfacesOf(instance.id);
  if (interfaces.length > 1) return [];
  return interfaces
    .filter((it) => it.publicAddressOnStart && !records.publicAddressOf(it.id))
    .map((it) => {
      const id = freeAddress(inner(publicPool), used, publicAddressInUse(records), context);
      if (id === undefined) throw noFreePublicAddresses();
      return { id, interfaceId: it.id, tags: {}, createdAt: now().toISOString() };
    });
}

const stateChanges = ({ changes }: ChangePlan, { records }: Ec2Context) =>
  changes.map(({ id, before }) => {
    const instance = records.get("instance", id);
    return {
      InstanceId: id,
      PreviousState: describeState(before),
      CurrentState: describeState(instance ? instanceState(instance) : "terminated"),
    };
  });
