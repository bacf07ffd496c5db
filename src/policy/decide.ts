import type { RequestContext } from "./condition.ts";
import type { Named, Policy, Statement } from "./policy-document.ts";
import type { LookUp, Wildcard } from "./wildcard.ts";

/** What somebody wants to do. */
export interface PolicyRequest {
  /** "ec2:RunInstances" */
  readonly action: string;
  /** An ARN, or "*" for an action that has no resource. */
  readonly resource: string;
  /** The ARN of who asks; absent: it does not matter, for there is no resource policy. */
  readonly principal?: string | undefined;
  /** Of the resource; absent: the one of who asks. */
  readonly resourceOwner?: string | undefined;
  readonly context: RequestContext;
}

/** The policies that a request is held against, each set beside the others. */
export interface PolicySets {
  /** Of who asks. */
  readonly identity: readonly Policy[];
  /** What these do not allow, those of who asks cannot. */
  readonly boundary?: readonly Policy[] | undefined;
  /** Of the resource. */
  readonly resource?: Policy | undefined;
}

export interface Decision {
  readonly decision: "allowed" | "explicitDeny" | "implicitDeny";
  /** Whether the boundary allows it; absent: there is none. */
  readonly allowedByBoundary?: boolean;
  /** The statements that decided. */
  readonly matched: readonly { readonly policy: Policy; readonly statement: Statement }[];
}

/** Whether a request is allowed: a deny anywhere wins. AWS, "Policy evaluation logic". */
export function decide(request: PolicyRequest, { identity, boundary, resource }: PolicySets): Decision {
  const it = { ...request, action: request.action.toLowerCase(), lookUp: oneValue(request.context) };
  const ofIdentity = applying(identity, it);
  const ofBoundary = boundary && applying(boundary, it);
  const ofResource = resource ? applying([resource], it) : [];
  const allowedByBoundary = ofBoundary && !denies(ofBoundary) && allows(ofBoundary);
  const said = { ...(allowedByBoundary !== undefined && { allowedByBoundary }) };

  const denying = [...ofIdentity, ...(ofBoundary ?? []), ...ofResource].filter(isDeny);
  if (denying.length > 0) return { decision: "explicitDeny", ...said, matched: denying };

  const within = allowedByBoundary !== false;
  const byIdentity = allows(ofIdentity) && within;
  if (isForeign(request)) {
    if (!byIdentity || !allows(ofResource)) return { decision: "implicitDeny", ...said, matched: [] };
    return { decision: "allowed", ...said, matched: [...ofIdentity, ...ofResource] };
  }
  // Who is named by the resource itself needs nothing else, and a user so named no boundary's leave.
  const named = ofResource.filter(({ statement }) => namesItself(statement, request));
  if (!byIdentity && named.length === 0) return { decision: "implicitDeny", ...said, matched: [] };
  return { decision: "allowed", ...said, matched: [...(byIdentity ? ofIdentity : []), ...named] };
}

interface Applying {
  readonly policy: Policy;
  readonly statement: Statement;
}
type Asked = PolicyRequest & { readonly lookUp: LookUp };

const isDeny = ({ statement }: Applying) => statement.effect === "Deny";
const denies = (them: readonly Applying[]) => them.some(isDeny);
const allows = (them: readonly Applying[]) => them.some((it) => !isDeny(it));

function applying(policies: readonly Policy[], request: Asked): Applying[] {
  const found: Applying[] = [];
  for (const policy of policies)
    for (const statement of policy.statements)
      if (applies(statement, request)) found.push({ policy, statement });
  return found;
}

function applies({ principals, actions, resources, conditions }: Statement, request: Asked): boolean {
  return (
    among(actions, (patterns) => anyMatches(patterns, request.action)) &&
    isOfResource(resources, request) &&
    (principals === undefined || among(principals, (them) => isAmong(request.principal, them))) &&
    conditions.every(({ holds }) => holds(request.context, request.lookUp))
  );
}

const among = <What>({ what, not }: Named<What>, is: (what: What) => boolean) => is(what) !== not;
const anyMatches = (patterns: readonly Wildcard[], value: string, lookUp?: LookUp) =>
  patterns.some((it) => it.matches(value, lookUp));

/** A variable that the request does not have makes `NotResource` mean nothing at all, rather than everything. */
const isOfResource = ({ what, not }: Statement["resources"], { resource, lookUp }: Asked): boolean =>
  not
    ? what.every((it) => it.text(lookUp) !== undefined && !it.matches(resource, lookUp))
    : anyMatches(what, resource, lookUp);

type PrincipalsOf = NonNullable<Statement["principals"]>["what"];

function isAmong(principal: string | undefined, principals: PrincipalsOf): boolean {
  if (principals === "everybody") return true;
  const account = accountOf(principal);
  const names = principals.get("AWS") ?? [];
  return (
    principal !== undefined &&
    names.some((it) => it === principal || it === account || it === `arn:aws:iam::${account}:root`)
  );
}

/** An account that is named leaves it to its own policies who of it may. */
const namesItself = ({ principals }: Statement, { principal }: PolicyRequest): boolean =>
  principals !== undefined &&
  (principals.not ||
    principals.what === "everybody" ||
    (principals.what.get("AWS") ?? []).includes(principal ?? ""));

const accountOf = (arn: string | undefined) => arn?.split(":")[4];

const isForeign = ({ principal, resourceOwner }: PolicyRequest): boolean =>
  resourceOwner !== undefined && principal !== undefined && accountOf(resourceOwner) !== accountOf(principal);

function oneValue(context: RequestContext): LookUp {
  return (key) => {
    const values = context.get(key.toLowerCase());
    return values?.length === 1 ? values[0] : undefined;
  };
}
