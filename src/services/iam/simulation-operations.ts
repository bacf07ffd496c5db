import type * as iam from "@aws-sdk/client-iam";
import type {
  ContextEntry,
  EvaluationResult,
  PolicySourceType,
  SimulateCustomPolicyRequest,
} from "@aws-sdk/client-iam";
import { ApiError } from "#api/error.ts";
import type { OperationsOf } from "#api/operation.ts";
import type { RequestContext } from "#policy/condition.ts";
import { decide, type Decision } from "#policy/decide.ts";
import { MalformedPolicy, parsePolicy, type Policy } from "#policy/policy-document.ts";
import type { IamContext } from "./context.ts";
import { invalidInput, noSuchEntity } from "./errors.ts";
import { byArn, nameIn, touching } from "./holder.ts";
import { holdersOf, managed, policiesIn } from "./policies-of.ts";
import { excluding, type HeldPolicy } from "./policy-exclusions.ts";
import type { HolderKind, PolicyHolder } from "./records.ts";

/** What policies would decide. Follows Simulate…Policy and GetContextKeysFor…Policy in the IAM API reference. */
export const simulationOperations = {
  SimulateCustomPolicy: {
    resolve: (input, context) => ({ touches: [], ...simulated(input, sent(input), context) }),
    answer: (plan: Results) => answered(plan),
  },

  /** With the policies that the user, group or role has, of which other ones may take the boundary's place. */
  SimulatePrincipalPolicy: {
    resolve(input, context) {
      const { kind, holder } = principalOf(input.PolicySourceArn, context);
      const { PolicyExclusionList: excluded, PolicySourceArn, ...asked } = input;
      const isOut = excluding(excluded);
      const [given, held] = [sent(input), policiesOfPrincipal(holder, context).filter((it) => !isOut(it))];
      const boundary = boundaryOf(holder, context).filter((it) => !isOut(it));
      const sources = {
        ...given,
        identity: [...held, ...given.identity],
        boundary: given.boundary.length > 0 ? given.boundary : boundary,
      };
      return {
        touches: touching(kind, holder, context),
        ...simulated({ ...asked, CallerArn: asked.CallerArn ?? PolicySourceArn }, sources, context),
      };
    },
    answer: (plan: Results) => answered(plan),
  },

  GetContextKeysForCustomPolicy: {
    resolve: (input) => ({ touches: [], keys: keysOf(sent(input).identity) }),
    answer: ({ keys }: { keys: string[] }) => ({ ContextKeyNames: keys }),
  },

  GetContextKeysForPrincipalPolicy: {
    resolve(input, context) {
      const { kind, holder } = principalOf(input.PolicySourceArn, context);
      const keys = keysOf([...policiesOfPrincipal(holder, context), ...sent(input).identity]);
      return { touches: touching(kind, holder, context), keys };
    },
    answer: ({ keys }: { keys: string[] }) => ({ ContextKeyNames: keys }),
  },
} satisfies OperationsOf<typeof iam, IamContext>;

/** One page of them. */
interface Results {
  readonly page: EvaluationResult[];
  readonly next: number | undefined;
}

const answered = ({ page, next }: Results) => ({
  EvaluationResults: page,
  IsTruncated: next !== undefined,
  ...(next !== undefined && { Marker: Buffer.from(String(next)).toString("base64url") }),
});

type Simulated = Omit<SimulateCustomPolicyRequest, "PolicyInputList">;

/** One result for each action on each resource. */
function simulated(input: Simulated, sources: Sources, { accountId }: IamContext): Results {
  if (input.ResourceHandlingOption !== undefined)
    throw new ApiError("UnsupportedOperation", "Croft does not serve ResourceHandlingOption yet.");
  if (input.ResourcePolicy !== undefined && input.CallerArn === undefined)
    throw invalidInput("CallerArn is required when ResourcePolicy is specified.");
  if (
    input.CallerArn !== undefined &&
    !/^arn:[\w-]+:iam::\d{12}:(user|group|role)\/.+$/.test(input.CallerArn)
  )
    throw invalidInput(`${input.CallerArn} is not the ARN of an IAM user, group, or role.`);
  const context = contextOf(input.ContextEntries ?? []);
  const resources = input.ResourceArns ?? ["*"];
  const owner = rootOf(input.ResourceOwner ?? accountId);
  const [resourcePolicy] = sources.resource;
  const all = [...sources.identity, ...sources.boundary, ...sources.resource];
  const missing = keysOf(all).filter((key) => !context.has(key.toLowerCase()));
  const results = (input.ActionNames ?? []).flatMap((action) => {
    if (!/^[\w-]+:\w+$/.test(action)) throw invalidInput(`Invalid Entity Action: ${action}`);
    return resources.map((resource): EvaluationResult => {
      const decision = decide(
        { action, resource, principal: input.CallerArn, resourceOwner: ownerOf(resource, owner), context },
        {
          identity: sources.identity.map(({ policy }) => policy),
          ...(sources.boundary.length > 0 && { boundary: sources.boundary.map(({ policy }) => policy) }),
          ...(resourcePolicy && { resource: resourcePolicy.policy }),
        },
      );
      return {
        EvalActionName: action,
        EvalResourceName: resource,
        EvalDecision: decision.decision,
        MatchedStatements: matchedStatements(decision, all),
        MissingContextValues: missing,
        ...(decision.allowedByBoundary !== undefined && {
          PermissionsBoundaryDecisionDetail: { AllowedByPermissionsBoundary: decision.allowedByBoundary },
        }),
      };
    });
  });
  const [from, most] = [startAt(input.Marker), input.MaxItems ?? 100];
  const next = from + most < results.length ? from + most : undefined;
  return { page: results.slice(from, from + most), next };
}

