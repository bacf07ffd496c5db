import { setTimeout as delay } from "node:timers/promises";

/** Looks at once and each minute, until `signal` aborts, and tells the operator of `what` when it cannot. */
export async function eachMinute(
  what: string,
  look: () => Promise<void>,
  signal: AbortSignal,
  log: (line: string) => void,
): Promise<void> {
  while (!signal.aborted) {
    await look().catch((error: unknown) => log(`${what}: ${String(error)}`));
    await delay(60_000, undefined, { signal }).catch(() => {});
  }
}
