import type * as kms from "@aws-sdk/client-kms";
import { ApiError } from "#api/error.ts";
import type { OperationsOf } from "#api/operation.ts";
import { managedAliases } from "./aws-managed-key.ts";
import type { KmsContext } from "./context.ts";
import { aliasNotFound, alreadyExists, limitExceeded, validation } from "./errors.ts";
import { findOwnKey, findOwnKeyById } from "./key-name.ts";
import { aliasArn, refusesChange, usageOf } from "./key.ts";
import { page, type Page } from "./page.ts";
import type { AliasRecord, KeyRecord } from "./records.ts";
import { touchedKey } from "./touched-key.ts";

/** Each asks policy about the alias, and about each key that it stands for before and after. */
export const aliasOperations = {
  CreateAlias: {
    resolve({ AliasName: name, TargetKeyId: id }, context) {
      checkName(name);
      const { records, now } = context;
      const arn = aliasArn(context, name);
      const key = findOwnKeyById(id, context);
      if (records.get("kms-alias", context, name))
        throw alreadyExists(`An alias with the name ${arn} already exists`);
      const at = now().toISOString();
      const { expect, put } = records.rewriteAlias(context, {
        name,
        keyId: key.id,
        createdAt: at,
        updatedAt: at,
      });
      return {
        touches: [{ arn }, touchedKey({ key, alias: name }, {}, context)],
        refusal: refusesChange(key) ?? refusesAnother(key, context),
        transaction: { expect: [...expect, records.stays(key)], put },
      };
    },
    answer: () => ({}),
  },

  UpdateAlias: {
    resolve({ AliasName: name, TargetKeyId: id }, context) {
      checkName(name);
      const { records, now } = context;
      const alias = findAlias(name, context);
      const before = records.get("kms-key", context, alias.keyId);
      const key = findOwnKeyById(id, context);
      if (before && usageOf(before) !== usageOf(key))
        throw validation(
          `The alias ${name} stands for a key with the key usage ${usageOf(before)}, and cannot be moved to one with ${usageOf(key)}.`,
        );
      const moved = { ...alias, keyId: key.id, updatedAt: now().toISOString() };
      const { expect, put } = records.rewriteAlias(context, moved);
      return {
        touches: [
          { arn: aliasArn(context, name) },
          ...[before, key].flatMap((it) => (it ? [touchedKey({ key: it, alias: name }, {}, context)] : [])),
        ],
        refusal: refusesChange(key) ?? (before?.id === key.id ? undefined : refusesAnother(key, context)),
        transaction: { expect: [...expect, records.stays(key)], put },
      };
    },
    answer: () => ({}),
  },

  DeleteAlias: {
    resolve({ AliasName: name }, context) {
      checkName(name);
      const { records } = context;
      const alias = findAlias(name, context);
      const key = records.get("kms-key", context, alias.keyId);
      return {
        touches: [
          { arn: aliasArn(context, name) },
          ...(key ? [touchedKey({ key, alias: name }, {}, context)] : []),
        ],
        transaction: {
          expect: records.rewriteAlias(context, alias).expect,
          delete: [records.at("kms-alias", context, name)],
        },
      };
    },
    answer: () => ({}),
  },

  /** AWS's own are there from the start, without a key until they are used. */
  ListAliases: {
    resolve(input, context) {
      const { records } = context;
      const of = input.KeyId === undefined ? undefined : findOwnKey(input.KeyId, context).key;
      const known: ListedAlias[] = of ? records.aliasesOf(of) : records.all("kms-alias", context);
      const unused = of ? [] : managedAliases.filter((name) => !known.some((it) => it.name === name));
      const listed = [...known, ...unused.map((name) => ({ name }))];
      return { touches: [], page: page(listed, ({ name }) => name, input, 50) };
    },
    answer: ({ page: { items, truncation } }: { page: Page<ListedAlias> }, context) => ({
      Aliases: items.map(({ name, keyId, createdAt, updatedAt }) => ({
        AliasName: name,
        AliasArn: aliasArn(context, name),
        ...(keyId !== undefined && { TargetKeyId: keyId }),
        ...(createdAt !== undefined && { CreationDate: new Date(createdAt) }),
        ...(updatedAt !== undefined && { LastUpdatedDate: new Date(updatedAt) }),
      })),
      ...truncation,
    }),
  },
} satisfies OperationsOf<typeof kms, KmsContext>;

type ListedAlias = Pick<AliasRecord, "name"> & Partial<AliasRecord>;

function findAlias(name: string, context: KmsContext): AliasRecord {
  const alias = context.records.get("kms-alias", context, name);
  if (!alias) throw aliasNotFound(aliasArn(context, name));
  return alias;
}

function checkName(name: string): void {
  if (!name.startsWith("alias/"))
    throw validation(
      'Alias must start with the prefix "alias/". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html',
    );
  if (/^alias\/aws(\/|$)/.test(name)) throw new ApiError("NotAuthorizedException", "");
  if (!/^alias\/[a-zA-Z0-9/_-]+$/.test(name))
    throw new ApiError("InvalidAliasNameException", `${name} contains invalid characters for an alias`);
}

function refusesAnother(key: KeyRecord, { records }: KmsContext) {
  if (records.aliasesOf(key).length < mostAliases) return undefined;
  return limitExceeded(`A key has at most ${mostAliases} aliases.`);
}

/** AWS, "AWS KMS quotas". */
const mostAliases = 50;
