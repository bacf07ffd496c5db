import type * as ec2 from "@aws-sdk/client-ec2";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import type { Ec2Context } from "../context.ts";
import { vpcArn, type VpcRecord } from "../vpc/vpc.ts";
import { describe } from "../describe.ts";
import {
  dependencyViolation,
  gatewayAttached,
  gatewayNotAttached,
  hasDependencies,
  internetGatewayNotFound,
  invalidParameter,
  tooManyInternetGateways,
} from "../errors.ts";
import { quotas } from "../quotas.ts";
import { ownTableClaim } from "../route-table/route-table.ts";
import { onlyTags, tagsFor } from "../tag/tag.ts";
import { vpcOf } from "../vpc/vpc-operations.ts";
import {
  attachedGatewayClaim,
  describeInternetGateway,
  internetGatewayArn,
  internetGatewayFilters,
  type InternetGatewayRecord,
} from "./internet-gateway.ts";

export const internetGatewayOperations = {
  CreateInternetGateway: {
    resolve(input, context) {
      const { records, newId, now } = context;
      onlyTags(["internet-gateway"], input.TagSpecifications);
      const { value: most } = quotas.internetGatewaysPerRegion;
      const room = records.roomFor("internet-gateway", most, tooManyInternetGateways);
      const gateway: InternetGatewayRecord = {
        id: newId("igw"),
        tags: tagsFor("internet-gateway", input.TagSpecifications),
        createdAt: now().toISOString(),
      };
      return {
        touches: [{ arn: internetGatewayArn("*", context), tags: gateway.tags }],
        transaction: {
          expect: [room],
          put: [{ key: records.key("internet-gateway", gateway.id), value: gateway }],
        },
        gateway,
      };
    },
    answer: ({ gateway }: { gateway: InternetGatewayRecord }, { accountId }) => ({
      InternetGateway: describeInternetGateway(gateway, accountId),
    }),
  },

  DeleteInternetGateway: {
    resolve({ InternetGatewayId: id }, context): OperationPlan {
      const { records } = context;
      const gateway = gatewayOf(id, context);
      if (gateway.vpcId !== undefined) throw hasDependencies("internetGateway", id);
      return {
        touches: [{ arn: internetGatewayArn(id, context), tags: gateway.tags }],
        transaction: {
          expect: records.rewrite("internet-gateway", gateway).expect,
          delete: [records.key("internet-gateway", id)],
        },
      };
    },
    answer: () => ({}),
  },

  AttachInternetGateway: {
    resolve({ InternetGatewayId: id, VpcId: vpcId }, context): OperationPlan {
      const { records } = context;
      const gateway = gatewayOf(id, context);
      const vpc = vpcOf(vpcId, context);
      if (gateway.vpcId !== undefined) throw gatewayAttached(id, gateway.vpcId);
      if (records.internetGatewayOf(vpcId))
        throw invalidParameter(`Network ${vpcId} already has an internet gateway attached`);
      const { expect, put } = records.rewrite("internet-gateway", { ...gateway, vpcId: vpc.id });
      const claim = records.key("claim", attachedGatewayClaim(vpcId));
      return {
        touches: touches(gateway, context, vpc),
        transaction: {
          expect: [...expect, { absent: claim }, { exists: records.key("vpc", vpcId) }],
          put: [
            ...put,
            { key: claim, value: id },
            { key: records.key("member", `${vpcId}/${id}`), value: null },
          ],
        },
      };
    },
    answer: () => ({}),
  },

  /** While an interface of the VPC has a public address it stays. */
  DetachInternetGateway: {
    resolve({ InternetGatewayId: id, VpcId: vpcId }, context): OperationPlan {
      const { records } = context;
      const gateway = gatewayOf(id, context);
      const vpc = vpcOf(vpcId, context);
      if (gateway.vpcId !== vpcId) throw gatewayNotAttached(id, vpcId);
      if (records.interfacesIn(vpcId).some((it) => records.publicAddressesOf(it.id).length > 0))
        throw dependencyViolation(
          `Network ${vpcId} has some mapped public address(es). Please unmap those public address(es) before detaching the gateway.`,
        );
      const table = records.ownRouteTableOf(id);
      if (table)
        throw dependencyViolation(`The internetGateway '${id}' is associated with route table ${table.id}.`);
      const { vpcId: _, ...detached } = gateway;
      const { expect, put } = records.rewrite("internet-gateway", detached);
      return {
        touches: touches(gateway, context, vpc),
        transaction: {
          expect: [...expect, { absent: records.key("claim", ownTableClaim(id)) }],
          put,
          delete: [
            records.key("claim", attachedGatewayClaim(vpcId)),
            records.key("member", `${vpcId}/${id}`),
          ],
        },
      };
    },
    answer: () => ({}),
  },

  DescribeInternetGateways: {
    resolve: (input, { records, accountId }) =>
      describe(records.all("internet-gateway"), input, {
        ids: input.InternetGatewayIds,
        parameter: "internetGatewayIds",
        missing: internetGatewayNotFound,
        filters: internetGatewayFilters(accountId),
      }),
    answer: (
      { items, nextToken }: { items: readonly InternetGatewayRecord[]; nextToken?: string },
      { accountId },
    ) => ({
      InternetGateways: items.map((it) => describeInternetGateway(it, accountId)),
      NextToken: nextToken,
    }),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

function gatewayOf(id: string, { records }: Ec2Context): InternetGatewayRecord {
  const gateway = records.get("internet-gateway", id);
  if (!gateway) throw internetGatewayNotFound([id]);
  return gateway;
}

const touches = (gateway: InternetGatewayRecord, context: Ec2Context, vpc: VpcRecord) => [
  { arn: internetGatewayArn(gateway.id, context), tags: gateway.tags },
  { arn: vpcArn(vpc.id, context), tags: vpc.tags },
];
