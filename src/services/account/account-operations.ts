import { isDeepStrictEqual } from "node:util";
import { isUnbounded } from "#api/caller.ts";
import { ApiError } from "#api/error.ts";
import type { Operation, OperationPlan } from "#api/operation.ts";
import { seal } from "#sealed.ts";
import { instanceOperations } from "../ec2/instance/instance-operations.ts";
import { instanceState } from "../ec2/instance/instance.ts";
import { parseKey } from "../ec2/records.ts";
import type { RegionalRecords } from "../ec2/regional-records.ts";
import type { regionContexts } from "../ec2/region/region-contexts.ts";
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
          delete: [accounts.ofCaller({ accountId: id }).key("iam-access-key-use", before.rootKey.id)],
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
  /** Those that run, of one account and region after the other; called until none is left. */
  StopInstances: {
    async resolve(_input, context): Promise<StoppingPlan> {
      onlyFirstRoot(context);
      const { regions, ec2ContextIn } = context;
      const up = regions.instances().filter(({ value }) => !isDown.has(instanceState(value)));
      const left = up.map(({ value }) => value.id);
      const running = up.filter(({ value }) => instanceState(value) === "running");
      const scopeOf = ({ key }: { readonly key: string }) => parseKey(key).scope;
      const [first] = running.map(scopeOf);
      if (!first) return { touches: [], stopping: [], left };
      const stopping = running
        .filter((it) => isDeepStrictEqual(scopeOf(it), first))
        .slice(0, mostAtOnce)
        .map(({ value }) => value.id);
      const scoped = await ec2ContextIn(first.region, first);
      const plan = instanceOperations.StopInstances.resolve({ InstanceIds: stopping }, scoped);
      return { touches: [], ...(plan.transaction && { transaction: plan.transaction }), stopping, left };
    },
    answer: ({ stopping, left }: StoppingPlan) => ({ Stopping: stopping, Left: left }),
  },
} satisfies {
  StopInstances: OperationOn<object>;
  CreateAccount: OperationOn<{ Name: string; AccountId?: string }>;
  ReplaceRootKey: OperationOn<{ AccountId: string }>;
  ListAccounts: OperationOn<object>;
};

// oxlint-disable-next-line typescript/no-explicit-any -- each operation's plan is its own business
type OperationOn<Input> = Operation<Input, object, AccountContext, any>;

interface AccountContext extends IamContext {
  readonly regions: RegionalRecords;
  readonly ec2ContextIn: ReturnType<typeof regionContexts>;
}

interface StoppingPlan extends OperationPlan {
  readonly stopping: readonly string[];
  /** Those that were not down yet. */
  readonly left: readonly string[];
}

const isDown: ReadonlySet<string> = new Set(["stopped", "shutting-down", "terminated"]);
/** One transaction has room for them. */
const mostAtOnce = 50;

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
