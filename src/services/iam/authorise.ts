import type { AuthorisedCall, Authorise } from "#api/authorisation.ts";
import { isSomebody, isUnbounded } from "#api/caller.ts";
import type { TouchedResource } from "#api/operation.ts";
import type { RequestContext } from "#policy/condition.ts";
import { decide, mayAllow, type PolicySets } from "#policy/decide.ts";
import { parsePolicy } from "#policy/policy-document.ts";
import type { Accounts } from "./accounts.ts";
import { denied } from "./denied.ts";
import { policiesOf } from "./policies-of.ts";
import { typeOf, unnamedTypes } from "./reference.ts";
import { requestContext, tagsInto, tagsOf, type RequestTag } from "./request-context.ts";

/**
 * What policies decide of calls: all that a call touches must be allowed. The account's root may do everything, but to what has a policy
 * of its own.
 */
export function authorisation(accounts: Accounts, sealingKey: Buffer): Authorise {
  return (call) => {
    const { caller, plan } = call;
    const decidesItself = plan?.touches.some(({ policy }) => policy !== undefined) ?? false;
    if ((isUnbounded(caller) && !decidesItself) || needsNoLeave(call)) return;
    // What nobody signs is refused by what is sent, or by what it is about.
    if (!isSomebody(caller) && !plan) return;
    const refused = (question: Question, sets: PolicySets) =>
      denied(call, question, decide(request(question, call), sets), sealingKey);
    const records = accounts.ofCaller(caller);
    const sets = policiesOf(caller, records);
    const context = requestContext(call, records);
    const action = `${call.service}:${call.operation}`;
    const any: Question = { action, resource: "*", context };
    if (isKeptFrom(call)) throw refused(any, none);
    if (!plan) {
      if (!mayAllow(action, sets)) throw refused(any, sets);
      return;
    }
    for (const question of questions(call, context)) {
      const full = { ...sets, ...question.own };
      if (decide(request(question, call), full).decision !== "allowed") throw refused(question, full);
    }
  };
}

/** What is asked of policy. */
export interface Question {
  readonly action: string;
  /** An ARN, or "*". */
  readonly resource: string;
  readonly context: RequestContext;
  /** The resource's own policy. */
  readonly own?: Pick<PolicySets, "resource" | "resourceDecides"> | undefined;
  /** The identity provider that vouches for who asks. */
  readonly federated?: string | undefined;
}

const none: PolicySets = { identity: [] };

const request = ({ action, resource, context, own, federated }: Question, { caller }: AuthorisedCall) => ({
  action,
  resource,
  principal: isSomebody(caller) ? caller.arn : undefined,
  federated,
  role: caller.session?.kind === "role" ? caller.principalArn : undefined,
  // What has no policy of its own is never another account's.
  resourceOwner: own && resource,
  context,
});

/** Whoever has a key may ask who he is, also when a policy denies it. */
const needsNoLeave = ({ service, operation, caller }: AuthorisedCall): boolean =>
  service === "sts" &&
  (operation === "GetCallerIdentity" || (operation === "GetSessionToken" && !caller.session));

/**
 * A session without a role and an MFA device does not change IAM, and makes no further ones but of roles. AWS, "Compare AWS STS
 * credentials". An instance itself may do nothing, whatever a policy says: "Instance identity roles for Amazon EC2 instances".
 */
function isKeptFrom({ caller: { session }, service, operation }: AuthorisedCall): boolean {
  if (!session) return false;
  if (session.kind === "instance") return true;
  if (session.kind === "role")
    return service === "sts" && ["GetSessionToken", "GetFederationToken"].includes(operation);
  return (
    (service === "iam" && !session.hasMfa) ||
    (service === "sts" && !(session.kind === "token" && operation === "AssumeRole"))
  );
}

function* questions(call: AuthorisedCall, context: RequestContext): Iterable<Question> {
  const { service, operation, plan } = call;
  const action = `${service}:${operation}`;
  const touches = plan?.touches ?? [];
  const unnamed: TouchedResource[] = unnamedTypes(call).map((arn) => ({ arn }));
  const given = specifications(call.input);
  for (const touched of [...touches, ...unnamed]) {
    yield {
      action: touched.action ?? action,
      resource: touched.arn,
      context: resourceContext(touched, call, given, context),
      ...(touched.policy !== undefined && {
        own: { resource: parsePolicy(touched.policy.document, touched.policy.of), resourceDecides: true },
        federated: touched.policy.federated,
      }),
    };
  }
  if (touches.length + unnamed.length === 0) yield { action, resource: "*", context };
  yield* taggings(call, given, context);
}

/** What is known of one resource beside the call itself. What is about to be made has no tags yet. */
function resourceContext(
  { arn, tags, keys }: TouchedResource,
  { caller }: AuthorisedCall,
  specified: readonly Specification[],
  context: RequestContext,
): RequestContext {
  const own = new Map(context);
  const [, , service = "", , accountId] = arn.split(":");
  own.set("aws:resourceaccount", [accountId || caller.accountId]);
  if (!arn.endsWith("*"))
    for (const [key, value] of Object.entries(tags ?? {}))
      for (const name of ["aws", service]) own.set(`${name}:resourcetag/${key.toLowerCase()}`, [value]);
  for (const [key, value] of Object.entries(keys ?? {})) own.set(key.toLowerCase(), [value].flat());
  const type = typeOf(arn);
  tagsInto(
    own,
    specified.flatMap((it) => (it.type === type ? it.tags : [])),
  );
  return own;
}

/** Who makes something with tags must be allowed to tag it. AWS, "Grant permission to tag Amazon EC2 resources during creation". */
function* taggings(
  { service, operation, region, caller }: AuthorisedCall,
  given: readonly Specification[],
  context: RequestContext,
): Iterable<Question> {
  if (service !== "ec2" || operation === "CreateLaunchTemplateVersion") return;
  for (const { type, tags } of given) {
    const own = new Map(context);
    own.set("ec2:createaction", [operation]);
    tagsInto(own, tags);
    const resource = `arn:aws:ec2:${region}:${caller.accountId}:${type}/*`;
    yield { action: "ec2:CreateTags", resource, context: own };
  }
}

/** The tags that a request gives to what it makes, by the type of that. */
function specifications(input: AuthorisedCall["input"]): Specification[] {
  const given = input["TagSpecifications"];
  return Array.isArray(given)
    ? given
        .map((it) => ({ type: String(it?.ResourceType), tags: tagsOf(it?.Tags) }))
        .filter((it) => it.tags.length > 0)
    : [];
}

interface Specification {
  readonly type: string;
  readonly tags: readonly RequestTag[];
}
