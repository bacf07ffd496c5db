import { createHash } from "node:crypto";
import type { OperationPlan } from "#api/operation.ts";
import type { Ec2Context } from "./context.ts";
import { idempotentMismatch, invalidParameter } from "./errors.ts";

/** A plan whose answer is read from what it makes. */
export interface MakingPlan extends OperationPlan {
  /** The id of what the request makes, or has made before; of a modification what it came to. */
  readonly made: string;
}

interface TokenInput {
  readonly ClientToken?: string | undefined;
  readonly DryRun?: boolean | undefined;
}

interface TokenClaim {
  /** Digest of the request. */
  readonly request: string;
  readonly made: string;
}

/**
 * Makes something once for each ClientToken: the same request again finds what was made, another request with the same token
 * is refused. The claim is part of the transaction, so of many at once one makes it. It lives as long as what was made:
 * whoever removes that also deletes the claim. Follows "Ensuring idempotency in Amazon EC2 API requests".
 */
export function once(
  operation: string,
  input: TokenInput,
  { records }: Ec2Context,
  make: () => MakingPlan,
  mismatch: () => Error = idempotentMismatch,
): MakingPlan {
  const { ClientToken: token, DryRun: _, ...parameters } = input;
  if (!token) return make();
  if (!/^[\x21-\x7e]{1,64}$/.test(token))
    throw invalidParameter(
      `Invalid value '${token}' for clientToken: up to 64 ASCII characters are allowed.`,
    );
  const request = createHash("sha256").update(JSON.stringify(parameters)).digest("hex");
  const name = clientTokenClaim(operation, token);
  const earlier = records.claim<TokenClaim>(name);
  if (earlier) {
    if (earlier.request !== request) throw mismatch();
    return { touches: [], made: earlier.made };
  }
  const plan = make();
  if (!plan.transaction) return plan; // whatever changed nothing may be asked again
  const key = records.key("claim", name);
  const value: TokenClaim = { request, made: plan.made };
  return {
    ...plan,
    transaction: {
      ...plan.transaction,
      expect: [...(plan.transaction.expect ?? []), { absent: key }],
      put: [...(plan.transaction.put ?? []), { key, value }],
    },
  };
}

/**
 * A record is modified over and over: it remembers the tokens of its last modifications, newest first, and the claims of earlier ones
 * go. To be deleted with the record: `modificationClaims`.
 */
export function modificationTokens(
  operation: string,
  token: string | undefined,
  before: readonly string[] | undefined,
  records: Ec2Context["records"],
): { readonly modifiedBy: readonly string[]; readonly delete: readonly string[] } {
  const tokens = [token || [], before ?? []].flat();
  const forgotten = tokens.slice(mostModificationTokens);
  return {
    modifiedBy: tokens.slice(0, mostModificationTokens),
    delete: modificationClaims(operation, forgotten, records),
  };
}

export const modificationClaims = (
  operation: string,
  tokens: readonly string[] | undefined = [],
  records: Ec2Context["records"],
): string[] => tokens.map((token) => records.key("claim", clientTokenClaim(operation, token)));

const mostModificationTokens = 20;

export const clientTokenClaim = (operation: string, token: string) => `client-token/${operation}/${token}`;
