import type * as sts from "@aws-sdk/client-sts";
import type { OperationsOf } from "#api/operation.ts";

export interface StsContext {
  readonly accountId: string;
}

/** Every STS operation that Croft serves. The only caller there is yet is the account's root. */
export const stsOperations = {
  GetCallerIdentity: {
    resolve: () => ({ touches: [] }),
    answer: (_plan, { accountId }) => ({
      Account: accountId,
      UserId: accountId,
      Arn: `arn:aws:iam::${accountId}:root`,
    }),
  },
} satisfies OperationsOf<typeof sts, StsContext>;
