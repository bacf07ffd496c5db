import type * as ec2 from "@aws-sdk/client-ec2";
import type { CreateNetworkInterfaceRequest } from "@aws-sdk/client-ec2";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import { securityGroupArn } from "../security-group/security-group.ts";
import { subnetArn } from "../subnet/subnet.ts";
import { vpcArn } from "../vpc/vpc.ts";
import { once, type MakingPlan } from "../client-token.ts";
import type { Ec2Context } from "../context.ts";
import {
  interfaceInUse,
  missingParameter,
  subnetNotFound,
  tooManyInterfaces,
  unsupportedParameter,
} from "../errors.ts";
import { groupsOf } from "../instance/launch-network.ts";
import { quotas } from "../quotas.ts";
import { groupStands } from "../security-group/group-member.ts";
import { onlyTags, tagsFor } from "../tag/tag.ts";
import { newPrefixes } from "./address-prefix.ts";
import { interfaceOf } from "./find-interface.ts";
import { idleTimeouts } from "./idle-timeouts.ts";
import { addressSlots, describeNetworkInterface, isInUse, networkInterfaceArn } from "./network-interface.ts";
import { checkedDescription, interfaceWrites, newInterface } from "./new-interface.ts";
import {
  addressTaker,
  checkAddressCount,
  namedIn,
  takenAddresses,
  wantedAddresses,
} from "./private-address.ts";
import { removedInterface } from "./removed-interface.ts";

export const newInterfaceOperations = {
  CreateNetworkInterface: {
    resolve: (input, context) =>
      once("CreateNetworkInterface", input, context, () => creation(input, context)),
    answer({ made }: MakingPlan, context) {
      const { records } = context;
      const nic = records.get("network-interface", made);
      return {
        NetworkInterface: nic && describeNetworkInterface(nic, records, context),
        ClientToken: nic?.clientToken,
      };
    },
  },

  DeleteNetworkInterface: {
    resolve({ NetworkInterfaceId: id }, context): OperationPlan {
      const { records } = context;
      const nic = interfaceOf(id, context);
      if (isInUse(nic)) throw interfaceInUse(id);
      const removal = removedInterface(nic, records);
      return {
        touches: [{ arn: networkInterfaceArn(id, context), tags: nic.tags }],
        transaction: {
          ...removal,
          expect: [...records.rewrite("network-interface", nic).expect, ...removal.expect],
        },
      };
    },
    answer: () => ({}),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

function creation(input: CreateNetworkInterfaceRequest, context: Ec2Context): MakingPlan {
  const { records } = context;
  for (const name of unserved)
    if (Array.isArray(input[name]) ? input[name].length > 0 : input[name]) throw unsupportedParameter(name);
  if ((input.InterfaceType ?? "interface") !== "interface") throw unsupportedParameter("InterfaceType");
  if (input.SubnetId === undefined) throw missingParameter("subnetId");
  const subnet = records.get("subnet", input.SubnetId);
  if (!subnet) throw subnetNotFound([input.SubnetId]);
  onlyTags(["network-interface"], input.TagSpecifications);
  const description = checkedDescription(input.Description);
  const timeouts = idleTimeouts(input.ConnectionTrackingSpecification);
  const { value: most } = quotas.networkInterfacesPerRegion;
  const room = records.roomFor("network-interface", most, tooManyInterfaces);
  const wanted = wantedAddresses(input, subnet);
  const prefixes = newPrefixes(input, subnet, context, namedIn(wanted));
  const take = addressTaker(subnet, context, prefixes);
  const [addresses = none] = takenAddresses([{ wanted, take }]);
  const nic = newInterface(
    subnet,
    {
      ...addresses,
      ...(prefixes.length > 0 && { prefixes }),
      description,
      groupIds: groupsOf(input.Groups, undefined, { vpcId: subnet.vpcId, subnetId: subnet.id }, context),
      ...(timeouts && { idleTimeouts: timeouts }),
      tags: tagsFor("network-interface", input.TagSpecifications),
      ...(input.ClientToken && { clientToken: input.ClientToken }),
    },
    context,
  );
  checkAddressCount(addressSlots(nic));
  const writes = interfaceWrites(nic, records);
  return {
    touches: [
      { arn: networkInterfaceArn("*", context), keys: { "ec2:Vpc": vpcArn(subnet.vpcId, context) } },
      { arn: subnetArn(subnet, context), tags: subnet.tags },
      ...nic.groupIds.map((id) => ({
        arn: securityGroupArn(id, context),
        tags: records.get("security-group", id)?.tags ?? {},
      })),
    ],
    transaction: {
      expect: [
        ...writes.expect,
        { exists: records.key("subnet", subnet.id) },
        ...nic.groupIds.map((id) => groupStands(id, nic.vpcId, records)),
        room,
      ],
      put: writes.put,
    },
    made: nic.id,
  };
}

const none = { address: "", secondary: [] };

const unserved = [
  "EnablePrimaryIpv6",
  "Ipv6AddressCount",
  "Ipv6Addresses",
  "Ipv6PrefixCount",
  "Ipv6Prefixes",
  "Operator",
] as const satisfies (keyof CreateNetworkInterfaceRequest)[];
