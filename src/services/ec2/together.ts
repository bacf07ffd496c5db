import type { Transaction } from "#store/store.ts";

/** One transaction of several. */
export const together = (...parts: readonly Transaction[]): Transaction => ({
  expect: parts.flatMap(({ expect = [] }) => expect),
  put: parts.flatMap(({ put = [] }) => put),
  delete: parts.flatMap((it) => it.delete ?? []),
});
