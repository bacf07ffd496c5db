import { BLOCK_BYTES, type BlockRun } from "#drivers/disk/disk-driver.ts";
import { invalidPageToken } from "./errors.ts";

export interface PageInput {
  readonly NextToken?: string | undefined;
  readonly MaxResults?: number | undefined;
  readonly StartingBlockIndex?: number | undefined;
}

export interface PageStart {
  /** What the list is of; a token of another's is refused. */
  readonly of: string;
  readonly first: number;
  readonly most: number;
}

/** Throws ValidationException. A token stands before a first block. */
export function pageStart(of: string, input: PageInput): PageStart {
  const { NextToken: token, MaxResults: most = mostAtOnce, StartingBlockIndex: first = 0 } = input;
  return { of, first: token === undefined ? first : firstIn(token, of), most };
}

/** The indexes on the page, and what the answer says of the list beside them. */
export function blockPage(runs: readonly BlockRun[], { of, first, most }: PageStart) {
  const indexes: number[] = [];
  let next: number | undefined;
  for (const index of indexesFrom(runs, first)) {
    if (indexes.length < most) indexes.push(index);
    else {
      next = index;
      break;
    }
  }
  const NextToken = next === undefined ? undefined : Buffer.from(`${of} ${next}`).toString("base64");
  return { indexes, told: { BlockSize: BLOCK_BYTES, NextToken } };
}

function* indexesFrom(runs: readonly BlockRun[], least: number): Generator<number> {
  for (const [first, count] of runs)
    for (let index = Math.max(first, least); index < first + count; index++) yield index;
}

function firstIn(token: string, of: string): number {
  const text = Buffer.from(token, "base64").toString();
  const [, index] = text.startsWith(`${of} `) ? (/ (\d{1,9})$/.exec(text) ?? []) : [];
  if (index === undefined) throw invalidPageToken();
  return Number(index);
}

const mostAtOnce = 10_000;
