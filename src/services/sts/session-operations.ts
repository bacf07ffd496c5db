import type * as sts from "@aws-sdk/client-sts";
import type { Credentials, PolicyDescriptorType, Tag } from "@aws-sdk/client-sts";
import type { Caller, Session } from "#api/caller.ts";
import { ApiError } from "#api/error.ts";
import type { OperationPlan, OperationsOf, TouchedResource } from "#api/operation.ts";
import type { IamContext } from "../iam/context.ts";
import { noSuchEntity, validationError } from "../iam/errors.ts";
import { accountIn, byArn } from "../iam/holder.ts";
import { managedPolicy } from "../iam/managed-policy.ts";
import { mfaProof, type MfaProof } from "../iam/mfa-device.ts";
import { readDocument } from "../iam/policy-text.ts";
import type { IamRecords, RoleRecord, Tags } from "../iam/records.ts";
import { newSession, sessionToken } from "../iam/session-token.ts";
import { withTags } from "../iam/tags.ts";
import { trustInForce } from "../iam/trust.ts";

const hour = 3600;

/** Credentials that end. They are sealed into their own token, and kept nowhere. */
export const sessionOperations = {
  /** Who may not assume the role is told no more of it or of his request: all else is looked at afterwards. */
  AssumeRole: {
    resolve(input, context) {
      if (context.caller.type === "Account") throw accessDenied("Roles may not be assumed by root accounts.");
      const owner = context.accounts.of(accountIn(input.RoleArn));
      const role = owner && byArn("iam-role", input.RoleArn, owner);
      if (!role)
        return {
          touches: [{ arn: input.RoleArn, policy: { of: "trust", document: trustsNobody } }],
          role,
          owner,
          input,
        };
      const proof = mfaProof(input, context);
      return { touches: assuming(role, input, proof, context), role, owner, input, ...proof };
    },
    answer({ role, owner, input }: AssumePlan, context) {
      if (!role || !owner) throw accessDenied(`${input.RoleArn} is not there.`);
      const session = roleSession(role, owner, input, context);
      return {
        Credentials: credentials(session, context),
        AssumedRoleUser: {
          AssumedRoleId: `${role.id}:${session.name}`,
          Arn: `arn:aws:sts::${owner.accountId}:assumed-role/${role.name}/${session.name}`,
        },
        ...(session.sourceIdentity !== undefined && { SourceIdentity: session.sourceIdentity }),
      };
    },
  },

  /** What the caller may do, but for IAM (unless he has his MFA device) and most of STS, for 12 hours unless it says otherwise; the root's for one at most. */
  GetSessionToken: {
    resolve(input, context) {
      const { caller } = context;
      const proof = mfaProof(input, context);
      const seconds = longestFor(caller, input.DurationSeconds);
      const session = newSession(
        { kind: "token", principalId: caller.principalId, name: "", hasMfa: proof.isGiven },
        seconds,
        context,
      );
      return { touches: [], session, ...proof };
    },
    answer: ({ session }: { session: Session }, context) => ({
      Credentials: credentials(session, context),
    }),
  },

  /** No more than the policies that are sent along allow, nor than the caller may. */
  GetFederationToken: {
    resolve(input, context) {
      const { caller, accountId } = context;
      const arn = `arn:aws:sts::${accountId}:federated-user/${input.Name}`;
      const session = newSession(
        {
          kind: "federated",
          principalId: caller.principalId,
          name: input.Name,
          ...limits(input.Policy, input.PolicyArns, context.records),
          ...sessionTags(input.Tags, undefined, caller),
        },
        longestFor(caller, input.DurationSeconds),
        context,
      );
      const tagged = input.Tags?.length ? [{ action: "sts:TagSession", arn }] : [];
      return { touches: [{ arn }, ...tagged], session };
    },
    answer: ({ session }: { session: Session }, context) => ({
      Credentials: credentials(session, context),
      FederatedUser: {
        FederatedUserId: `${context.accountId}:${session.name}`,
        Arn: `arn:aws:sts::${context.accountId}:federated-user/${session.name}`,
      },
    }),
  },
} satisfies OperationsOf<typeof sts, IamContext>;

interface AssumePlan extends OperationPlan {
  readonly role: RoleRecord | undefined;
  /** Of the role's account, which need not be the caller's. */
  readonly owner: IamRecords | undefined;
  readonly input: AssumeRoleInput;
}
type AssumeRoleInput = sts.AssumeRoleCommandInput & { RoleArn: string; RoleSessionName: string };

function roleSession(
  role: RoleRecord,
  owner: IamRecords,
  input: AssumeRoleInput,
  { caller, random, now }: IamContext,
): Session {
  const seconds = input.DurationSeconds ?? hour;
  if (caller.session?.kind === "role" && seconds > hour)
    throw validationError(
      "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
    );
  checkDuration(seconds, role);
  return newSession(
    {
      kind: "role",
      principalId: role.id,
      name: input.RoleSessionName,
      ...limits(input.Policy, input.PolicyArns, owner),
      ...sessionTags(input.Tags, input.TransitiveTagKeys, caller),
      sourceIdentity: sourceIdentity(input.SourceIdentity, caller),
    },
    seconds,
    { accountId: owner.accountId, random, now },
  );
}

