import { setTimeout as delay } from "node:timers/promises";

/**
 * A program that was killed is back within a second or two; what it had answered stays answered. On a busy machine croft-host may be
 * away for as long as a host may be before nothing is placed on it.
 */
export async function patiently<T>(call: () => Promise<T>): Promise<T> {
  for (const end = performance.now() + 120_000; ; await delay(200)) {
    try {
      return await call();
    } catch (error) {
      const unheard =
        error instanceof Error &&
        (!("$fault" in error) ||
          error.name === "InternalError" ||
          / host serves the zone/.test(error.message));
      if (!unheard || performance.now() > end) throw error;
    }
  }
}
