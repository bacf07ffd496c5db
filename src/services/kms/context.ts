import { randomUUID } from "node:crypto";
import type { Caller } from "#api/caller.ts";
import type { Accounts } from "../iam/accounts.ts";
import type { KmsRecords } from "./records.ts";

/** What a KMS operation is given beside its input. */
export interface KmsContext {
  /** The caller's. */
  readonly accountId: string;
  readonly region: string;
  readonly caller: Caller;
  readonly accounts: Accounts;
  readonly records: KmsRecords;
  readonly now: () => Date;
  /** A UUID. */
  readonly newKeyId: () => string;
  /** What keys' material is sealed with. */
  readonly sealingKey: Buffer;
}

/** What KMS's operations are given for a caller in a region. */
export const kmsContexts =
  (shared: Pick<KmsContext, "accounts" | "records" | "sealingKey" | "now">) =>
  (region: string, caller: Caller): KmsContext => ({
    ...shared,
    accountId: caller.accountId,
    region,
    caller,
    newKeyId: randomUUID,
  });
