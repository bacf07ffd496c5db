import { isUnbounded } from "#api/caller.ts";
import { ApiError } from "#api/error.ts";
import type { Operation, OperationPlan } from "#api/operation.ts";
import { seal } from "#sealed.ts";
import { newAccessKeyId, newSecret } from "../iam/access-key-id.ts";
import type { AccountRecord } from "../iam/accounts.ts";
import type { IamContext } from "../iam/context.ts";
import { secretPurpose } from "../iam/sign-in.ts";

/** A root's access key is told once, by the operation that made it. */
interface RootKeyPlan extends OperationPlan {
  readonly account: AccountRecord;
  readonly secret: string;
}

/** For the root of the account that the region was made with alone: whoever makes a key of an account can do everything in it. */
export const accountOperations = {
  CreateAccount: {
    resolve({ Name: name, AccountId: asked }, context): RootKeyPlan {
      onlyFirstRoot(context);
      const { accounts, random, now } = context;
      if (!/^[\x20-\x7e]+$/.test(name)) throw invalid("A name has 1 to 64 characters of ASCII.");
      if (asked !== undefined && !/^\d{12}$/.test(asked))
        throw invalid(`An account's id is twelve digits, not '${asked}'.`);
      const id = asked ?? String(1 + random(9)) + String(random(10 ** 11)).padStart(11, "0");
      if (accounts.of(id)) throw new ApiError("AccountAlreadyExists", `There is an account ${id} already.`);
      const { rootKey, secret } = newRootKey(id, context);
      const account: AccountRecord = { id, name, createdAt: now().toISOString(), rootKey };
      const key = accounts.key(id);
      return {
        touches: [],
        transaction: { expect: [{ absent: key }], put: [{ key, value: account }] },
        account,
        secret,
      };
    },
    answer: told,
  },

  /** The former one signs nothing from then on. */
  ReplaceRootKey: {
    resolve({ AccountId: id }, context): RootKeyPlan {
      onlyFirstRoot(context);
      const { accounts } = context;
      const before = accounts.record(id);
      if (!before) throw accountNotFound(id, accounts.home);
      const { rootKey, secret } = newRootKey(id, context);
      const account: AccountRecord = { ...before, rootKey };
      const key = accounts.key(id);
      return {
        touches: [],
        transaction: {
          expect: [{ at: [key, accounts.revision(id) ?? 0] }],
          put: [{ key, value: account }],
        },
        account,
        secret,
      };
    },
    answer: told,
  },

  /** The first account is not among them: it has no name, and its key is kept elsewhere. */
  ListAccounts: {
    resolve(_input, context) {
      onlyFirstRoot(context);
      return { touches: [], accounts: context.accounts.records() };
    },
    answer: ({ accounts }: { accounts: readonly AccountRecord[] }) => ({
      Accounts: accounts.map(({ id, name, createdAt, rootKey }) => ({
        AccountId: id,
        Name: name,
        CreatedAt: createdAt,
        AccessKeyId: rootKey.id,
      })),
    }),
  },
} satisfies {
  CreateAccount: OperationOn<{ Name: string; AccountId?: string }>;
  ReplaceRootKey: OperationOn<{ AccountId: string }>;
  ListAccounts: OperationOn<object>;
};

// oxlint-disable-next-line typescript/no-explicit-any -- each operation's plan is its own business
type OperationOn<Input> = Operation<Input, object, IamContext, any>;

function told({ account, secret }: RootKeyPlan) {
  return {
    AccountId: account.id,
    Name: account.name,
    AccessKeyId: account.rootKey.id,
    SecretAccessKey: secret,
  };
}

function newRootKey(accountId: string, { random, sealingKey }: IamContext) {
  const id = newAccessKeyId("AKIA", accountId, random);
  const secret = newSecret(random);
  return { rootKey: { id, sealedSecret: seal(secret, sealingKey, secretPurpose(id)) }, secret };
}

function onlyFirstRoot({ caller, accounts }: IamContext): void {
  if (caller.accountId !== accounts.home || !isUnbounded(caller))
    throw new ApiError("AccessDeniedException", "Only the root of the region's first account may do this.", {
      status: 403,
    });
}

const invalid = (message: string) => new ApiError("ValidationException", message);
const accountNotFound = (id: string, home: string) =>
  new ApiError(
    "AccountNotFound",
    id === home
      ? `The key of the region's first account is kept by Croft: croft env.`
      : `There is no account ${id}.`,
  );
