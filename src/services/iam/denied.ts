import type { AuthorisedCall } from "#api/authorisation.ts";
import { ApiError, exceptionSuffix } from "#api/error.ts";
import type { Decision } from "#policy/decide.ts";
import { seal, unseal } from "#sealed.ts";
import type { Question } from "./authorise.ts";

/** AWS's sentence, which names who may not do what, and why. EC2 has a code of its own, and tells more to who may read it. */
export function denied(
  call: AuthorisedCall,
  question: Question,
  decision: Decision,
  sealingKey: Buffer,
): ApiError {
  const { service, caller } = call;
  const { action, resource, federated } = question;
  if (federated !== undefined)
    return new ApiError("AccessDenied", `Not authorized to perform ${action}`, { status: 403 });
  const of = resource === "*" && service === "ec2" ? "" : ` on resource: ${resource}`;
  // STS does not say what stands in another's trust policy.
  const why = question.own && service === "sts" ? "" : ` ${reason(action, decision)}`;
  const sentence = `User: ${caller.arn} is not authorized to perform: ${action}${of}${why}`;
  if (service !== "ec2")
    return new ApiError(`AccessDenied${exceptionSuffix(service)}`, sentence, { status: 403 });
  const told = seal(
    JSON.stringify(explanation(call, question, decision)),
    sealingKey,
    purpose(caller.accountId),
  );
  return new ApiError(
    "UnauthorizedOperation",
    `You are not authorized to perform this operation. ${sentence}. Encoded authorization failure message: ${told}`,
    { status: 403 },
  );
}

/** What such a message says, as JSON; undefined: it is none of this account. */
export const decodeMessage = (message: string, accountId: string, sealingKey: Buffer): string | undefined =>
  unseal(message, sealingKey, purpose(accountId));

const purpose = (accountId: string) => `authorization failure message of ${accountId}`;

function reason(action: string, decision: Decision): string {
  if (decision.decision === "explicitDeny")
    return `with an explicit deny in ${places[decision.deniedBy ?? "identity"]}`;
  if (decision.allowedByOrganisation === false)
    return `because no service control policy allows the ${action} action`;
  if (decision.allowedByBoundary === false)
    return `because no permissions boundary allows the ${action} action`;
  if (decision.allowedBySession === false) return `because no session policy allows the ${action} action`;
  if (decision.allowedByResource === false)
    return `because no resource-based policy allows the ${action} action`;
  return `because no identity-based policy allows the ${action} action`;
}

const places = {
  organisation: "a service control policy",
  identity: "an identity-based policy",
  boundary: "a permissions boundary",
  session: "a session policy",
  resource: "a resource-based policy",
} as const satisfies Record<NonNullable<Decision["deniedBy"]>, string>;

/** AWS, DecodeAuthorizationMessage. */
function explanation(
  { caller }: AuthorisedCall,
  { action, resource, context }: Question,
  { decision }: Decision,
) {
  return {
    allowed: false,
    explicitDeny: decision === "explicitDeny",
    matchedStatements: { items: [] },
    failures: { items: [] },
    context: {
      principal: { id: caller.userId, arn: caller.arn },
      action,
      resource,
      conditions: {
        items: [...context].map(([key, values]) => ({
          key,
          values: { items: values.map((value) => ({ value })) },
        })),
      },
    },
  };
}
