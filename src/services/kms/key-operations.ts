import type * as kms from "@aws-sdk/client-kms";
import type { OperationPlan, OperationsOf, TouchedResource } from "#api/operation.ts";
import type { KmsContext } from "./context.ts";
import { invalidState, limitExceeded, unsupported, validation } from "./errors.ts";
import { isServedSpec, newMaterial } from "./key-material.ts";
import { findOrMakeKey, findOwnKeyById, type NamedKey } from "./key-name.ts";
import { defaultPolicy, policyOf } from "./key-policy.ts";
import { describeKey, isGone, keyArn, refusesChange, usageOf } from "./key.ts";
import { page, type Page } from "./page.ts";
import type { KeyRecord, KeySpec } from "./records.ts";
import { requestedTags, withTags } from "./tags.ts";
import { touchedKey } from "./touched-key.ts";

export const keyOperations = {
  CreateKey: {
    resolve(input, context) {
      const { accountId, region, records, now, newKeyId, sealingKey } = context;
      const spec = specOf(input);
      refuseUnserved(input);
      if (records.all("kms-key", { accountId, region }).length >= mostKeys)
        throw limitExceeded(`The account has the most keys that it may have: ${mostKeys}.`);
      const [id, at] = [newKeyId(), now()];
      const key: KeyRecord = {
        id,
        accountId,
        region,
        createdAt: at.toISOString(),
        description: input.Description ?? "",
        spec,
        manager: "CUSTOMER",
        enabled: true,
        ...policyOf(
          input.Policy ?? defaultPolicy(accountId),
          { accountId, region, id },
          { bypass: input.BypassPolicyLockoutSafetyCheck },
          context,
        ),
        tags: withTags({}, input.Tags),
        materials: [newMaterial({ id, spec }, { sealingKey, at })],
      };
      return { touches: creating(key, input), transaction: records.rewriteKey(key), key };
    },
    answer: ({ key }: { key: KeyRecord }) => ({ KeyMetadata: describeKey(key) }),
  },

  /** AWS's own alias is given a key when it has none yet. */
  DescribeKey: {
    resolve(input, context) {
      const { transaction, ...named }: ReturnType<typeof findOrMakeKey> & OperationPart = findOrMakeKey(
        input.KeyId,
        context,
      );
      const touches = [touchedKey(named, { granted: { operation: "DescribeKey" } }, context)];
      return { touches, ...(transaction && { transaction }), key: named.key };
    },
    answer: ({ key }: { key: KeyRecord }) => ({ KeyMetadata: describeKey(key) }),
  },

  ListKeys: {
    resolve(input, context) {
      const { records, accountId, region, now } = context;
      const keys = records.all("kms-key", { accountId, region }).filter((it) => !isGone(it, now()));
      return { touches: [], page: page(keys, ({ id }) => id, input, 100) };
    },
    answer: ({ page: { items, truncation } }: { page: Page<KeyRecord> }) => ({
      Keys: items.map((it) => ({ KeyId: it.id, KeyArn: keyArn(it) })),
      ...truncation,
    }),
  },

  UpdateKeyDescription: {
    resolve: ({ KeyId: id, Description: description }, context) =>
      changing(findOwnKeyById(id, context), (key) => ({ ...key, description }), context),
    answer: () => ({}),
  },

  EnableKey: {
    resolve: ({ KeyId: id }, context) =>
      changing(findOwnKeyById(id, context), (key) => ({ ...key, enabled: true }), context),
    answer: () => ({}),
  },

  DisableKey: {
    resolve: ({ KeyId: id }, context) =>
      changing(findOwnKeyById(id, context), (key) => ({ ...key, enabled: false }), context),
    answer: () => ({}),
  },

  /** From its deadline on the key is not found; its record and material go within a minute of it. */
  ScheduleKeyDeletion: {
    resolve({ KeyId: id, PendingWindowInDays: windowInDays = 30 }, context) {
      if (windowInDays < 7 || windowInDays > 30)
        throw validation("PendingWindowInDays must be between 7 and 30 days.");
      const at = new Date(context.now().getTime() + windowInDays * 86_400_000).toISOString();
      const deletion = { at, windowInDays };
      const keys = { "kms:ScheduleKeyDeletionPendingWindowInDays": String(windowInDays) };
      return {
        ...changing(findOwnKeyById(id, context), (key) => ({ ...key, deletion }), context, keys),
        deletion,
      };
    },
    answer: ({ key, deletion }: { key: KeyRecord; deletion: NonNullable<KeyRecord["deletion"]> }) => ({
      KeyId: keyArn(key),
      DeletionDate: new Date(deletion.at),
      KeyState: "PendingDeletion" as const,
      PendingWindowInDays: deletion.windowInDays,
    }),
  },

  /** The key is disabled then. */
  CancelKeyDeletion: {
    resolve({ KeyId: id }, context) {
      const key = findOwnKeyById(id, context);
      const plan = { touches: [touchedKey({ key }, {}, context)], key };
      if (!key.deletion) return { ...plan, refusal: invalidState(`${keyArn(key)} is not pending deletion.`) };
      const { deletion: _, ...kept } = key;
      return { ...plan, transaction: context.records.rewriteKey({ ...kept, enabled: false }) };
    },
    answer: ({ key }: { key: KeyRecord }) => ({ KeyId: keyArn(key) }),
  },
} satisfies OperationsOf<typeof kms, KmsContext>;