export function checkDuration(seconds: number | undefined, role: RoleRecord): void {
  if ((seconds ?? hour) > role.maxSessionSeconds)
    throw validationError("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.");
}

/** A role that is not there is told in the words of one that may not be assumed. */
export const trustsNobody = JSON.stringify({
  Version: "2012-10-17",
  Statement: { Effect: "Deny", Principal: "*", Action: "sts:*" },
});

/**
 * The role itself decides who may, and more is asked of who tags the session or says who is behind it. The session has no MFA of its own:
 * it is known of this request alone, and of one whose code is wrong only to tell that to whoever may.
 */
function assuming(
  role: RoleRecord,
  input: AssumeRoleInput,
  { isGiven }: MfaProof,
  context: IamContext,
): OperationPlan["touches"] {
  const keys = {
    ...(isGiven && { "aws:MultiFactorAuthPresent": "true", "aws:MultiFactorAuthAge": "0" }),
    ...(input.ExternalId !== undefined && { "sts:ExternalId": input.ExternalId }),
    "sts:RoleSessionName": input.RoleSessionName,
    ...(input.SourceIdentity !== undefined && { "sts:SourceIdentity": input.SourceIdentity }),
    ...(input.TransitiveTagKeys?.length && { "sts:TransitiveTagKeys": input.TransitiveTagKeys }),
  };
  const touched: TouchedResource = {
    arn: input.RoleArn,
    tags: role.tags,
    keys,
    policy: { of: "trust", document: trustInForce(role, context.accounts) },
  };
  return [
    touched,
    ...(input.Tags?.length ? [{ ...touched, action: "sts:TagSession" }] : []),
    ...(input.SourceIdentity === undefined ? [] : [{ ...touched, action: "sts:SetSourceIdentity" }]),
  ];
}

/** Documents, and ARNs of policies of the session's account, that it cannot exceed. */
export function limits(
  document: string | undefined,
  given: readonly PolicyDescriptorType[] | undefined,
  records: IamRecords,
): Pick<Session, "policies" | "policyArns"> {
  if (document !== undefined) readDocument(document, "identity");
  const arns = (given ?? []).flatMap(({ arn }) => arn ?? []);
  if (arns.length > 10) throw validationError("No more than 10 managed session policies are allowed.");
  for (const arn of arns)
    if (!managedPolicy(arn, records))
      throw noSuchEntity(`Policy ${arn} does not exist or is not attachable.`);
  return {
    ...(document !== undefined && { policies: [document] }),
    ...(arns.length > 0 && { policyArns: arns }),
  };
}

/** Those that the caller's own session hands on cannot be given another value. */
export function sessionTags(
  given: readonly Tag[] | undefined,
  transitive: readonly string[] | undefined,
  { session }: Caller,
): Pick<Session, "tags" | "transitive"> {
  const inherited = session?.transitive ?? [];
  const isInherited = (key: string) => inherited.some((it) => it.toLowerCase() === key.toLowerCase());
  for (const { Key: key = "" } of given ?? [])
    if (isInherited(key))
      throw validationError(
        `One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.`,
      );
  const handedOn: Tags = Object.fromEntries(
    Object.entries(session?.tags ?? {}).filter(([key]) => isInherited(key)),
  );
  const tags = withTags(handedOn, given ? [...given] : []);
  for (const key of transitive ?? [])
    if (!Object.hasOwn(tags, key))
      throw validationError("The specified transitive tag key must be included in the requested tags.");
  return {
    ...(Object.keys(tags).length > 0 && { tags }),
    ...(inherited.length + (transitive?.length ?? 0) > 0 && {
      transitive: [...new Set([...inherited, ...(transitive ?? [])])],
    }),
  };
}

/** Once it is said it stays in every session of the chain. */
function sourceIdentity(given: string | undefined, { session }: Caller): string | undefined {
  const before = session?.sourceIdentity;
  if (before !== undefined && given !== undefined && given !== before)
    throw accessDenied("You cannot change the source identity of a session.");
  return given ?? before;
}

function longestFor({ type }: Caller, asked: number | undefined): number {
  if (type !== "Account") return asked ?? 12 * hour;
  return Math.min(asked ?? hour, hour);
}

export const credentials = (session: Session, { sealingKey }: IamContext): Required<Credentials> => ({
  AccessKeyId: session.accessKeyId,
  SecretAccessKey: session.secretAccessKey,
  SessionToken: sessionToken(session, sealingKey),
  Expiration: new Date(session.expiresAt * 1000),
});

const accessDenied = (message: string) => new ApiError("AccessDenied", message, { status: 403 });
