import { awsManagedAlias, awsManagedKey } from "./aws-managed-key.ts";
import type { KmsContext } from "./context.ts";
import { aliasNotFound, invalidArn, keyNotFound, notFound } from "./errors.ts";
import { aliasArn, isGone, keyArn } from "./key.ts";
import type { KeyRecord, KeyScope } from "./records.ts";

/** A key as a call names it. */
export interface NamedKey {
  readonly key: KeyRecord;
  /** "alias/…", when it is named so. */
  readonly alias?: string | undefined;
}

/** By its id, its alias, or the ARN of either, which may be another account's. Throws NotFoundException, InvalidArnException. */
export function findKey(name: string, context: KmsContext): NamedKey {
  const scope = scopeIn(name, context);
  const local = name.startsWith("arn:") ? name.split(":").slice(5).join(":") : name;
  if (local.startsWith("alias/")) {
    const alias = context.records.get("kms-alias", scope, local);
    const key = alias && context.records.get("kms-key", scope, alias.keyId);
    if (!key || isGone(key, context.now())) throw aliasNotFound(aliasArn(scope, local));
    return { key, alias: local };
  }
  const id = name.startsWith("arn:") ? local.slice("key/".length) : local;
  if (!isKeyId(id)) throw notFound(`Invalid keyId '${name}'`);
  const key = context.records.get("kms-key", scope, id);
  if (!key || isGone(key, context.now())) throw keyNotFound(keyArn({ ...scope, id }));
  return { key };
}

/** For what nobody of another account may do, whatever the key's policy says. */
export function findOwnKey(name: string, context: KmsContext): NamedKey {
  const named = findKey(name, context);
  if (named.key.accountId !== context.accountId) throw keyNotFound(keyArn(named.key));
  return named;
}

/** As `findOwnKey`, by an id or ARN: what changes a key does not take its aliases. */
export function findOwnKeyById(name: string, context: KmsContext): KeyRecord {
  if (/^(arn:[^/]+:)?alias\//.test(name)) throw notFound(`Invalid keyId '${name}'`);
  return findOwnKey(name, context).key;
}

/** AWS's own alias stands for a key that is made when it is first used. */
export function findOrMakeKey(name: string, context: KmsContext) {
  const managed = awsManagedAlias(name, context);
  return managed === undefined ? findKey(name, context) : awsManagedKey(managed, context);
}

function scopeIn(name: string, { accountId, region }: KmsContext): KeyScope {
  if (!name.startsWith("arn:")) return { accountId, region };
  const [, of = "", account = ""] = /^arn:aws:kms:([a-z0-9-]+):(\d{12}):(?:key|alias)\/.+$/.exec(name) ?? [];
  if (of === "") throw invalidArn(`Invalid arn ${name}`);
  if (of !== region) throw notFound(`Invalid arn ${of}`);
  return { accountId: account, region: of };
}

const isKeyId = (id: string) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id);
