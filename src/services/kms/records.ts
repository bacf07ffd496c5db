import type { Feed } from "#store/feed.ts";
import type { Entry, Transaction } from "#store/store.ts";

export interface KeyRecord {
  /** A UUID. */
  readonly id: string;
  readonly accountId: string;
  readonly region: string;
  readonly createdAt: string; // ISO 8601, UTC
  readonly description: string;
  readonly spec: KeySpec;
  /** "AWS": of a service, made on its first use. */
  readonly manager: "AWS" | "CUSTOMER";
  readonly enabled: boolean;
  /** From then on it is gone, and its material with it. */
  readonly deletion?: { readonly at: string; readonly windowInDays: number } | undefined;
  /** The document that says who may use it. */
  readonly policy: string;
  /** Whom the document names, by ARN, and the ids they had when it was written. */
  readonly trusted: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
  /** Absent: it is not rotated by itself. */
  readonly rotation?: { readonly periodInDays: number; readonly nextAt: string } | undefined;
  /** Oldest first; the last one encrypts. A ciphertext names its own by its index. */
  readonly materials: readonly KeyMaterial[];
}

export type KeySpec = "SYMMETRIC_DEFAULT" | "HMAC_224" | "HMAC_256" | "HMAC_384" | "HMAC_512";

export interface KeyMaterial {
  /** 64 hex digits. */
  readonly id: string;
  /** With the region's sealing key. */
  readonly sealed: string;
  readonly createdAt: string;
  /** Absent: the key was made with it. */
  readonly rotated?: "AUTOMATIC" | "ON_DEMAND" | undefined;
}

export interface AliasRecord {
  /** "alias/…" */
  readonly name: string;
  readonly keyId: string;
  readonly createdAt: string;
  readonly updatedAt: string;
}

export interface GrantRecord {
  /** 64 hex digits. */
  readonly id: string;
  readonly keyId: string;
  readonly createdAt: string;
  readonly name?: string | undefined;
  /** ARNs, and the ids that users and roles had when it was made. */
  readonly grantee: string;
  readonly retiring?: string | undefined;
  readonly trusted: Readonly<Record<string, string>>;
  /** The account that made it. */
  readonly issuer: string;
  readonly operations: readonly string[];
  readonly subset?: EncryptionContext | undefined;
  readonly equals?: EncryptionContext | undefined;
}

export type EncryptionContext = Readonly<Record<string, string>>;

export interface KeyScope {
  readonly accountId: string;
  readonly region: string;
}

interface KmsKinds {
  readonly "kms-key": KeyRecord;
  readonly "kms-alias": AliasRecord;
  readonly "kms-grant": GrantRecord;
}
type KmsKind = keyof KmsKinds;

/** Typed reads of every account's and region's keys, aliases and grants. Grants are under `KEY-ID/GRANT-ID`. */
export class KmsRecords {
  readonly #feed: Feed;
  readonly #aliasesOfKey: (keyId: string) => Entry<AliasRecord>[];

  constructor(feed: Feed) {
    this.#feed = feed;
    this.#aliasesOfKey = feed.index<AliasRecord>("kms-alias", ({ keyId }) => [keyId]);
  }

  at(kind: KmsKind, { accountId, region }: KeyScope, id: string): string {
    return `${kind}/${accountId}/${region}/${id}`;
  }
  get<K extends KmsKind>(kind: K, scope: KeyScope, id: string): KmsKinds[K] | undefined {
    return this.#feed.get<KmsKinds[K]>(this.at(kind, scope, id))?.value;
  }
  /** `under`: of grants, "KEY-ID/". */
  all<K extends KmsKind>(kind: K, scope: KeyScope, under = ""): KmsKinds[K][] {
    return this.#feed.list<KmsKinds[K]>(this.at(kind, scope, under)).map(({ value }) => value);
  }
  /** Of all accounts and regions. */
  everyKey(): KeyRecord[] {
    return this.#feed.list<KeyRecord>("kms-key/").map(({ value }) => value);
  }
  /** Of the region, of every account's keys. */
  everyGrant(region: string): { readonly key: KeyScope; readonly grant: GrantRecord }[] {
    return this.#feed.list<GrantRecord>("kms-grant/").flatMap(({ key, value }) => {
      const [, accountId = "", of = ""] = key.split("/");
      return of === region ? [{ key: { accountId, region }, grant: value }] : [];
    });
  }
  aliasesOf({ id }: KeyRecord): AliasRecord[] {
    return this.#aliasesOfKey(id).map(({ value }) => value);
  }
  grantsOf(key: KeyRecord): GrantRecord[] {
    return this.all("kms-grant", key, `${key.id}/`);
  }

  /** Writes `key` in place of what was read, or of nothing; another that came first wins. */
  rewriteKey(key: KeyRecord): Required<Pick<Transaction, "expect" | "put">> {
    return this.#rewrite(this.at("kms-key", key, key.id), key);
  }
  rewriteAlias(scope: KeyScope, alias: AliasRecord): Required<Pick<Transaction, "expect" | "put">> {
    return this.#rewrite(this.at("kms-alias", scope, alias.name), alias);
  }
  /** The key is there, and as it was read. */
  stays(key: KeyRecord): { readonly at: readonly [string, number] } {
    const at = this.at("kms-key", key, key.id);
    return { at: [at, this.#feed.get(at)?.revision ?? 0] };
  }

  #rewrite(key: string, value: object): Required<Pick<Transaction, "expect" | "put">> {
    const before = this.#feed.get(key);
    return {
      expect: [before ? { at: [key, before.revision] } : { absent: key }],
      put: [{ key, value }],
    };
  }
}
