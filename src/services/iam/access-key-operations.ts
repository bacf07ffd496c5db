import type * as iam from "@aws-sdk/client-iam";
import type { AccessKey, AccessKeyMetadata } from "@aws-sdk/client-iam";
import { ApiError } from "#api/error.ts";
import type { OperationsOf } from "#api/operation.ts";
import { seal } from "#sealed.ts";
import { newAccessKeyId, newSecret } from "./access-key-id.ts";
import type { IamContext } from "./context.ts";
import { noSuchEntity, quotaExceeded, validationError } from "./errors.ts";
import { rootKeyOf, touching, userOrCaller } from "./holder.ts";
import { page, type Truncation } from "./pagination.ts";
import type { AccessKeyRecord, UserRecord } from "./records.ts";
import { secretPurpose } from "./sign-in.ts";

const mostKeys = 2;

/** Keys of users, the caller's own where no user is named. The account's root has one key, which Croft keeps by itself. */
export const accessKeyOperations = {
  /** The secret is told once, and kept sealed. */
  CreateAccessKey: {
    resolve({ UserName: name }, context) {
      const { records, now, random, sealingKey, accountId } = context;
      const user = userOf(name, context);
      if (records.usersOf(user.id, "key").length >= mostKeys)
        throw quotaExceeded("AccessKeysPerUser", mostKeys);
      const id = newAccessKeyId("AKIA", accountId, random);
      const secret = newSecret(random);
      const key: AccessKeyRecord = {
        id,
        userId: user.id,
        status: "Active",
        createdAt: now().toISOString(),
        sealedSecret: seal(secret, sealingKey, secretPurpose(id)),
      };
      return {
        touches: touching("iam-user", user, context),
        transaction: records.addKey(user, key),
        key,
        described: describe(key, user),
        secret,
      };
    },
    answer: ({
      described,
      secret,
    }: {
      described: Required<AccessKeyMetadata>;
      secret: string;
    }): { AccessKey: AccessKey } => ({ AccessKey: { ...described, SecretAccessKey: secret } }),
  },

  ListAccessKeys: {
    resolve(input, context) {
      const { records, caller } = context;
      if (input.UserName === undefined && caller.principalId === undefined) {
        const { id: AccessKeyId, createdAt } = rootKeyOf(context);
        const key: AccessKeyMetadata = { AccessKeyId, Status: "Active", CreateDate: new Date(createdAt) };
        return { touches: [], items: [key], truncation: { IsTruncated: false } };
      }
      const user = userOf(input.UserName, context);
      const keys = records
        .usersOf(user.id, "key")
        .flatMap((id) => records.get("iam-access-key", id) ?? [])
        .map((key) => describe(key, user));
      return {
        touches: touching("iam-user", user, context),
        ...page(keys, (it) => it.AccessKeyId ?? "", input),
      };
    },
    answer: ({ items, truncation }: { items: readonly AccessKeyMetadata[]; truncation: Truncation }) => ({
      AccessKeyMetadata: [...items],
      ...truncation,
    }),
  },

  UpdateAccessKey: {
    resolve({ UserName: name, AccessKeyId: id, Status: status }, context) {
      const { user, key } = keyOf(id, name, context);
      if (status === "Expired") throw validationError("Status must be Active or Inactive.");
      return {
        touches: touching("iam-user", user, context),
        transaction: context.records.rewrite("iam-access-key", { ...key, status }),
      };
    },
    answer: () => ({}),
  },

  DeleteAccessKey: {
    resolve({ UserName: name, AccessKeyId: id }, context) {
      const { user, key } = keyOf(id, name, context);
      return {
        touches: touching("iam-user", user, context),
        transaction: context.records.removeKey(key),
      };
    },
    answer: () => ({}),
  },

  GetAccessKeyLastUsed: {
    resolve({ AccessKeyId: id }, context) {
      const { records } = context;
      const key = records.get("iam-access-key", id);
      const user = key && records.get("iam-user", key.userId);
      if (!user) throw keyNotFound(id);
      const use = records.get("iam-access-key-use", id);
      return {
        touches: touching("iam-user", user, context),
        answer: {
          UserName: user.name,
          AccessKeyLastUsed: {
            ...(use && { LastUsedDate: new Date(use.at) }),
            ServiceName: use?.service ?? "N/A",
            Region: use?.region ?? "N/A",
          },
        },
      };
    },
    answer: ({ answer }: { answer: LastUsed }) => answer,
  },
} satisfies OperationsOf<typeof iam, IamContext>;

type LastUsed = Omit<iam.GetAccessKeyLastUsedCommandOutput, "$metadata">;

/** The caller's own where none is named. */
function userOf(name: string | undefined, context: IamContext): UserRecord {
  if (name === undefined && context.caller.type === "Account")
    throw new ApiError(
      "UnsupportedOperation",
      "The account's root has one key, which Croft keeps: croft env.",
    );
  return userOrCaller(name, context);
}

function keyOf(id: string, name: string | undefined, context: IamContext) {
  const user = userOf(name, context);
  const key = context.records.get("iam-access-key", id);
  if (key?.userId !== user.id) throw keyNotFound(id);
  return { user, key };
}

const keyNotFound = (id: string) => noSuchEntity(`The Access Key with id ${id} cannot be found.`);

const describe = ({ id, status, createdAt }: AccessKeyRecord, { name }: UserRecord) => ({
  UserName: name,
  AccessKeyId: id,
  Status: status,
  CreateDate: new Date(createdAt),
});