interface Sources {
  readonly identity: readonly Source[];
  readonly boundary: readonly Source[];
  readonly resource: readonly Source[];
}

/** A policy by the name that the simulator gives it. */
interface Source {
  readonly policy: Policy;
  readonly id: string;
  readonly type?: string;
}

/** What the request holds. */
function sent(input: Partial<SimulateCustomPolicyRequest>): Sources {
  const listed = (name: "PolicyInputList" | "PermissionsBoundaryPolicyInputList") =>
    (input[name] ?? []).map((it, n) => ({ policy: read(it, "identity"), id: `${name}.${n + 1}` }));
  return {
    identity: listed("PolicyInputList"),
    boundary: listed("PermissionsBoundaryPolicyInputList"),
    resource:
      input.ResourcePolicy === undefined
        ? []
        : [{ policy: read(input.ResourcePolicy, "resource"), id: "ResourcePolicy", type: "resource" }],
  };
}

/** Throws NoSuchEntity. */
function principalOf(arn: string, context: IamContext): { kind: HolderKind; holder: PolicyHolder } {
  const [, what] = /^arn:aws:iam::\d{12}:(user|group|role)\/.+$/.exec(arn) ?? [];
  if (what === undefined) throw invalidInput(`${arn} is not the ARN of a user, group or role.`);
  const kind = `iam-${what}` as HolderKind;
  const holder = byArn(kind, arn, context.records);
  if (!holder) throw noSuchEntity(`The ${what} with name ${nameIn(arn)} cannot be found.`);
  return { kind, holder };
}

/** Its own and its groups'. */
function policiesOfPrincipal({ id: principalId }: PolicyHolder, { records }: IamContext): HeldSource[] {
  return holdersOf(principalId, records).flatMap((it) => {
    const holder = holderOf(it);
    const held = [
      ...Object.keys(it.inline).map((name) => ({ name, id: `${holder.type}_${holder.name}_${name}` })),
      ...it.attached.map((arn) => ({ arn, name: nameIn(arn), id: nameIn(arn) })),
    ];
    const policies = policiesIn(it, records);
    return held.flatMap((of, n) => {
      const policy = policies[n];
      return policy ? [{ ...of, policy, holder, type: "IAM Policy", isBoundary: false }] : [];
    });
  });
}

function boundaryOf(it: PolicyHolder, { records }: IamContext): HeldSource[] {
  const { boundary: arn } = it;
  if (arn === undefined) return [];
  const name = nameIn(arn);
  return [{ policy: managed(arn, records), arn, name, id: name, holder: holderOf(it), isBoundary: true }];
}

type HeldSource = Source & HeldPolicy;

const holderOf = ({ id, name }: PolicyHolder) => ({ type: types[id.slice(0, 4)] ?? "", name });
const types: Readonly<Record<string, string>> = { AIDA: "user", AGPA: "group", AROA: "role" };

function matchedStatements(
  { matched }: Decision,
  sources: readonly Source[],
): NonNullable<EvaluationResult["MatchedStatements"]> {
  return matched.map(({ policy, statement }) => {
    const source = sources.find((it) => it.policy === policy);
    return {
      SourcePolicyId: source?.id ?? "",
      // The service's names of types are others than its SDK's.
      ...(source?.type !== undefined && { SourcePolicyType: source.type as PolicySourceType }),
      StartPosition: statement.start,
      EndPosition: statement.end,
    };
  });
}

function contextOf(entries: readonly ContextEntry[]): RequestContext {
  return new Map(
    entries.map(({ ContextKeyName: name = "", ContextKeyValues: values = [], ContextKeyType: type }) => {
      if (values.length > 1 && !type?.endsWith("List"))
        throw invalidInput(`${name} has more than one value, and its type ${type} is no list.`);
      return [name.toLowerCase(), values];
    }),
  );
}

/** Each once, as it is written first. */
function keysOf(sources: readonly Source[]): string[] {
  const keys = sources.flatMap(({ policy }) =>
    policy.statements.flatMap(({ resources, conditions }) => [
      ...resources.what.flatMap((it) => it.keys),
      ...conditions.flatMap((it) => it.keys),
    ]),
  );
  return [...new Map(keys.toReversed().map((key) => [key.toLowerCase(), key])).values()].toReversed();
}

/** Most ARNs name the account; S3's do not. */
const ownerOf = (resource: string, otherwise: string): string => rootOf(resource.split(":")[4] || otherwise);

/** Of an account's number; an ARN stands for itself. */
const rootOf = (account: string): string =>
  /^\d+$/.test(account) ? `arn:aws:iam::${account}:root` : account;

function read(text: string, of: "identity" | "resource"): Policy {
  try {
    return parsePolicy(text, of);
  } catch (error) {
    if (error instanceof MalformedPolicy) throw invalidInput(error.message);
    throw error;
  }
}

function startAt(marker: string | undefined): number {
  if (marker === undefined) return 0;
  const at = Number(Buffer.from(marker, "base64url").toString());
  if (!Number.isSafeInteger(at) || at < 1) throw invalidInput("The marker is invalid.");
  return at;
}
