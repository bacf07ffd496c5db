import type * as ec2 from "@aws-sdk/client-ec2";
import type { NatGatewayAddressStatus } from "@aws-sdk/client-ec2";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import type { Transaction } from "#store/store.ts";
import type { Ec2Context } from "../context.ts";
import { elasticIpArn, mappedTo, mappingOf, type ElasticIpRecord } from "../elastic-ip/elastic-ip.ts";
import {
  addressAssociated,
  allocationNotFound,
  associationNotFound,
  invalidCombination,
  invalidParameter,
  missingParameter,
  natGatewayDraining,
  natGatewayNotAvailable,
  noInternetGateway,
  unsupportedParameter,
} from "../errors.ts";
import { addressesOf, type NetworkInterfaceRecord } from "../network-interface/network-interface.ts";
import { addressClaims, expectFree } from "../network-interface/new-interface.ts";
import { checkAddresses } from "../network-interface/private-address.ts";
import { subnetOf } from "../subnet/subnet-operations.ts";
import { together } from "../together.ts";
import { drainSeconds } from "./draining.ts";
import {
  describeAddresses,
  interfaceOfGateway,
  natGatewayArn,
  natGatewayState,
  type NatGatewayRecord,
} from "./nat-gateway.ts";
import { gatewayOf } from "./nat-gateway-operations.ts";
import { checkAddressesOfGateway, checkAllocations, checkNamedFor, taken } from "./new-nat-gateway.ts";

interface AddressPlan extends OperationPlan {
  readonly gateway: NatGatewayRecord;
  /** Private ones, that come or go. */
  readonly changed: readonly string[];
  /** Of those that come; those that go have their own. */
  readonly status?: NatGatewayAddressStatus;
}

