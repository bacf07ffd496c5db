import type { Feed } from "#store/feed.ts";
import type { Entry, Expectation, Transaction } from "#store/store.ts";

/** What every named thing of IAM has. */
export interface IamRecord {
  /** AIDA…, AROA…: never used again, whereas a name may be. */
  readonly id: string;
  readonly name: string;
  /** "/", or "/a/b/". */
  readonly path: string;
  readonly createdAt: string; // ISO 8601, UTC
}

export type Tags = Readonly<Record<string, string>>;

/** What policies are attached to, and written into. */
export interface PolicyHolder extends IamRecord {
  /** ARNs. */
  readonly attached: readonly string[];
  /** Documents by the policies' names. */
  readonly inline: Readonly<Record<string, string>>;
  /** The ARN of the policy that bounds what the others allow. */
  readonly boundary?: string | undefined;
}

export interface UserRecord extends PolicyHolder {
  readonly tags: Tags;
  /** Their ids. */
  readonly groups: readonly string[];
}

export type GroupRecord = PolicyHolder;

export interface RoleRecord extends PolicyHolder {
  readonly tags: Tags;
  readonly description?: string | undefined;
  /** The document that says who may assume it. */
  readonly trust: string;
  /** Whom the document names, by ARN, and the ids they had when it was written: who comes later by the same name is not meant. */
  readonly trusted: Readonly<Record<string, string>>;
  readonly maxSessionSeconds: number;
  /** The service ("spot.amazonaws.com") that alone says what it may, and has it deleted. */
  readonly linkedTo?: string | undefined;
}

export interface PolicyRecord extends IamRecord {
  readonly tags: Tags;
  readonly description?: string | undefined;
  readonly versions: readonly PolicyVersion[];
  /** "v1" */
  readonly defaultVersion: string;
  /** How many there have been: the number of the next is one more. */
  readonly versionsMade: number;
  readonly updatedAt: string;
}

export interface PolicyVersion {
  readonly id: string;
  readonly document: string;
  readonly createdAt: string;
}

export interface InstanceProfileRecord extends IamRecord {
  readonly tags: Tags;
  /** The id of its one role. */
  readonly role?: string | undefined;
}

/** A service-linked role that was deleted. */
export interface LinkedRoleDeletionRecord {
  /** A UUID. */
  readonly id: string;
  readonly service: string;
  readonly roleName: string;
  readonly at: string; // ISO 8601, UTC
}

/** Its name is its URL without "https://". */
export interface OidcProviderRecord extends IamRecord {
  readonly tags: Tags;
  /** Audiences that its tokens may be for. */
  readonly clientIds: readonly string[];
  /** SHA-1 in hex: of certificates that its servers may be known by where no public authority vouches for them. */
  readonly thumbprints: readonly string[];
}

export interface SamlProviderRecord extends IamRecord {
  readonly tags: Tags;
  /** The document by which it was made: who signs, and with what. */
  readonly metadata: string;
}

export interface AccessKeyRecord {
  readonly id: string;
  readonly userId: string;
  readonly status: "Active" | "Inactive";
  readonly createdAt: string;
  readonly sealedSecret: string;
}

/** That a user has a password, for the console. */
export interface LoginProfileRecord {
  /** The user's. */
  readonly id: string;
  readonly createdAt: string;
  /** The password. */
  readonly changedAt: string;
  readonly mustReset: boolean;
  readonly hash: string;
  /** Of the passwords before it, the last first. */
  readonly former: readonly string[];
}

/** What users' passwords must be. */
export interface PasswordPolicyRecord {
  readonly id: "policy";
  readonly shortest: number;
  readonly required: readonly ("symbols" | "numbers" | "uppercase" | "lowercase")[];
  readonly usersMayChange: boolean;
  readonly maxAgeDays?: number | undefined;
  /** How many passwords, the one in use among them, may not be chosen again. */
  readonly notAgain?: number | undefined;
  readonly hardExpiry: boolean;
}

/** A virtual MFA device: what knows its seed tells codes. */
export interface MfaDeviceRecord extends IamRecord {
  readonly tags: Tags;
  readonly sealedSeed: string;
  /** Whose it is, once it is enabled. */
  readonly assigned?: { readonly userId: string; readonly enabledAt: string } | undefined;
  /** How many steps of 30 seconds its clock is ahead of Croft's. */
  readonly aheadSteps: number;
  /** The step of the last code that was taken: no earlier code is, nor the same. */
  readonly lastStep: number;
}

/** A TLS certificate with its key. */
export interface ServerCertificateRecord extends IamRecord {
  readonly tags: Tags;
  readonly expiresAt: string;
  /** PEM. */
  readonly body: string;
  readonly chain?: string | undefined;
  readonly sealedKey: string;
}

