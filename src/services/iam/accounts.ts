import type { Feed } from "#store/feed.ts";
import { IamRecords } from "./records.ts";

/** An account beside the one that the region was made with, which has no record. */
export interface AccountRecord {
  /** Twelve digits. */
  readonly id: string;
  readonly name: string;
  readonly createdAt: string; // ISO 8601, UTC
  /** Of its root. */
  readonly rootKey: { readonly id: string; readonly sealedSecret: string };
}

/** The accounts of one store. */
export class Accounts {
  /** The number of the one that the region was made with. */
  readonly home: string;
  readonly #feed: Feed;
  readonly #opened = new Map<string, IamRecords>();

  constructor(feed: Feed, home: string) {
    this.#feed = feed;
    this.home = home;
  }

  /** Of the kind's own `everywhere`, as hosts are. */
  key(id: string): string {
    return `account/*/*/${id}`;
  }
  record(id: string): AccountRecord | undefined {
    return this.#feed.get<AccountRecord>(this.key(id))?.value;
  }
  /** By their numbers. */
  records(): AccountRecord[] {
    return this.#feed.list<AccountRecord>(this.key("")).map(({ value }) => value);
  }
  revision(id: string): number | undefined {
    return this.#feed.get(this.key(id))?.revision;
  }

  /** What IAM keeps of it; undefined: there is no such account. */
  of(id: string): IamRecords | undefined {
    if (id !== this.home && !this.record(id)) return undefined;
    const records = this.#opened.get(id) ?? new IamRecords(this.#feed, id);
    this.#opened.set(id, records);
    return records;
  }

  /** Of whoever signed in: his account is there. */
  ofCaller({ accountId }: { readonly accountId: string }): IamRecords {
    const records = this.of(accountId);
    if (!records) throw new Error(`there is no account ${accountId}`);
    return records;
  }
}
