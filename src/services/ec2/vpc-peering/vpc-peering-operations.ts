import type * as ec2 from "@aws-sdk/client-ec2";
import type { PeeringConnectionOptionsRequest } from "@aws-sdk/client-ec2";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import type { MakingPlan } from "../client-token.ts";
import type { Ec2Context } from "../context.ts";
import { describe } from "../describe.ts";
import {
  missingParameter,
  namesOfPeersOff,
  peeringEnded,
  peeringExists,
  peeringNotActive,
  peeringNotFound,
  tooManyPeeringRequests,
  tooManyPeerings,
  unsupported,
  wrongPeeringState,
} from "../errors.ts";
import { overlap } from "../ipv4.ts";
import { quotas } from "../quotas.ts";
import { onlyTags, tagsFor } from "../tag/tag.ts";
import { vpcOf } from "../vpc/vpc-operations.ts";
import { givesNames, vpcArn } from "../vpc/vpc.ts";
import { endedPeering } from "./ended-peering.ts";
import {
  describeOptions,
  describePeering,
  isLive,
  peeringArn,
  peeringClaim,
  peeringFilters,
  sideOf,
  vpcsOfPeering,
  type VpcPeeringRecord,
} from "./vpc-peering.ts";

/** Peerings of VPCs of one account and region. Follows the VPC Peering guide, "VPC peering connection lifecycle". */
export const vpcPeeringOperations = {
  /** A peer that is not to be found, or overlaps, is no error of the request: the peering fails. */
  CreateVpcPeeringConnection: {
    resolve(input, context): MakingPlan {
      const { records, newId, accountId, region, now } = context;
      const vpc = vpcOf(input.VpcId ?? "", context);
      if (input.PeerVpcId === undefined) throw missingParameter("peerVpcId");
      onlyTags(["vpc-peering-connection"], input.TagSpecifications);
      const [ownerId, peerRegion] = [input.PeerOwnerId ?? accountId, input.PeerRegion ?? region];
      const peer =
        ownerId === accountId && peerRegion === region ? records.get("vpc", input.PeerVpcId) : undefined;
      const requester = sideOf(vpc, context);
      const accepter = peer
        ? sideOf(peer, context)
        : { vpcId: input.PeerVpcId, ownerId, region: peerRegion, cidrs: [] };
      const fits =
        peer !== undefined &&
        !requester.cidrs.some((cidr) => accepter.cidrs.some((other) => overlap(cidr, other)));
      const peering: VpcPeeringRecord = {
        id: newId("pcx"),
        requester,
        accepter,
        state: fits ? "pending-acceptance" : "failed",
        since: now().toISOString(),
        tags: tagsFor("vpc-peering-connection", input.TagSpecifications),
        createdAt: now().toISOString(),
      };
      const put = [{ key: records.key("vpc-peering-connection", peering.id), value: peering }];
      const touches = [
        { arn: peeringArn("*", context), tags: peering.tags },
        { arn: vpcArn(vpc.id, context), tags: vpc.tags },
      ];
      if (!fits) return { touches, transaction: { put }, made: peering.id };

      const claim = peeringClaim(vpcsOfPeering(peering));
      const earlier = records.get("vpc-peering-connection", records.claimed(claim) ?? "");
      // The same request again finds what it made; another way round it is an error.
      if (earlier?.requester.vpcId === vpc.id) return { touches, made: earlier.id };
      if (earlier) throw peeringExists(earlier.id);
      const all = records.all("vpc-peering-connection");
      const pending = records
        .peeringsOf(vpc.id)
        .filter((it) => it.state === "pending-acceptance" && it.requester.vpcId === vpc.id);
      if (pending.length >= quotas.pendingPeerings.value) throw tooManyPeeringRequests();
      const key = records.key("claim", claim);
      return {
        touches,
        transaction: {
          expect: [
            { absent: key },
            { exists: records.key("vpc", vpc.id) },
            { exists: records.key("vpc", accepter.vpcId) },
            // Nobody has asked for another meanwhile.
            records.fewer("vpc-peering-connection", all.length + 1),
          ],
          put: [...put, { key, value: peering.id }],
        },
        made: peering.id,
      };
    },
    answer({ made }: MakingPlan, { records }) {
      const peering = records.get("vpc-peering-connection", made);
      if (!peering) return {};
      const described = describePeering(peering, records);
      const isNew = peering.state === "pending-acceptance" || peering.state === "failed";
      const Status = {
        Code: "initiating-request" as const,
        Message: `Initiating Request to ${peering.accepter.ownerId}`,
      };
      return { VpcPeeringConnection: { ...described, ...(isNew && { Status }) } };
    },
  },

  AcceptVpcPeeringConnection: {
    resolve(input, context): MakingPlan {
      const { records, now } = context;
      const peering = peeringOf(input.VpcPeeringConnectionId ?? "", context);
      if (peering.state !== "pending-acceptance") throw wrongPeeringState(peering.id);
      const vpcs = [peering.requester, peering.accepter].map(({ vpcId }) => vpcOf(vpcId, context));
      for (const { id } of vpcs)
        if (
          records.peeringsOf(id).filter(({ state }) => state === "active").length >=
          quotas.activePeerings.value
        )
          throw tooManyPeerings(id);
      const [one = [], other = []] = vpcs.map((vpc) => sideOf(vpc, context).cidrs);
      const fits = !one.some((cidr) => other.some((it) => overlap(cidr, it)));
      const since = now().toISOString();
      const accepted = records.rewrite("vpc-peering-connection", { ...peering, state: "active", since });
      const failed = endedPeering(peering, "failed", since, records);
      // Written anew, so that a range that either is getting meanwhile is compared with the other's.
      const same = vpcs.map((vpc) => records.rewrite("vpc", vpc));
      const [, accepter] = vpcs;
      return {
        touches: [
          ...touches(peering, context),
          ...(accepter ? [{ arn: vpcArn(accepter.id, context), tags: accepter.tags }] : []),
        ],
        transaction: fits
          ? {
              expect: [accepted, ...same].flatMap(({ expect }) => expect),
              put: [accepted, ...same].flatMap(({ put }) => put),
            }
          : failed,
        made: peering.id,
      };
    },
    answer({ made }: MakingPlan, { records }) {
      const peering = records.get("vpc-peering-connection", made);
      return { VpcPeeringConnection: peering && describePeering(peering, records) };
    },
  },

  /** Either side's, which says what the other may ask of it. Both are this account's. */
  ModifyVpcPeeringConnectionOptions: {
    resolve(input, context): MakingPlan {
      const { records } = context;
      const peering = peeringOf(input.VpcPeeringConnectionId ?? "", context);
      if (peering.state !== "active") throw peeringNotActive(peering.id);
      const { AccepterPeeringConnectionOptions: accepter, RequesterPeeringConnectionOptions: requester } =
        input;
      if (!accepter && !requester)
        throw missingParameter("accepterPeeringConnectionOptions or requesterPeeringConnectionOptions");
      for (const options of [accepter, requester])
        if (
          options?.AllowEgressFromLocalClassicLinkToRemoteVpc ||
          options?.AllowEgressFromLocalVpcToRemoteClassicLink
        )
          throw unsupported("ClassicLink is no longer available.");
      const vpcs = vpcsOfPeering(peering).flatMap((id) => records.get("vpc", id) ?? []);
      if (
        [accepter, requester].some((it) => it?.AllowDnsResolutionFromRemoteVpc) &&
        !vpcs.every((vpc) => vpc.dnsSupport !== false && givesNames(vpc))
      )
        throw namesOfPeersOff();
      const changed = (
        side: "accepter" | "requester",
        options: PeeringConnectionOptionsRequest | undefined,
      ) => {
        const resolvesForPeer = options?.AllowDnsResolutionFromRemoteVpc;
        return { [side]: { ...peering[side], ...(resolvesForPeer !== undefined && { resolvesForPeer }) } };
      };
      return {
        touches: touches(peering, context),
        transaction: records.rewrite("vpc-peering-connection", {
          ...peering,
          ...changed("accepter", accepter),
          ...changed("requester", requester),
        }),
        made: peering.id,
      };
    },
    answer({ made }: MakingPlan, { records }) {
      const peering = records.get("vpc-peering-connection", made);
      if (!peering) return {};
      return {
        AccepterPeeringConnectionOptions: describeOptions(peering.accepter),
        RequesterPeeringConnectionOptions: describeOptions(peering.requester),
      };
    },
  },

  RejectVpcPeeringConnection: {
    resolve(input, context): OperationPlan {
      const peering = peeringOf(input.VpcPeeringConnectionId ?? "", context);
      if (peering.state !== "pending-acceptance") throw wrongPeeringState(peering.id);
      return {
        touches: touches(peering, context),
        transaction: endedPeering(peering, "rejected", context.now().toISOString(), context.records),
      };
    },
    answer: () => ({ Return: true }),
  },

  DeleteVpcPeeringConnection: {
    resolve(input, context): OperationPlan {
      const peering = peeringOf(input.VpcPeeringConnectionId ?? "", context);
      if (!isLive(peering)) throw peeringEnded(peering.id, peering.state);
      return {
        touches: touches(peering, context),
        transaction: endedPeering(peering, "deleted", context.now().toISOString(), context.records),
      };
    },
    answer: () => ({ Return: true }),
  },

  DescribeVpcPeeringConnections: {
    resolve: (input, { records }) =>
      describe(records.all("vpc-peering-connection"), input, {
        ids: input.VpcPeeringConnectionIds,
        parameter: "vpcPeeringConnectionIds",
        missing: peeringNotFound,
        filters: peeringFilters(records),
      }),
    answer: (
      { items, nextToken }: { items: readonly VpcPeeringRecord[]; nextToken?: string },
      { records },
    ) => ({
      VpcPeeringConnections: items.map((it) => describePeering(it, records)),
      NextToken: nextToken,
    }),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

function peeringOf(id: string, { records }: Ec2Context): VpcPeeringRecord {
  const peering = records.get("vpc-peering-connection", id);
  if (!peering) throw peeringNotFound([id]);
  return peering;
}

const touches = (peering: VpcPeeringRecord, context: Ec2Context) => [
  { arn: peeringArn(peering.id, context), tags: peering.tags },
];