/** The last that was made. */
export interface CredentialReportRecord {
  readonly id: "report";
  readonly generatedAt: string;
  /** CSV, by gzip and base64. */
  readonly packed: string;
}

/** When a session of a role signed last, to the minute. */
export interface RoleUseRecord {
  /** The role's. */
  readonly id: string;
  readonly at: string;
  readonly region: string;
}

/** When a user's or root's access key signed last, to the minute. */
export interface AccessKeyUseRecord {
  readonly id: string;
  readonly at: string;
  readonly service: string;
  readonly region: string;
}

/** What the account is called beside its number. */
export interface AliasRecord {
  readonly id: "alias";
  readonly alias: string;
}

/** The kinds of record that IAM keeps, each under its kind, its account and the region `*`: IAM is of no region. */
export interface IamKinds {
  readonly "iam-user": UserRecord;
  readonly "iam-group": GroupRecord;
  readonly "iam-role": RoleRecord;
  readonly "iam-policy": PolicyRecord;
  readonly "iam-instance-profile": InstanceProfileRecord;
  readonly "iam-mfa": MfaDeviceRecord;
  readonly "iam-oidc-provider": OidcProviderRecord;
  readonly "iam-saml-provider": SamlProviderRecord;
  readonly "iam-linked-role-deletion": LinkedRoleDeletionRecord;
  readonly "iam-server-certificate": ServerCertificateRecord;
  readonly "iam-credential-report": CredentialReportRecord;
  readonly "iam-role-use": RoleUseRecord;
  readonly "iam-alias": AliasRecord;
  readonly "iam-login-profile": LoginProfileRecord;
  readonly "iam-password-policy": PasswordPolicyRecord;
  readonly "iam-access-key": AccessKeyRecord;
  readonly "iam-access-key-use": AccessKeyUseRecord;
}
export type IamKind = keyof IamKinds;
export type NamedKind = {
  [K in IamKind]: IamKinds[K] extends IamRecord ? K : never;
}[IamKind];
export type HolderKind = "iam-user" | "iam-group" | "iam-role";

/** For what one record needs another, which therefore cannot go. */
export type Use = "attached" | "boundary" | "member" | "profile" | "key" | "mfa" | "login";

/** Typed reads of one account from the feed, and the transactions that change it. */
export class IamRecords {
  readonly accountId: string;
  readonly #feed: Feed;

  constructor(feed: Feed, accountId: string) {
    this.#feed = feed;
    this.accountId = accountId;
  }

  key(kind: IamKind | "claim" | "member", id: string): string {
    return `${kind}/${this.accountId}/*/${id}`;
  }
  entry<K extends IamKind>(kind: K, id: string): Entry<IamKinds[K]> | undefined {
    return this.#feed.get<IamKinds[K]>(this.key(kind, id));
  }
  get<K extends IamKind>(kind: K, id: string): IamKinds[K] | undefined {
    return this.entry(kind, id)?.value;
  }
  all<K extends IamKind>(kind: K): IamKinds[K][] {
    return this.#feed.list<IamKinds[K]>(this.key(kind, "")).map(({ value }) => value);
  }
  /** Names are told apart without regard to case; an MFA device's is "/path/name". */
  named<K extends NamedKind>(kind: K, name: string): IamKinds[K] | undefined {
    const id = this.#feed.get<string>(this.#nameClaim(kind, name))?.value;
    return id === undefined ? undefined : this.get(kind, id);
  }
  /** Who uses the record with this id for what: their ids. */
  usersOf(id: string, use: Use): string[] {
    const prefix = this.key("member", `${id}/${use}/`);
    return this.#feed.list(prefix).map(({ key }) => key.slice(prefix.length));
  }

  /** When the account's region first had a host. */
  beganAt(): string | undefined {
    return this.#feed
      .list<{ createdAt: string }>("host/")
      .map(({ value }) => value.createdAt)
      .toSorted()[0];
  }

