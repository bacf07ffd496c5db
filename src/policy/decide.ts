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
  /** The role of a session that asks: policies of resources may name either. */
  readonly role?: string | undefined;
  /** An AWS service that asks for itself, such as "ec2.amazonaws.com". */
  readonly service?: string | undefined;
  /** The identity provider that vouches for who asks, who is then nobody else. */
  readonly federated?: string | undefined;
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
  /** What a session was given along: it can do no more than these allow too. */
  readonly session?: readonly Policy[] | undefined;
  /** Those that the organisation has for the account, of each level from its root down: what a level does not allow, nobody of the account can. */
  readonly organisation?: readonly (readonly Policy[])[] | undefined;
  /** Of the resource. */
  readonly resource?: Policy | undefined;
  /** Whether nobody gets at the resource whom its own policy does not allow, as at a role. */
  readonly resourceDecides?: boolean | undefined;
}

export interface Decision {
  readonly decision: "allowed" | "explicitDeny" | "implicitDeny";
  /** Of an explicit deny: in which of the sets. */
  readonly deniedBy?: "organisation" | "identity" | "boundary" | "session" | "resource";
  /** Whether every level of the organisation allows it; absent: there is none. */
  readonly allowedByOrganisation?: boolean;
  /** Whether the boundary allows it; absent: there is none. */
  readonly allowedByBoundary?: boolean;
  /** Whether the session's policies do; absent: there are none. */
  readonly allowedBySession?: boolean;
  /** Whether the resource's own policy does; absent: nobody needs its leave. */
  readonly allowedByResource?: boolean;
  /** The statements that decided. */
  readonly matched: readonly { readonly policy: Policy; readonly statement: Statement }[];
}

/** Whether a request is allowed: a deny anywhere wins. AWS, "Policy evaluation logic". */
export function decide(request: PolicyRequest, sets: PolicySets): Decision {
  const { organisation, identity, boundary, session, resource, resourceDecides } = sets;
  const it = { ...request, action: request.action.toLowerCase(), lookUp: oneValue(request.context) };
  const ofLevels = organisation?.map((policies) => applying(policies, it));
  const ofIdentity = applying(identity, it);
  const ofBoundary = boundary && applying(boundary, it);
  const ofSession = session && applying(session, it);
  const ofResource = resource ? applying([resource], it) : [];
  const allowedByOrganisation = ofLevels?.every(allows);
  const allowedByBoundary = ofBoundary && !denies(ofBoundary) && allows(ofBoundary);
  const allowedBySession = ofSession && !denies(ofSession) && allows(ofSession);
  const said = {
    ...(allowedByOrganisation !== undefined && { allowedByOrganisation }),
    ...(allowedByBoundary !== undefined && { allowedByBoundary }),
    ...(allowedBySession !== undefined && { allowedBySession }),
    ...(resourceDecides && { allowedByResource: allows(ofResource) }),
  };

  const places = [
    ["organisation", ofLevels?.flat() ?? []],
    ["identity", ofIdentity],
    ["boundary", ofBoundary ?? []],
    ["session", ofSession ?? []],
    ["resource", ofResource],
  ] as const;
  const denying = places.flatMap(([, applied]) => applied.filter(isDeny));
  if (denying.length > 0) {
    const [deniedBy] = places.find(([, applied]) => denies(applied)) ?? ["identity"];
    return { decision: "explicitDeny", deniedBy, ...said, matched: denying };
  }
  if (allowedByOrganisation === false) return { decision: "implicitDeny", ...said, matched: [] };

  const within = allowedByBoundary !== false && allowedBySession !== false;
  const byIdentity = allows(ofIdentity) && within;
  const named = ofResource.filter(({ statement }) => namesItself(statement, request, within));
  if (isForeign(request) || (resourceDecides && named.length === 0)) {
    if (!byIdentity || !allows(ofResource)) return { decision: "implicitDeny", ...said, matched: [] };
    return { decision: "allowed", ...said, matched: [...ofIdentity, ...ofResource] };
  }
  // Who is named by the resource itself needs nothing else, and a user or session so named no boundary's leave.
  if (!byIdentity && named.length === 0) return { decision: "implicitDeny", ...said, matched: [] };
  return { decision: "allowed", ...said, matched: [...(byIdentity ? ofIdentity : []), ...named] };
}

/** Whether the action may be allowed on anything at all, under whatever conditions. */
export function mayAllow(action: string, { identity, boundary, session }: PolicySets): boolean {
  const lower = action.toLowerCase();
  return [identity, boundary, session].every(
    (policies) =>
      !policies ||
      policies.some(({ statements }) =>
        statements.some(
          ({ effect, actions }) =>
            effect === "Allow" && among(actions, (patterns) => anyMatches(patterns, lower)),
        ),
      ),
  );
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
    (principals === undefined || among(principals, (them) => isAmong(request, them))) &&
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

function isAmong({ principal, role, service, federated }: Asked, principals: PrincipalsOf): boolean {
  if (principals === "everybody") return true;
  if (federated !== undefined) return principals.get("Federated")?.includes(federated) ?? false;
  if (service !== undefined) return principals.get("Service")?.includes(service) ?? false;
  const account = accountOf(principal);
  const names = principals.get("AWS") ?? [];
  return (
    principal !== undefined &&
    names.some(
      (it) => it === principal || it === role || it === account || it === `arn:aws:iam::${account}:root`,
    )
  );
}

/** An account that is named leaves it to its own policies who of it may. */
function namesItself(
  { principals }: Statement,
  { principal, role, service, federated }: PolicyRequest,
  within: boolean,
): boolean {
  if (principals === undefined) return false;
  // "*" is everybody of AWS's: for whom a provider vouches, the provider has to be named.
  if (federated !== undefined)
    return (
      !principals.not &&
      principals.what !== "everybody" &&
      Boolean(principals.what.get("Federated")?.includes(federated))
    );
  if (principals.not || principals.what === "everybody" || service !== undefined) return true;
  const names = principals.what.get("AWS") ?? [];
  return names.includes(principal ?? "") || (within && role !== undefined && names.includes(role));
}

const accountOf = (arn: string | undefined) => arn?.split(":")[4];

const isForeign = ({ principal, resourceOwner }: PolicyRequest): boolean =>
  resourceOwner !== undefined && principal !== undefined && accountOf(resourceOwner) !== accountOf(principal);

function oneValue(context: RequestContext): LookUp {
  return (key) => {
    const values = context.get(key.toLowerCase());
    return values?.length === 1 ? values[0] : undefined;
  };
}
