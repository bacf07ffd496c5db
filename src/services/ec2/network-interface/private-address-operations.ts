import type * as ec2 from "@aws-sdk/client-ec2";
import type { AssignPrivateIpAddressesRequest } from "@aws-sdk/client-ec2";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import type { Transaction } from "#store/store.ts";
import type { Ec2Context } from "../context.ts";
import { addressInUse, invalidCombination, invalidParameter, missingParameter } from "../errors.ts";
import type { SubnetRecord } from "../subnet/subnet.ts";
import { newPrefixes, prefixWrites } from "./address-prefix.ts";
import { ownInterfaceOf } from "./find-interface.ts";
import { addressSlots, networkInterfaceArn, type NetworkInterfaceRecord } from "./network-interface.ts";
import { addressClaims, expectFree } from "./new-interface.ts";
import {
  addressTaker,
  checkAddressCount,
  checkAddresses,
  prefixAround,
  prefixClaim,
  subnetAddressClaim,
} from "./private-address.ts";
import { unmapped } from "./public-address.ts";

interface AssignmentPlan extends OperationPlan {
  readonly nic: NetworkInterfaceRecord;
  readonly assigned: readonly string[];
  readonly prefixes: readonly string[];
}

export const privateAddressOperations = {
  /** Secondary addresses, or prefixes: those named, also from another interface of the subnet if that is allowed, or as many as are asked for. */
  AssignPrivateIpAddresses: {
    resolve(input, context): AssignmentPlan {
      const { records } = context;
      const nic = ownInterfaceOf(input.NetworkInterfaceId, context);
      const subnet = records.get("subnet", nic.subnetId);
      const touches = [{ arn: networkInterfaceArn(nic.id, context), tags: nic.tags }];
      const prefixes = subnet ? newPrefixes(input, subnet, context) : [];
      const assigned =
        subnet && (prefixes.length === 0 || namesAddresses(input))
          ? newSecondaries(input, nic, subnet, context)
          : [];
      if (prefixes.length > 0 && assigned.length > 0)
        throw invalidCombination("Private IP addresses and prefixes may not be assigned by one request.");
      if (assigned.length + prefixes.length === 0) return { touches, nic, assigned, prefixes };
      const now: NetworkInterfaceRecord = {
        ...nic,
        secondary: [...(nic.secondary ?? []), ...assigned],
        prefixes: [...(nic.prefixes ?? []), ...prefixes],
      };
      const type = nic.attachment && records.get("instance", nic.attachment.instanceId)?.type;
      checkAddressCount(addressSlots(now), type);
      const { expect, put } = records.rewrite("network-interface", now);
      const ofPrefixes = prefixWrites(nic, prefixes, records);
      const moves = movesTo(nic, assigned, input.AllowReassignment ?? false, context);
      return {
        touches,
        transaction: {
          expect: [
            ...expect,
            ...moves.expect,
            ...expectFree(nic, moves.unclaimed, records),
            ...ofPrefixes.expect,
          ],
          put: [
            ...put,
            ...moves.put,
            ...addressClaims(nic, assigned, records).map((key) => ({ key, value: nic.id })),
            ...ofPrefixes.put,
          ],
        },
        nic,
        assigned,
        prefixes,
      };
    },
    answer: ({ nic, assigned, prefixes }: AssignmentPlan) => ({
      NetworkInterfaceId: nic.id,
      AssignedPrivateIpAddresses: assigned.map((PrivateIpAddress) => ({ PrivateIpAddress })),
      AssignedIpv4Prefixes: prefixes.map((Ipv4Prefix) => ({ Ipv4Prefix })),
    }),
  },

  /** Elastic addresses that were mapped to them stay the account's. */
  UnassignPrivateIpAddresses: {
    resolve(input, context): OperationPlan {
      const { records } = context;
      const nic = ownInterfaceOf(input.NetworkInterfaceId, context);
      const gone = [...new Set(input.PrivateIpAddresses)];
      const gonePrefixes = [...new Set(input.Ipv4Prefixes)];
      if (gone.length + gonePrefixes.length === 0) throw missingParameter("privateIpAddresses");
      if (!gonePrefixes.every((it) => nic.prefixes?.includes(it)))
        throw invalidParameter(
          `Some of [${gonePrefixes.join(", ")}] are not assigned to interface ${nic.id}`,
        );
      if (gone.includes(nic.address))
        throw invalidParameter(`Primary private IP address ${nic.address} cannot be unassigned`);
      if (!gone.every((it) => nic.secondary?.includes(it)))
        throw invalidParameter(`Some of [${gone.join(", ")}] are not assigned to interface ${nic.id}`);
      const secondary = nic.secondary?.filter((it) => !gone.includes(it)) ?? [];
      const prefixes = nic.prefixes?.filter((it) => !gonePrefixes.includes(it)) ?? [];
      const { expect, put } = records.rewrite("network-interface", { ...nic, secondary, prefixes });
      const addresses = unmapped(
        gone.flatMap((it) => records.publicAddressOf(nic.id, it) ?? []),
        records,
      );
      return {
        touches: [{ arn: networkInterfaceArn(nic.id, context), tags: nic.tags }],
        transaction: {
          expect: [...expect, ...addresses.expect],
          put: [...put, ...addresses.put],
          delete: [
            ...addressClaims(nic, gone, records),
            ...gonePrefixes.map((it) => records.key("claim", prefixClaim(nic.subnetId, it))),
            ...addresses.delete,
          ],
        },
      };
    },
    answer: () => ({}),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

const namesAddresses = ({
  PrivateIpAddresses: named,
  SecondaryPrivateIpAddressCount: count,
}: AssignPrivateIpAddressesRequest) => count !== undefined || (named?.length ?? 0) > 0;

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
  const inPrefix = addresses.find(
    (it) => records.claimed(prefixClaim(nic.subnetId, prefixAround(it))) !== undefined,
  );
  if (inPrefix !== undefined) throw addressInUse(inPrefix);
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
