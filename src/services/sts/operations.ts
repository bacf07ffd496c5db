import type * as sts from "@aws-sdk/client-sts";
import { ApiError } from "#api/error.ts";
import type { OperationsOf } from "#api/operation.ts";
import { accountOfKeyId } from "../iam/access-key-id.ts";
import type { IamContext } from "../iam/context.ts";
import { decodeMessage } from "../iam/denied.ts";
import { validationError } from "../iam/errors.ts";
import { sessionOperations } from "./session-operations.ts";
import { federationOperations } from "./federation-operations.ts";

/** What needs no signature: who calls is told by what he sends. */
export const unsignedStsOperations: ReadonlySet<string> = new Set(Object.keys(federationOperations));

/** Every STS operation that Croft serves. */
export const stsOperations = {
  ...sessionOperations,
  ...federationOperations,

  GetCallerIdentity: {
    resolve: () => ({ touches: [] }),
    answer: (_plan, { caller }) => ({ Account: caller.accountId, UserId: caller.userId, Arn: caller.arn }),
  },

  /** The id names its account; that of the first root's key, which is older or chosen, need not. */
  GetAccessKeyInfo: {
    resolve({ AccessKeyId: id }, { rootKeyId, accounts }) {
      const account = id === rootKeyId ? accounts.home : accountOfKeyId(id);
      if (account === undefined) throw validationError(`The access key id ${id} is not valid.`);
      return { touches: [], account };
    },
    answer: ({ account }: { account: string }) => ({ Account: account }),
  },

  DecodeAuthorizationMessage: {
    resolve({ EncodedMessage: message }, { accountId, sealingKey }) {
      return { touches: [], decoded: decodeMessage(message, accountId, sealingKey) };
    },
    answer: ({ decoded }: { decoded: string | undefined }) => {
      if (decoded === undefined)
        throw new ApiError("InvalidAuthorizationMessageException", "Message is not valid.");
      return { DecodedMessage: decoded };
    },
  },
} satisfies OperationsOf<typeof sts, IamContext>;
