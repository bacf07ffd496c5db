import { setTimeout as delay } from "node:timers/promises";
import type { RealRegion } from "../real-region.ts";

/** As `kill -9` does; the supervisor starts them again. */
export async function killPrograms({ status }: Pick<RealRegion, "status">): Promise<void> {
  const { programs } = await status();
  for (const pid of Object.values(programs)) if (pid !== null) process.kill(pid, "SIGKILL");
}

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