type OperationPart = Pick<OperationPlan, "transaction"> & NamedKey;

/** AWS, "AWS KMS quotas". */
const mostKeys = 100_000;

/** A change of one key, but not of one that is about to go. */
export function changing(
  key: KeyRecord,
  change: (key: KeyRecord) => KeyRecord,
  context: KmsContext,
  keys?: TouchedResource["keys"],
): OperationPlan & { readonly key: KeyRecord } {
  return {
    touches: [touchedKey({ key }, { keys }, context)],
    refusal: refusesChange(key),
    transaction: context.records.rewriteKey(change(key)),
    key,
  };
}

function creating(key: KeyRecord, input: kms.CreateKeyCommandInput): TouchedResource[] {
  const keys = {
    "kms:KeySpec": key.spec,
    "kms:KeyUsage": usageOf(key),
    "kms:KeyOrigin": "AWS_KMS",
    "kms:MultiRegion": "false",
    "kms:BypassPolicyLockoutSafetyCheck": String(input.BypassPolicyLockoutSafetyCheck === true),
    ...requestedTags(input.Tags),
  };
  const arn = `arn:aws:kms:${key.region}:${key.accountId}:key/*`;
  return [{ arn: "*", keys }, ...(input.Tags?.length ? [{ arn, action: "kms:TagResource", keys }] : [])];
}

function specOf(input: kms.CreateKeyCommandInput): KeySpec {
  const { KeySpec: asked, CustomerMasterKeySpec: former, KeyUsage: usage } = input;
  if (asked !== undefined && former !== undefined)
    throw validation("You cannot specify KeySpec and CustomerMasterKeySpec in the same request.");
  const spec = asked ?? former ?? "SYMMETRIC_DEFAULT";
  if (!isServedSpec(spec)) throw unsupported(`Croft does not make keys of the spec ${spec} yet.`);
  if (usage === undefined && spec !== "SYMMETRIC_DEFAULT")
    throw validation(
      "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.",
    );
  if (usage !== undefined && usage !== usageOf({ spec }))
    throw validation(`KeyUsage ${usage} is not compatible with KeySpec ${spec}`);
  return spec;
}

function refuseUnserved({
  Origin,
  CustomKeyStoreId,
  XksKeyId,
  MultiRegion,
}: kms.CreateKeyCommandInput): void {
  if ((Origin ?? "AWS_KMS") !== "AWS_KMS")
    throw unsupported(`Croft does not serve keys of the origin ${Origin} yet.`);
  if (CustomKeyStoreId !== undefined || XksKeyId !== undefined)
    throw unsupported("Croft has no custom key stores.");
  if (MultiRegion === true) throw unsupported("Croft does not serve multi-Region keys yet.");
}
