/** Time, as the context hands it to whoever needs it. Tests put their own hands on it (`testing/fake-clock.ts`). */
export interface Clock {
  now(): Date;
  /** Milliseconds that only grow and stand still while the host sleeps; only differences mean anything. */
  monotonicMs(): number;
  /** Calls back once after `ms` (at most 24 days), unless what it returned is called first. */
  setTimeout(callback: () => void, ms: number): () => void;
}

export const systemClock: Clock = {
  now: () => new Date(),
  monotonicMs: () => performance.now(),
  setTimeout(callback, ms) {
    const timer = setTimeout(callback, Math.min(ms, longestTimerMs));
    return () => clearTimeout(timer);
  },
};

/** 24.8 days: Node fires anything longer at once. */
const longestTimerMs = 2 ** 31 - 1;
