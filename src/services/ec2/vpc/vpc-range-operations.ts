import type * as ec2 from "@aws-sdk/client-ec2";
import type { OperationsOf } from "#api/operation.ts";
import type { Ec2Context } from "../context.ts";
import {
  hasDependencies,
  invalidVpcRange,
  missingParameter,
  primaryRange,
  rangeAssociationNotFound,
  tooManyRanges,
  unsupportedParameter,
  vpcRangeConflict,
} from "../errors.ts";
import { covers, overlap } from "../ipv4.ts";
import { quotas } from "../quotas.ts";
import { isPrefixList } from "../route-table/route-table.ts";
import { peersOf } from "../vpc-peering/vpc-peering.ts";
import { checkedRange, unservedRanges, vpcOf } from "./vpc-operations.ts";
import { describeRange, rangesOf, vpcArn, type VpcRecord } from "./vpc.ts";

/** Further address ranges of a VPC. Follows the VPC guide, "VPC CIDR blocks". */
export const vpcRangeOperations = {
  AssociateVpcCidrBlock: {
    resolve(input, context) {
      for (const name of unservedRanges) if (input[name]) throw unsupportedParameter(name);
      if (input.CidrBlock === undefined) throw missingParameter("cidrBlock");
      const vpc = vpcOf(input.VpcId, context);
      const cidr = checkedRange(input.CidrBlock);
      if (!fits(cidr, vpc)) throw invalidVpcRange(input.CidrBlock);
      const peers = peersOf(vpc.id, context.records);
      const taken = [
        ...rangesOf(vpc).map((it) => it.cidr),
        // A route may be narrower than the range, which would then be local for the rest of it.
        ...context.records
          .routeTablesIn(vpc.id)
          .flatMap(({ routes }) =>
            routes
              .map((route) => route.destination)
              .filter((it) => !isPrefixList(it) && covers(it, cidr) && it !== "0.0.0.0/0"),
          ),
        ...peers.flatMap(rangesOf).map((it) => it.cidr),
      ];
      if (taken.some((it) => overlap(it, cidr))) throw vpcRangeConflict(input.CidrBlock);
      const most = quotas.rangesPerVpc.value;
      if (rangesOf(vpc).length >= most) throw tooManyRanges(most);
      const range = { cidr, associationId: context.newId("vpc-cidr-assoc") };
      const now: VpcRecord = { ...vpc, moreCidrs: [...(vpc.moreCidrs ?? []), range] };
      const { records } = context;
      // No peer gets the same range meanwhile.
      const { expect, put } = records.rewrite("vpc", now);
      return {
        touches: [{ arn: vpcArn(vpc.id, context), tags: vpc.tags }],
        transaction: {
          expect: [...expect, ...peers.flatMap((it) => records.rewrite("vpc", it).expect)],
          put,
        },
        vpcId: vpc.id,
        range,
      };
    },
    answer: ({ vpcId, range }: RangePlan) => ({
      VpcId: vpcId,
      CidrBlockAssociation: { ...describeRange(range), CidrBlockState: { State: "associating" as const } },
    }),
  },

  DisassociateVpcCidrBlock: {
    resolve({ AssociationId: id }, context) {
      const { records } = context;
      const vpc = records
        .all("vpc")
        .find((it) => rangesOf(it).some(({ associationId }) => associationId === id));
      const range = vpc && rangesOf(vpc).find(({ associationId }) => associationId === id);
      if (!vpc || !range) throw rangeAssociationNotFound(id);
      if (vpc.cidrAssociationId === id) throw primaryRange(id);
      if (records.subnetsIn(vpc.id).some(({ cidr }) => covers(range.cidr, cidr)))
        throw hasDependencies("vpc CIDR block", id);
      const moreCidrs = (vpc.moreCidrs ?? []).filter(({ associationId }) => associationId !== id);
      return {
        touches: [{ arn: vpcArn(vpc.id, context), tags: vpc.tags }],
        transaction: records.rewrite("vpc", { ...vpc, moreCidrs }),
        vpcId: vpc.id,
        range,
      };
    },
    answer: ({ vpcId, range }: RangePlan) => ({
      VpcId: vpcId,
      CidrBlockAssociation: { ...describeRange(range), CidrBlockState: { State: "disassociating" as const } },
    }),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

interface RangePlan {
  readonly vpcId: string;
  readonly range: ReturnType<typeof rangesOf>[number];
}

/** A VPC of one of RFC 1918's ranges gets no range of the other two, and none of 198.19.0.0/16. */
function fits(cidr: string, vpc: VpcRecord): boolean {
  const mine = privateRanges.find((range) => covers(range, vpc.cidr));
  const its = privateRanges.find((range) => covers(range, cidr));
  return !overlap("198.19.0.0/16", cidr) && (its === undefined || mine === undefined || its === mine);
}
const privateRanges = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];
