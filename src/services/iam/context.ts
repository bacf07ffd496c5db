import type { Caller } from "#api/caller.ts";
import { random } from "../ec2/chance.ts";
import type { IamRecords } from "./records.ts";

/** What an IAM operation is given beside its input. */
export interface IamContext {
  readonly accountId: string;
  readonly records: IamRecords;
  readonly now: () => Date;
  /** A whole number from 0 up to, not including, `below`. */
  readonly random: (below: number) => number;
  /** What users' secrets and session tokens are sealed with. */
  readonly sealingKey: Buffer;
  readonly rootKeyId: string;
  readonly caller: Caller;
}

export const iamContext = (
  records: IamRecords,
  { sealingKey, rootKeyId }: Pick<IamContext, "sealingKey" | "rootKeyId">,
): Omit<IamContext, "caller"> => ({
  accountId: records.accountId,
  records,
  now: () => new Date(),
  random,
  sealingKey,
  rootKeyId,
});
