import type { Transaction } from "#store/store.ts";

/**
 * What one step of a reconciler came to. `settled`: nothing to do until something it reads changes. `moved`: commit this,
 * then look again. `wait`: look again after `ms`, or sooner when something it reads changes.
 */
export type Outcome =
  | { readonly kind: "settled" }
  | { readonly kind: "moved"; readonly transaction: Transaction }
  | { readonly kind: "wait"; readonly ms: number };

export const settled: Outcome = { kind: "settled" };
export const moved = (transaction: Transaction): Outcome => ({ kind: "moved", transaction });
export const wait = (ms: number): Outcome => ({ kind: "wait", ms });

/**
 * Takes records of `kind` from what is to what is wanted, one repeatable step at a time. It is told only which record to
 * look at, never what changed, so a crash between steps costs nothing.
 */
export interface Reconciler {
  readonly kind: string;
  step(key: string): Promise<Outcome>;
  /** By the kind of a record that changed from `before` to `now`: the keys of `kind` that it makes worth another look. */
  readonly affected?: Readonly<
    Record<string, (key: string, now: unknown, before: unknown) => readonly string[]>
  >;
}
