import type * as sts from "@aws-sdk/client-sts";
import { ApiError } from "#api/error.ts";
import type { OperationPlan, OperationsOf, TouchedResource } from "#api/operation.ts";
import type { IamContext } from "../iam/context.ts";
import { accountIn, byArn } from "../iam/holder.ts";
import type { IamRecords, RoleRecord } from "../iam/records.ts";
import { newSession } from "../iam/session-token.ts";
import { trustInForce } from "../iam/trust.ts";
import { checkDuration, credentials, limits, sessionTags, trustsNobody } from "./session-operations.ts";
import { verifiedToken, type WebIdentity } from "./web-identity.ts";

/** A role for whoever has a token of a provider that the role's account registered. Nobody has to sign. */
export const webIdentityOperations = {
  AssumeRoleWithWebIdentity: {
    async resolve(input, context) {
      const owner = context.accounts.of(accountIn(input.RoleArn));
      const identity = await verifiedToken(input, owner, context);
      const role = owner && byArn("iam-role", input.RoleArn, owner);
      return {
        touches: assuming(role, input.RoleArn, input.RoleSessionName, identity, context),
        role,
        owner,
        identity,
        input,
      };
    },
    answer({ role, owner, identity, input }: Plan, context) {
      if (!role || !owner)
        throw new ApiError("AccessDenied", `${input.RoleArn} is not there.`, { status: 403 });
      checkDuration(input.DurationSeconds, role);
      const { tags, transitive, sourceIdentity, keys, provider } = identity;
      const session = newSession(
        {
          kind: "role",
          principalId: role.id,
          name: input.RoleSessionName,
          ...limits(input.Policy, input.PolicyArns, owner),
          ...sessionTags(tags, transitive, context.caller),
          sourceIdentity,
          federated: { provider, keys },
        },
        input.DurationSeconds ?? 3600,
        { accountId: owner.accountId, random: context.random, now: context.now },
      );
      return {
        Credentials: credentials(session, context),
        SubjectFromWebIdentityToken: identity.subject,
        AssumedRoleUser: {
          AssumedRoleId: `${role.id}:${session.name}`,
          Arn: `arn:aws:sts::${owner.accountId}:assumed-role/${role.name}/${session.name}`,
        },
        Provider: provider,
        Audience: identity.audience,
        ...(sourceIdentity !== undefined && { SourceIdentity: sourceIdentity }),
      };
    },
  },
} satisfies OperationsOf<typeof sts, IamContext>;

interface Plan extends OperationPlan {
  readonly role: RoleRecord | undefined;
  readonly owner: IamRecords | undefined;
  readonly identity: WebIdentity;
  readonly input: sts.AssumeRoleWithWebIdentityCommandInput & { RoleArn: string; RoleSessionName: string };
}

/** The role's trust policy alone decides; one that is not there is told in the words of one that trusts somebody else. */
function assuming(
  role: RoleRecord | undefined,
  arn: string,
  sessionName: string,
  { provider, keys, tags, transitive, sourceIdentity }: WebIdentity,
  { accounts }: IamContext,
): TouchedResource[] {
  const document = role ? trustInForce(role, accounts) : trustsNobody;
  const touched: TouchedResource = {
    arn,
    ...(role && { tags: role.tags }),
    keys: {
      ...keys,
      "aws:FederatedProvider": provider,
      "sts:RoleSessionName": sessionName,
      ...(sourceIdentity !== undefined && { "sts:SourceIdentity": sourceIdentity }),
      ...(transitive.length > 0 && { "sts:TransitiveTagKeys": transitive }),
      ...(tags.length > 0 && { "aws:TagKeys": tags.map(({ Key }) => Key) }),
      ...Object.fromEntries(tags.map(({ Key, Value }) => [`aws:RequestTag/${Key}`, Value])),
    },
    policy: { of: "trust", document, federated: provider },
  };
  return [
    touched,
    ...(tags.length > 0 ? [{ ...touched, action: "sts:TagSession" }] : []),
    ...(sourceIdentity === undefined ? [] : [{ ...touched, action: "sts:SetSourceIdentity" }]),
  ];
}
