import type * as ec2 from "@aws-sdk/client-ec2";
import type { NetworkInterfacePermission } from "@aws-sdk/client-ec2";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import type { Ec2Context } from "../context.ts";
import { describe } from "../describe.ts";
import {
  interfacePermissionExists,
  interfacePermissionInUse,
  interfacePermissionNotFound,
  invalidParameter,
  missingParameter,
  unsupportedParameter,
} from "../errors.ts";
import type { FilterTable } from "../filters.ts";
import type { Ec2Records } from "../records.ts";
import { ownInterfaceOf } from "./find-interface.ts";
import {
  networkInterfaceArn,
  type InterfacePermission,
  type NetworkInterfaceRecord,
} from "./network-interface.ts";

/** What other accounts may do with an interface: a record that goes with it. Other accounts' interfaces are not reached from here. */
export const interfacePermissionOperations = {
  CreateNetworkInterfacePermission: {
    resolve(input, context): OperationPlan & { made: Granted } {
      const { records, newId } = context;
      if (input.AwsService !== undefined) throw unsupportedParameter("AwsService");
      const { AwsAccountId: accountId, Permission: permission } = input;
      if (accountId === undefined) throw missingParameter("awsAccountId");
      if (!/^\d{12}$/.test(accountId))
        throw invalidParameter(`Value (${accountId}) for parameter awsAccountId is invalid.`);
      const nic = ownInterfaceOf(input.NetworkInterfaceId, context);
      const { permissions = [] } = nic;
      if (permissions.some((it) => it.accountId === accountId && it.permission === permission))
        throw interfacePermissionExists(nic.id);
      const made: InterfacePermission = { id: newId("eni-perm"), accountId, permission };
      return {
        touches: touches(nic, context),
        transaction: records.rewrite("network-interface", { ...nic, permissions: [...permissions, made] }),
        made: { ...made, interfaceId: nic.id },
      };
    },
    answer: ({ made }: { made: Granted }) => ({ InterfacePermission: describePermission(made) }),
  },

  /** Not while its account has the interface attached, unless by force. */
  DeleteNetworkInterfacePermission: {
    resolve({ NetworkInterfacePermissionId: id, Force: force }, context): OperationPlan {
      const { records, accountId } = context;
      const granted = allGranted(records).find((it) => it.id === id);
      if (!granted) throw interfacePermissionNotFound([id]);
      const nic = ownInterfaceOf(granted.interfaceId, context);
      if (granted.accountId === accountId && nic.attachment && !force)
        throw interfacePermissionInUse(id, nic.id);
      const { permissions = [], ...rest } = nic;
      const left = permissions.filter((it) => it.id !== id);
      const without = { ...rest, ...(left.length > 0 && { permissions: left }) };
      return {
        touches: touches(nic, context),
        transaction: records.rewrite("network-interface", without),
      };
    },
    answer: () => ({ Return: true }),
  },

  DescribeNetworkInterfacePermissions: {
    resolve: (input, { records }) =>
      describe(allGranted(records), input, {
        ids: input.NetworkInterfacePermissionIds,
        parameter: "networkInterfacePermissionIds",
        missing: interfacePermissionNotFound,
        filters: permissionFilters,
        bounds: { min: 5, max: 255 },
      }),
    answer: ({ items, nextToken }: { items: readonly Granted[]; nextToken?: string }) => ({
      NetworkInterfacePermissions: items.map(describePermission),
      NextToken: nextToken,
    }),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

interface Granted extends InterfacePermission {
  readonly interfaceId: string;
}

/** In the order of their ids, as pages need them. */
const allGranted = (records: Ec2Records): Granted[] =>
  records
    .all("network-interface")
    .flatMap(({ id: interfaceId, permissions = [] }) => permissions.map((it) => ({ ...it, interfaceId })))
    .toSorted((a, b) => (a.id < b.id ? -1 : 1));

const describePermission = (it: Granted): NetworkInterfacePermission => ({
  NetworkInterfacePermissionId: it.id,
  NetworkInterfaceId: it.interfaceId,
  AwsAccountId: it.accountId,
  Permission: it.permission,
  PermissionState: { State: "granted" },
});

const permissionFilters: FilterTable<Granted> = {
  "network-interface-permission.aws-account-id": (it) => it.accountId,
  "network-interface-permission.aws-service": () => undefined,
  "network-interface-permission.network-interface-id": (it) => it.interfaceId,
  "network-interface-permission.network-interface-permission-id": (it) => it.id,
  "network-interface-permission.permission": (it) => it.permission,
};

const touches = ({ id, tags }: NetworkInterfaceRecord, context: Ec2Context) => [
  { arn: networkInterfaceArn(id, context), tags },
];