  /** `uses`: what the new record uses from its start. */
  create<K extends NamedKind>(kind: K, record: IamKinds[K], uses: readonly UseOf[] = []): Transaction {
    const claim = this.#nameClaim(kind, claimedName(kind, record));
    return {
      expect: [{ absent: claim }, ...uses.flatMap((it) => this.#stays(it))],
      put: [
        { key: claim, value: record.id },
        { key: this.key(kind, record.id), value: record },
        ...uses.map((it) => ({ key: this.#useKey(it, record.id), value: true })),
      ],
    };
  }

  /** Writes `record` in place of what was read, or of nothing; another that came first wins. It may use more than before, or less. */
  rewrite<K extends IamKind>(
    kind: K,
    record: IamKinds[K],
    {
      using = [],
      leaving = [],
      asRead = this.asRead(kind, record.id),
    }: {
      using?: readonly UseOf[];
      leaving?: readonly UseOf[];
      /** When it was read, if that was before a wait. */
      asRead?: Expectation;
    } = {},
  ): Required<Transaction> {
    return {
      expect: [asRead, ...using.flatMap((it) => this.#stays(it))],
      put: [
        { key: this.key(kind, record.id), value: record },
        ...using.map((it) => ({ key: this.#useKey(it, record.id), value: true })),
      ],
      delete: leaving.map((it) => this.#useKey(it, record.id)),
    };
  }

  /** That the record is as it is now, or not there. */
  asRead(kind: IamKind, id: string): Expectation {
    const before = this.entry(kind, id);
    return before ? { at: [before.key, before.revision] } : { absent: this.key(kind, id) };
  }

  /** As `rewrite`, under another name. */
  rename<K extends NamedKind>(kind: K, record: IamKinds[K], before: string): Transaction {
    const { expect, put, delete: gone } = this.rewrite(kind, record);
    const [from, to] = [this.#nameClaim(kind, before), this.#nameClaim(kind, record.name)];
    if (from === to) return { expect, put };
    return {
      expect: [...expect, { absent: to }],
      put: [...put, { key: to, value: record.id }],
      delete: [...gone, from],
    };
  }

  /** Fails while anything uses it. */
  remove<K extends NamedKind>(kind: K, record: IamKinds[K], leaving: readonly UseOf[] = []): Transaction {
    const key = this.key(kind, record.id);
    return {
      expect: [
        { at: [key, this.entry(kind, record.id)?.revision ?? 0] },
        { empty: this.key("member", `${record.id}/`) },
      ],
      delete: [
        key,
        this.#nameClaim(kind, claimedName(kind, record)),
        ...leaving.map((it) => this.#useKey(it, record.id)),
      ],
    };
  }

  /** Removes one that has no name, as it was read. */
  forget(kind: Exclude<IamKind, NamedKind>, id: string, leaving: readonly UseOf[] = []): Transaction {
    const key = this.key(kind, id);
    return {
      expect: [{ at: [key, this.entry(kind, id)?.revision ?? 0] }],
      delete: [key, ...leaving.map((it) => this.#useKey(it, id))],
    };
  }

  /** With when it was used last. */
  removeRole(role: RoleRecord, leaving: readonly UseOf[]): Transaction {
    const { expect = [], delete: gone = [] } = this.remove("iam-role", role, leaving);
    return { expect, delete: [...gone, this.key("iam-role-use", role.id)] };
  }

  /** A device that a user who is as was read is given: of many that are enabled at once not more are than there may be. */
  assignDevice(user: UserRecord, device: MfaDeviceRecord): Transaction {
    const { expect, put } = this.rewrite("iam-user", user);
    const assigned = this.rewrite("iam-mfa", device, { using: [{ id: user.id, use: "mfa" }] });
    return { expect: [...expect, ...assigned.expect], put: [...put, ...assigned.put] };
  }

  /** A key of a user who is as was read: of many that are made at once not more come to be than there may be. */
  addKey(user: UserRecord, key: AccessKeyRecord): Transaction {
    const { expect, put } = this.rewrite("iam-user", user);
    return {
      expect,
      put: [
        ...put,
        { key: this.key("iam-access-key", key.id), value: key },
        { key: this.#useKey({ id: user.id, use: "key" }, key.id), value: true },
      ],
    };
  }
  removeKey({ id, userId }: AccessKeyRecord): Transaction {
    return {
      expect: [{ exists: this.key("iam-access-key", id) }],
      delete: [
        this.key("iam-access-key", id),
        this.key("iam-access-key-use", id),
        this.#useKey({ id: userId, use: "key" }, id),
      ],
    };
  }

  #nameClaim(kind: NamedKind, name: string): string {
    return this.key("claim", `${kind}/${name.toLowerCase()}`);
  }
  #useKey({ id, use }: UseOf, by: string): string {
    return this.key("member", `${id}/${use}/${by}`);
  }
  /** AWS's own policies are no records. */
  #stays({ id, kind }: UseOf): { exists: string }[] {
    return kind ? [{ exists: this.key(kind, id) }] : [];
  }
}

/** Devices have their names within their paths. */
const claimedName = (kind: NamedKind, { path, name }: IamRecord): string =>
  kind === "iam-mfa" ? path + name : name;

/** One record's use of another. */
export interface UseOf {
  readonly id: string;
  readonly use: Use;
  /** Of the used; absent: it is none of the account's, and stays. */
  readonly kind?: IamKind;
}
