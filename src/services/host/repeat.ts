import { setTimeout as delay } from "node:timers/promises";

/** Does it at once, and again `ms` after each time, until `signal` aborts. */
export async function repeat(act: () => Promise<void>, ms: number, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await act();
    await delay(ms, undefined, { signal }).catch(() => {});
  }
}
