import type * as iam from "@aws-sdk/client-iam";
import type { ContextEntry, EvaluationResult, SimulateCustomPolicyCommandInput } from "@aws-sdk/client-iam";
import { ApiError } from "#api/error.ts";
import type { OperationsOf } from "#api/operation.ts";
import type { RequestContext } from "#policy/condition.ts";
import { decide, type Decision } from "#policy/decide.ts";
import { MalformedPolicy, parsePolicy, type Policy } from "#policy/policy-document.ts";
import type { IamContext } from "./context.ts";

/** What policies that are sent along would decide. Follows SimulateCustomPolicy and GetContextKeysForCustomPolicy in the IAM API reference. */
export const simulationOperations = {
  SimulateCustomPolicy: {
    resolve(input, context) {
      const results = simulated(input, context);
      const [from, most] = [startAt(input.Marker), input.MaxItems ?? 100];
      const page = results.slice(from, from + most);
      const next = from + most < results.length ? from + most : undefined;
      return { touches: [], page, next };
    },
    answer: ({ page, next }: { page: EvaluationResult[]; next: number | undefined }) => ({
      EvaluationResults: page,
      IsTruncated: next !== undefined,
      ...(next !== undefined && { Marker: Buffer.from(String(next)).toString("base64url") }),
    }),
  },

  GetContextKeysForCustomPolicy: {
    resolve({ PolicyInputList: texts }) {
      return { touches: [], keys: keysOf(texts.map((it) => read(it, "identity"))) };
    },
    answer: ({ keys }: { keys: string[] }) => ({ ContextKeyNames: keys }),
  },
} satisfies OperationsOf<typeof iam, IamContext>;

/** One result for each action on each resource. */
function simulated(input: SimulateCustomPolicyCommandInput, { accountId }: IamContext): EvaluationResult[] {
  if (input.ResourceHandlingOption !== undefined)
    throw new ApiError("UnsupportedOperation", "Croft does not serve ResourceHandlingOption yet.");
  if (input.ResourcePolicy !== undefined && input.CallerArn === undefined)
    throw invalidInput("CallerArn is required when ResourcePolicy is specified.");
  if (input.CallerArn !== undefined && !/^arn:[\w-]+:iam::\d{12}:user\/.+$/.test(input.CallerArn))
    throw invalidInput(`${input.CallerArn} is not the ARN of an IAM user.`);
  const policies = sources(input);
  const context = contextOf(input.ContextEntries ?? []);
  const resources = input.ResourceArns ?? ["*"];
  const owner = input.ResourceOwner ?? `arn:aws:iam::${accountId}:root`;
  const [resourcePolicy] = policies.resource;
  const missing = keysOf([...policies.identity, ...policies.boundary, ...policies.resource]).filter(
    (key) => !context.has(key.toLowerCase()),
  );
  return (input.ActionNames ?? []).flatMap((action) => {
    if (!/^[\w-]+:\w+$/.test(action)) throw invalidInput(`Invalid Entity Action: ${action}`);
    return resources.map((resource): EvaluationResult => {
      const decision = decide(
        { action, resource, principal: input.CallerArn, resourceOwner: ownerOf(resource, owner), context },
        {
          identity: policies.identity,
          ...(policies.boundary.length > 0 && { boundary: policies.boundary }),
          ...(resourcePolicy && { resource: resourcePolicy }),
        },
      );
      return {
        EvalActionName: action,
        EvalResourceName: resource,
        EvalDecision: decision.decision,
        MatchedStatements: matchedStatements(decision, policies),
        MissingContextValues: missing,
        ...(decision.allowedByBoundary !== undefined && {
          PermissionsBoundaryDecisionDetail: { AllowedByPermissionsBoundary: decision.allowedByBoundary },
        }),
      };
    });
  });
}

interface Sources {
  readonly identity: readonly Policy[];
  readonly boundary: readonly Policy[];
  readonly resource: readonly Policy[];
}

function sources(input: SimulateCustomPolicyCommandInput): Sources {
  return {
    identity: (input.PolicyInputList ?? []).map((it) => read(it, "identity")),
    boundary: (input.PermissionsBoundaryPolicyInputList ?? []).map((it) => read(it, "identity")),
    resource: input.ResourcePolicy === undefined ? [] : [read(input.ResourcePolicy, "resource")],
  };
}

/** By the names that the simulator gives to what it was sent. */
function matchedStatements(
  { matched }: Decision,
  { identity, boundary, resource }: Sources,
): NonNullable<EvaluationResult["MatchedStatements"]> {
  const names = new Map([
    ...identity.map((policy, n) => [policy, `PolicyInputList.${n + 1}`] as const),
    ...boundary.map((policy, n) => [policy, `PermissionsBoundaryPolicyInputList.${n + 1}`] as const),
    ...resource.map((policy) => [policy, "ResourcePolicy"] as const),
  ]);
  return matched.map(({ policy, statement }) => ({
    SourcePolicyId: names.get(policy) ?? "",
    ...(resource.includes(policy) && { SourcePolicyType: "resource" as const }),
    StartPosition: statement.start,
    EndPosition: statement.end,
  }));
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
function keysOf(policies: readonly Policy[]): string[] {
  const keys = policies.flatMap(({ statements }) =>
    statements.flatMap(({ resources, conditions }) => [
      ...resources.what.flatMap((it) => it.keys),
      ...conditions.flatMap((it) => it.keys),
    ]),
  );
  return [...new Map(keys.toReversed().map((key) => [key.toLowerCase(), key])).values()].toReversed();
}

/** Most ARNs name the account; S3's do not. */
const ownerOf = (resource: string, otherwise: string): string =>
  resource.split(":")[4] ? `arn:aws:iam::${resource.split(":")[4]}:root` : otherwise;

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

const invalidInput = (message: string) => new ApiError("InvalidInput", message);
