import { randomInt } from "node:crypto";
import type { Feed } from "#store/feed.ts";
import { IamRecords } from "./records.ts";

/** What an IAM operation is given beside its input. */
export interface IamContext {
  readonly accountId: string;
  readonly records: IamRecords;
  readonly now: () => Date;
  /** A whole number from 0 up to, not including, `below`. */
  readonly random: (below: number) => number;
}

export const iamContext = (feed: Feed, accountId: string): IamContext => ({
  accountId,
  records: new IamRecords(feed, accountId),
  now: () => new Date(),
  random: (below) => randomInt(below),
});
