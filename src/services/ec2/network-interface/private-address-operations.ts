import type * as ec2 from "@aws-sdk/client-ec2";
import type { AssignPrivateIpAddressesRequest } from "@aws-sdk/client-ec2";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import type { Transaction } from "#store/store.ts";
import type { Ec2Context } from "../context.ts";
import {
  addressInUse,
  invalidCombination,
  invalidParameter,
  missingParameter,
  unsupportedParameter,
} from "../errors.ts";
import type { SubnetRecord } from "../subnet/subnet.ts";
import { ownInterfaceOf } from "./find-interface.ts";
import { networkInterfaceArn, type NetworkInterfaceRecord } from "./network-interface.ts";
import { addressClaims } from "./new-interface.ts";
import { addressTaker, checkAddressCount, checkAddresses, subnetAddressClaim } from "./private-address.ts";
import { unmapped } from "./public-address.ts";

interface AssignmentPlan extends OperationPlan {
  readonly nic: NetworkInterfaceRecord;
  readonly assigned: readonly string[];
}

export const privateAddressOperations = {
  /** Secondary addresses: those named, also from another interface of the subnet if that is allowed, or as many as are asked for. */
  AssignPrivateIpAddresses: {
    resolve(input, context): AssignmentPlan {
      const { records } = context;
      for (const name of ["Ipv4PrefixCount", "Ipv4Prefixes"] as const)
        if (Array.isArray(input[name]) ? input[name].length > 0 : input[name])
          throw unsupportedParameter(name);
      const nic = ownInterfaceOf(input.NetworkInterfaceId, context);
      const subnet = records.get("subnet", nic.subnetId);
      const assigned = subnet ? newSecondaries(input, nic, subnet, context) : [];
      const touches = [{ arn: networkInterfaceArn(nic.id, context), tags: nic.tags }];
      if (assigned.length === 0) return { touches, nic, assigned };
      const secondary = [...(nic.secondary ?? []), ...assigned];
      const type = nic.attachment && records.get("instance", nic.attachment.instanceId)?.type;
      checkAddressCount(1 + secondary.length, type);
      const { expect, put } = records.rewrite("network-interface", { ...nic, secondary });
      const moves = movesTo(nic, assigned, input.AllowReassignment ?? false, context);
      return {
        touches,
        transaction: {
          expect: [
            ...expect,
            ...moves.expect,
            ...addressClaims(nic, moves.unclaimed, records).map((absent) => ({ absent })),
          ],
          put: [
            ...put,
            ...moves.put,
            ...addressClaims(nic, assigned, records).map((key) => ({ key, value: nic.id })),
          ],
        },
        nic,
        assigned,
      };
    },
    answer: ({ nic, assigned }: AssignmentPlan) => ({
      NetworkInterfaceId: nic.id,
      AssignedPrivateIpAddresses: assigned.map((PrivateIpAddress) => ({ PrivateIpAddress })),
      AssignedIpv4Prefixes: [],
    }),
  },

  /** Elastic addresses that were mapped to them stay the account's. */
  UnassignPrivateIpAddresses: {
    resolve(input, context): OperationPlan {
      const { records } = context;
      if (input.Ipv4Prefixes?.length) throw unsupportedParameter("Ipv4Prefixes");
      const nic = ownInterfaceOf(input.NetworkInterfaceId, context);
      const gone = [...new Set(input.PrivateIpAddresses)];
      if (gone.length === 0) throw missingParameter("privateIpAddresses");
      if (gone.includes(nic.address))
        throw invalidParameter(`Primary private IP address ${nic.address} cannot be unassigned`);
      if (!gone.every((it) => nic.secondary?.includes(it)))
        throw invalidParameter(`Some of [${gone.join(", ")}] are not assigned to interface ${nic.id}`);
      const secondary = nic.secondary?.filter((it) => !gone.includes(it)) ?? [];
      const { expect, put } = records.rewrite("network-interface", { ...nic, secondary });
      const addresses = unmapped(
        gone.flatMap((it) => records.publicAddressOf(nic.id, it) ?? []),
        records,
      );
      return {
        touches: [{ arn: networkInterfaceArn(nic.id, context), tags: nic.tags }],
        transaction: {
          expect: [...expect, ...addresses.expect],
          put: [...put, ...addresses.put],
          delete: [...addressClaims(nic, gone, records), ...addresses.delete],
        },
      };
    },
    answer: () => ({}),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

/** Those that are not its own yet. */
function newSecondaries(
  input: AssignPrivateIpAddressesRequest,
  nic: NetworkInterfaceRecord,
  subnet: SubnetRecord,
  context: Ec2Context,
): string[] {
  const { PrivateIpAddresses: named = [], SecondaryPrivateIpAddressCount: count } = input;
  if (named.length > 0 && count !== undefined)
    throw invalidCombination(
      "The parameters PrivateIpAddresses and SecondaryPrivateIpAddressCount may not be specified together.",
    );
  if (named.length === 0 && count === undefined) throw missingParameter("secondaryPrivateIpAddressCount");
  if (count !== undefined && (count < 1 || !Number.isInteger(count)))
    throw invalidParameter(`Value (${count}) for parameter secondaryPrivateIpAddressCount is invalid.`);
  checkAddresses(named, subnet);
  if (count === undefined) return named.filter((address) => !nic.secondary?.includes(address));
  checkAddressCount(1 + count);
  const take = addressTaker(subnet, context);
  return Array.from({ length: count }, () => take());
}

interface Moves extends Required<Pick<Transaction, "expect" | "put">> {
  /** Those that nobody has. */
  readonly unclaimed: readonly string[];
}

/** Takes secondary addresses from the interfaces that have them, with the elastic ones that are mapped to them. */
function movesTo(
  nic: NetworkInterfaceRecord,
  addresses: readonly string[],
  allowed: boolean,
  { records }: Ec2Context,
): Moves {
  const holders = Map.groupBy(addresses, (it) => records.claimed(subnetAddressClaim(nic.subnetId, it)));
  const changes = [...holders].flatMap(([id, moved]) => {
    if (id === undefined) return [];
    const holder = records.get("network-interface", id);
    const [kept] = moved.filter((it) => !allowed || !holder?.secondary?.includes(it));
    if (!holder || kept !== undefined) throw addressInUse(kept ?? nic.address);
    const secondary = holder.secondary?.filter((it) => !moved.includes(it)) ?? [];
    const mapped = moved.flatMap((it) => records.publicAddressOf(id, it) ?? []);
    return [
      records.rewrite("network-interface", { ...holder, secondary }),
      ...mapped.map((it) => records.rewrite("public-address", { ...it, interfaceId: nic.id })),
    ];
  });
  return {
    expect: changes.flatMap(({ expect }) => expect),
    put: changes.flatMap(({ put }) => put),
    unclaimed: holders.get(undefined) ?? [],
  };
}
