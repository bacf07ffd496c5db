import type { Credentials, PolicyDescriptorType } from "@aws-sdk/client-sts";
import { ApiError } from "#api/error.ts";
import type { OperationPlan, TouchedResource } from "#api/operation.ts";
import type { IamContext } from "../iam/context.ts";
import { accountIn, byArn } from "../iam/holder.ts";
import type { IamRecords, RoleRecord } from "../iam/records.ts";
import { newSession } from "../iam/session-token.ts";
import { trustInForce } from "../iam/trust.ts";
import { checkDuration, credentials, limits, sessionTags, trustsNobody } from "./session-operations.ts";

/** Whom an identity provider vouches for. */
export interface FederatedIdentity {
  /** The provider's ARN. */
  readonly provider: string;
  readonly subject: string;
  readonly audience: string;
  /** What policies may ask of it: values by their condition keys. */
  readonly keys: Readonly<Record<string, string | readonly string[]>>;
  /** Of the session. */
  readonly tags: readonly { readonly Key: string; readonly Value: string }[];
  readonly transitive: readonly string[];
  readonly sourceIdentity: string | undefined;
}

/** A role that somebody is about to assume whom a provider vouches for. */
export interface FederatedPlan<Identity extends FederatedIdentity> extends OperationPlan {
  readonly identity: Identity;
  readonly role: RoleRecord | undefined;
  readonly owner: IamRecords | undefined;
  readonly arn: string;
  readonly sessionName: string;
}

/** The account that the role is of, if the region has it. */
export const ownerOf = (roleArn: string, { accounts }: IamContext): IamRecords | undefined =>
  accounts.of(accountIn(roleArn));

/** The role's trust policy alone decides; one that is not there is told in the words of one that trusts somebody else. */
export function assuming<Identity extends FederatedIdentity>(
  arn: string,
  sessionName: string,
  identity: Identity,
  context: IamContext,
): FederatedPlan<Identity> {
  const owner = ownerOf(arn, context);
  const role = owner && byArn("iam-role", arn, owner);
  const { provider, keys, tags, transitive, sourceIdentity } = identity;
  const document = role ? trustInForce(role, context.accounts) : trustsNobody;
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
  const touches = [
    touched,
    ...(tags.length > 0 ? [{ ...touched, action: "sts:TagSession" }] : []),
    ...(sourceIdentity === undefined ? [] : [{ ...touched, action: "sts:SetSourceIdentity" }]),
  ];
  return { touches, identity, role, owner, arn, sessionName };
}

/** What is answered of every such session. `seconds`: how long it is asked to last; `most`: how long at most the provider lets it. */
export function federatedSession(
  { identity, role, owner, arn, sessionName }: FederatedPlan<FederatedIdentity>,
  policies: {
    readonly Policy?: string | undefined;
    readonly PolicyArns?: PolicyDescriptorType[] | undefined;
  },
  { seconds, most = Infinity }: { readonly seconds: number | undefined; readonly most?: number | undefined },
  context: IamContext,
) {
  if (!role || !owner) throw new ApiError("AccessDenied", `${arn} is not there.`, { status: 403 });
  checkDuration(seconds, role);
  const { provider, keys, tags, transitive, sourceIdentity } = identity;
  const session = newSession(
    {
      kind: "role",
      principalId: role.id,
      name: sessionName,
      ...limits(policies.Policy, policies.PolicyArns, owner),
      ...sessionTags(tags, transitive, context.caller),
      sourceIdentity,
      federated: { provider, keys },
    },
    Math.min(seconds ?? 3600, most),
    { accountId: owner.accountId, random: context.random, now: context.now },
  );
  return {
    Credentials: credentials(session, context) satisfies Credentials,
    AssumedRoleUser: {
      AssumedRoleId: `${role.id}:${sessionName}`,
      Arn: `arn:aws:sts::${owner.accountId}:assumed-role/${role.name}/${sessionName}`,
    },
    ...(sourceIdentity !== undefined && { SourceIdentity: sourceIdentity }),
  };
}
