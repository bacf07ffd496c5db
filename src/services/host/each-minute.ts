import { repeat } from "./repeat.ts";

/** Looks at once and each minute, until `signal` aborts, and tells the operator of `what` when it cannot. */
export const eachMinute = (
  what: string,
  look: () => Promise<void>,
  signal: AbortSignal,
  log: (line: string) => void,
): Promise<void> =>
  repeat(() => look().catch((error: unknown) => log(`${what}: ${String(error)}`)), 60_000, signal);
