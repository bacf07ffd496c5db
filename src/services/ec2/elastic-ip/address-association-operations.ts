import type * as ec2 from "@aws-sdk/client-ec2";
import type { AssociateAddressRequest } from "@aws-sdk/client-ec2";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import type { Ec2Context } from "../context.ts";
import {
  addressAssociated,
  associationNotFound,
  instanceOfInterfaceNotReady,
  instanceNotReady,
  invalidCombination,
  invalidParameter,
  manyInterfaces,
  missingParameter,
  noInternetGateway,
  notPermitted,
} from "../errors.ts";
import { instancesOf } from "../instance/instance-change.ts";
import { instanceState, type InstanceRecord } from "../instance/instance.ts";
import { mayChange, ownInterfaceOf } from "../network-interface/find-interface.ts";
import {
  addressesOf,
  networkInterfaceArn,
  type NetworkInterfaceRecord,
} from "../network-interface/network-interface.ts";
import { unmapped } from "../network-interface/public-address.ts";
import { together } from "../together.ts";
import { elasticIpOf } from "./elastic-ip-operations.ts";
import { elasticIpArn, mappedTo, mappingOf, type ElasticIpRecord } from "./elastic-ip.ts";

interface AssociationPlan extends OperationPlan {
  readonly associationId: string | undefined;
}

export const addressAssociationOperations = {
  /** The address leaves whatever it was mapped to, and replaces whatever was mapped to the target. The same again changes nothing. */
  AssociateAddress: {
    resolve(input, context): AssociationPlan {
      const { records } = context;
      const elastic = elasticIpOf(input, context);
      const { nic, secondary } = targetOf(input, context);
      const gateway = records.internetGatewayOf(nic.vpcId);
      if (!gateway) throw noInternetGateway(nic.vpcId);
      const touches = [
        ...touched(elastic, context),
        { arn: networkInterfaceArn(nic.id, context), tags: nic.tags },
      ];
      const before = mappingOf(elastic, records);
      if (before.interfaceId === nic.id && before.secondary === secondary)
        return { touches, associationId: before.associationId };
      if (before.interfaceId !== undefined && !mayChange(before.interfaceId, records)) throw notPermitted();
      if (before.associationId !== undefined && input.AllowReassociation === false)
        throw addressAssociated(elastic.id, before.associationId);

      const replaced = records.publicAddressOf(nic.id, secondary);
      const now = mappedTo(elastic, nic.id, secondary, context);
      return {
        touches,
        transaction: together(
          // Whoever detaches the gateway meanwhile must count this address.
          records.rewrite("internet-gateway", gateway),
          ...rewritten(new Set([nic.id, before.interfaceId]), context),
          unmapped(replaced ? [replaced] : [], records),
          records.rewrite("public-address", now),
        ),
        associationId: now.associationId,
      };
    },
    answer: ({ associationId }: AssociationPlan) => ({ AssociationId: associationId }),
  },

  DisassociateAddress: {
    resolve(input, context): OperationPlan {
      const { records } = context;
      const elastic = associatedIpOf(input, context);
      const before = mappingOf(elastic, records);
      const touches = touched(elastic, context);
      if (before.interfaceId === undefined) return { touches };
      if (!mayChange(before.interfaceId, records)) throw notPermitted();
      return {
        touches,
        transaction: together(
          ...rewritten(new Set([before.interfaceId]), context),
          unmapped([before], records),
        ),
      };
    },
    answer: () => ({}),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

const touched = ({ id, tags }: ElasticIpRecord, context: Ec2Context) => [
  { arn: elasticIpArn(id, context), tags },
];

function associatedIpOf(
  { AssociationId: id, PublicIp }: { AssociationId?: string | undefined; PublicIp?: string | undefined },
  context: Ec2Context,
): ElasticIpRecord {
  if (id !== undefined && PublicIp !== undefined)
    throw invalidCombination("You may specify public IP or association id, but not both in the same call");
  if (id === undefined && PublicIp === undefined) throw missingParameter("AssociationId");
  if (id === undefined) return elasticIpOf({ PublicIp }, context);
  const { records } = context;
  const elastic = records.all("elastic-ip").find((it) => mappingOf(it, records).associationId === id);
  if (!elastic) throw associationNotFound(id);
  return elastic;
}

interface Target {
  readonly nic: NetworkInterfaceRecord;
  /** Absent: its primary address. */
  readonly secondary?: string;
}

function targetOf(input: AssociateAddressRequest, context: Ec2Context): Target {
  const { InstanceId, NetworkInterfaceId, PrivateIpAddress: address } = input;
  if (InstanceId !== undefined && NetworkInterfaceId !== undefined)
    throw invalidCombination("You may specify instance id or network interface id, but not both");
  if (InstanceId === undefined && NetworkInterfaceId === undefined) throw missingParameter("InstanceId");
  const nic =
    InstanceId === undefined
      ? namedInterface(NetworkInterfaceId ?? "", context)
      : interfaceOfInstance(InstanceId, address, context);
  if (address === undefined || address === nic.address) return { nic };
  if (!addressesOf(nic).includes(address))
    throw invalidParameter(`Address ${address} is not assigned to the network interface '${nic.id}'`);
  return { nic, secondary: address };
}

function namedInterface(id: string, context: Ec2Context): NetworkInterfaceRecord {
  const nic = ownInterfaceOf(id, context);
  const instance = nic.attachment && context.records.get("instance", nic.attachment.instanceId);
  if (instance && !takesAddresses(instance)) throw instanceOfInterfaceNotReady(instanceState(instance), id);
  return nic;
}

/** Its only one, or the one that has the private address. */
function interfaceOfInstance(
  id: string,
  address: string | undefined,
  context: Ec2Context,
): NetworkInterfaceRecord {
  const [instance] = instancesOf([id], context);
  if (instance && !takesAddresses(instance)) throw instanceNotReady(instanceState(instance), id);
  const interfaces = context.records.interfacesOf(id);
  const [nic, ...more] =
    interfaces.length > 1 && address !== undefined
      ? interfaces.filter((it) => addressesOf(it).includes(address))
      : interfaces;
  if (!nic || more.length > 0) throw manyInterfaces(id);
  return nic;
}

const takesAddresses = (instance: InstanceRecord) =>
  ["running", "stopping", "stopped"].includes(instanceState(instance));

/** What is mapped to an interface is looked at: of two changes at once, one is resolved anew. */
const rewritten = (interfaceIds: ReadonlySet<string | undefined>, { records }: Ec2Context) =>
  [...interfaceIds].flatMap((id) => {
    const nic = id === undefined ? undefined : records.get("network-interface", id);
    return nic ? [records.rewrite("network-interface", nic)] : [];
  });