/** The secondary addresses of a gateway that is available and drains none; its primary one stays. */
export const natGatewayAddressOperations = {
  AssociateNatGatewayAddress: {
    resolve(input, context): AddressPlan {
      const { records } = context;
      for (const name of ["AvailabilityZone", "AvailabilityZoneId"] as const)
        if (input[name] !== undefined) throw unsupportedParameter(name);
      const { gateway, nic } = availableGateway(input.NatGatewayId, "public", context);
      const { AllocationIds: ids, PrivateIpAddresses: named = [] } = input;
      if (ids.length === 0) throw missingParameter("allocationIds");
      checkAllocations([...records.publicAddressesOf(nic.id).flatMap((it) => it.allocationId ?? []), ...ids]);
      checkNamedFor(ids, named);
      const internetGateway = records.internetGatewayOf(nic.vpcId);
      if (!internetGateway) throw noInternetGateway(nic.vpcId);
      const elastic = ids.map((id) => freeElasticIp(id, context));
      const { added, ...more } = moreAddresses(
        nic,
        ids.map((_, n) => named[n]),
        context,
      );
      const maps = elastic.map((it, n) =>
        records.rewrite("public-address", mappedTo(it, nic.id, added[n], context)),
      );
      return {
        touches: [...touches(gateway, context), ...touchedElastic(elastic, context)],
        gateway,
        changed: added,
        status: "associating",
        transaction: together(more, records.rewrite("internet-gateway", internetGateway), ...maps),
      };
    },
    answer,
  },

  DisassociateNatGatewayAddress: {
    resolve(input, context): AddressPlan {
      const { records } = context;
      const { gateway, nic } = availableGateway(input.NatGatewayId, "public", context);
      const ids = [...new Set(input.AssociationIds)];
      if (ids.length === 0) throw missingParameter("associationIds");
      const mapped = ids.map((id) => {
        const found = records.publicAddressesOf(nic.id).find((it) => it.associationId === id);
        if (!found) throw associationNotFound(id);
        if (found.secondary === undefined)
          throw invalidParameter("The primary Elastic IP address of a NAT gateway cannot be disassociated.");
        return found;
      });
      const draining = mapped.flatMap(({ secondary }) => secondary ?? []);
      const elastic = mapped.flatMap(({ allocationId: id = "" }) => records.get("elastic-ip", id) ?? []);
      const plan = fewerAddresses(gateway, draining, context, input.MaxDrainDurationSeconds);
      return { ...plan, touches: [...plan.touches, ...touchedElastic(elastic, context)] };
    },
    answer,
  },

  AssignPrivateNatGatewayAddress: {
    resolve(input, context): AddressPlan {
      const { gateway, nic } = availableGateway(input.NatGatewayId, "private", context);
      const { PrivateIpAddresses: named = [], PrivateIpAddressCount: count } = input;
      if (named.length > 0 && count !== undefined)
        throw invalidCombination(
          "The parameters PrivateIpAddresses and PrivateIpAddressCount may not be specified together.",
        );
      if (named.length === 0 && count === undefined) throw missingParameter("privateIpAddressCount");
      if (count !== undefined && (count < 1 || !Number.isInteger(count)))
        throw invalidParameter(`Value (${count}) for parameter privateIpAddressCount is invalid.`);
      const wanted = named.length > 0 ? named : Array.from({ length: count ?? 0 }, () => undefined);
      const { added, ...more } = moreAddresses(nic, wanted, context);
      return {
        touches: touches(gateway, context),
        gateway,
        changed: added,
        status: "assigning",
        transaction: more,
      };
    },
    answer,
  },

  UnassignPrivateNatGatewayAddress: {
    resolve(input, context): AddressPlan {
      const { gateway, nic } = availableGateway(input.NatGatewayId, "private", context);
      const gone = [...new Set(input.PrivateIpAddresses)];
      if (gone.length === 0) throw missingParameter("privateIpAddresses");
      if (gone.includes(nic.address))
        throw invalidParameter(`Primary private IP address ${nic.address} cannot be unassigned`);
      if (!gone.every((it) => nic.secondary?.includes(it)))
        throw invalidParameter(`Some of [${gone.join(", ")}] are not assigned to NAT gateway ${gateway.id}`);
      return fewerAddresses(gateway, gone, context, input.MaxDrainDurationSeconds);
    },
    answer,
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

function answer({ gateway, changed, status }: AddressPlan, { records }: Ec2Context) {
  const addresses = describeAddresses(gateway, records);
  return {
    NatGatewayId: gateway.id,
    NatGatewayAddresses: addresses
      .filter(({ PrivateIp = "" }) => changed.includes(PrivateIp))
      .map((it) => ({ ...it, ...(status && { Status: status }) })),
  };
}

const touchedElastic = (them: readonly ElasticIpRecord[], context: Ec2Context) =>
  them.map(({ id, tags }) => ({ arn: elasticIpArn(id, context), tags }));

const touches = ({ id, tags }: NatGatewayRecord, context: Ec2Context) => [
  { arn: natGatewayArn(id, context), tags },
];

function availableGateway(id: string, connectivity: NatGatewayRecord["connectivity"], context: Ec2Context) {
  const { records } = context;
  const gateway = gatewayOf(id, context);
  const [state, nic] = [natGatewayState(gateway, records), interfaceOfGateway(gateway, records)];
  if (state !== "available" || !nic) throw natGatewayNotAvailable(id, state);
  if (gateway.connectivity !== connectivity)
    throw invalidParameter(`NAT gateway ${id} has the connectivity type ${gateway.connectivity}.`);
  if (gateway.draining) throw natGatewayDraining(id);
  return { gateway, nic };
}

function freeElasticIp(id: string, { records }: Ec2Context): ElasticIpRecord {
  const elastic = records.get("elastic-ip", id);
  if (!elastic) throw allocationNotFound([id]);
  const { associationId } = mappingOf(elastic, records);
  if (associationId !== undefined) throw addressAssociated(id, associationId);
  return elastic;
}

function moreAddresses(
  nic: NetworkInterfaceRecord,
  wanted: readonly (string | undefined)[],
  context: Ec2Context,
): Required<Pick<Transaction, "expect" | "put">> & { readonly added: readonly string[] } {
  const { records } = context;
  const subnet = subnetOf(nic.subnetId, context);
  checkAddresses(
    wanted.flatMap((it) => it ?? []),
    subnet,
  );
  checkAddressesOfGateway(addressesOf(nic).length + wanted.length);
  const added = taken(wanted, subnet, context);
  const secondary = [...(nic.secondary ?? []), ...added];
  const { expect, put } = records.rewrite("network-interface", { ...nic, secondary });
  const claims = addressClaims(nic, added, records);
  return {
    expect: [...expect, ...expectFree(nic, added, records)],
    put: [...put, ...claims.map((key) => ({ key, value: nic.id }))],
    added,
  };
}

/** They begin nothing any more, and go when the time to drain is over. */
function fewerAddresses(
  gateway: NatGatewayRecord,
  addresses: readonly string[],
  context: Ec2Context,
  seconds: number = drainSeconds.usual,
): AddressPlan {
  const { records, now } = context;
  if (!(seconds >= drainSeconds.least && seconds <= drainSeconds.most))
    throw invalidParameter(`Value (${seconds}) for parameter maxDrainDurationSeconds is invalid.`);
  const until = new Date(now().getTime() + seconds * 1000).toISOString();
  const draining: NatGatewayRecord = { ...gateway, draining: { addresses, until } };
  return {
    touches: touches(gateway, context),
    gateway: draining,
    changed: addresses,
    transaction: records.rewrite("nat-gateway", draining),
  };
}
