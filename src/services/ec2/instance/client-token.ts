import { createHash } from "node:crypto";
import type { RunInstancesCommandInput } from "@aws-sdk/client-ec2";
import type { Transaction } from "#store/store.ts";
import type { Ec2Context } from "../context.ts";
import { idempotentMismatch, invalidParameter } from "../errors.ts";

interface TokenClaim {
  readonly request: string;
  readonly reservationId: string;
}

/** The reservation that this token made before; the same token with another request is refused. */
export function launchedWith(token: string, input: RunInstancesCommandInput, { records }: Ec2Context) {
  if (!/^[\x21-\x7e]{1,64}$/.test(token))
    throw invalidParameter(
      `Invalid value '${token}' for clientToken: up to 64 ASCII characters are allowed.`,
    );
  const claim = records.claim<TokenClaim>(runTokenClaim(token));
  if (!claim) return undefined;
  if (claim.request !== digest(input)) throw idempotentMismatch();
  return claim.reservationId;
}

export function withClientToken(
  transaction: Required<Pick<Transaction, "expect" | "put">>,
  input: RunInstancesCommandInput,
  reservationId: string,
  { records }: Ec2Context,
): Transaction {
  if (!input.ClientToken) return transaction;
  const key = records.key("claim", runTokenClaim(input.ClientToken));
  const value: TokenClaim = { request: digest(input), reservationId };
  return {
    expect: [...transaction.expect, { absent: key }],
    put: [...transaction.put, { key, value }],
  };
}

export const runTokenClaim = (token: string) => `client-token/RunInstances/${token}`;
const digest = ({ DryRun: _, ...input }: RunInstancesCommandInput) =>
  createHash("sha256").update(JSON.stringify(input)).digest("hex");
