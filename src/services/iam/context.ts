import type { Caller } from "#api/caller.ts";
import { random } from "../ec2/chance.ts";
import type { Accounts } from "./accounts.ts";
import type { IssuerKeys } from "./issuer-keys.ts";
import type { IamRecords } from "./records.ts";
import { WrongTries } from "./wrong-tries.ts";

/** What an IAM operation is given beside its input. */
export interface IamContext {
  readonly accountId: string;
  /** Of the caller's account. */
  readonly records: IamRecords;
  readonly accounts: Accounts;
  readonly now: () => Date;
  /** A whole number from 0 up to, not including, `below`. */
  readonly random: (below: number) => number;
  /** What users' secrets and session tokens are sealed with. */
  readonly sealingKey: Buffer;
  /** Of the account that the region was made with. */
  readonly rootKeyId: string;
  /** Of MFA devices' codes, and of passwords. */
  readonly wrongTries: WrongTries;
  /** What OIDC providers publish. */
  readonly issuerKeys: IssuerKeys;
  readonly caller: Caller;
}

/** What IAM's operations are given for a caller. */
export function iamContexts(
  shared: Pick<IamContext, "accounts" | "sealingKey" | "rootKeyId" | "issuerKeys">,
) {
  const wrongTries = new WrongTries();
  return (_region: string, caller: Caller): IamContext => ({
    ...shared,
    accountId: caller.accountId,
    records: shared.accounts.ofCaller(caller),
    now: () => new Date(),
    random,
    wrongTries,
    caller,
  });
}
