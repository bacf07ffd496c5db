import type { Clock } from "#clock.ts";

/**
 * Deadlines in working time: how long this program has been at something. It stands still while the host sleeps and begins
 * anew when the program does, so nobody's time runs out while nobody works for them.
 */
export function workClock(clock: Clock): { since(what: string): number; forget(what: string): void } {
  const begun = new Map<string, number>();
  return {
    /** Milliseconds since this was first asked for `what`. */
    since(what) {
      const now = clock.monotonicMs();
      const start = begun.get(what) ?? now;
      begun.set(what, start);
      return now - start;
    },
    forget: (what) => void begun.delete(what),
  };
}
