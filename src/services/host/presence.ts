import { setTimeout as delay } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import type { Store } from "#store/store.ts";
import { hostLease, type HostRoom } from "./host.ts";

/** Commits at once, and once more when asked again meanwhile. */
export function reporter(commit: () => Promise<unknown>, log: (line: string) => void): () => void {
  let running = false;
  let again = false;
  return function report() {
    if (running) {
      again = true;
      return;
    }
    running = true;
    commit()
      .catch((error: unknown) => log(`report: ${String(error)}`))
      .finally(() => {
        running = false;
        if (!again) return;
        again = false;
        report();
      });
  };
}

/** Looks each five seconds, until `signal` aborts; warnings are also told to the operator, once each. */
export async function reportWhenChanged(
  look: () => { readonly room: HostRoom; readonly warnings: readonly string[] },
  report: () => void,
  signal: AbortSignal,
  log: (line: string) => void,
): Promise<void> {
  let before = look();
  for (const warning of before.warnings) log(warning);
  while (!signal.aborted) {
    await delay(hostLease.renewMs, undefined, { signal }).catch(() => {});
    const now = look();
    for (const warning of now.warnings) if (!before.warnings.includes(warning)) log(warning);
    if (!isDeepStrictEqual(now, before)) report();
    before = now;
  }
}

/** Until `signal` aborts. By the wall clock, as leases end: a host that slept says that it is there as soon as it wakes. */
export async function renewLease(
  store: Store,
  hostId: string,
  signal: AbortSignal,
  log: (line: string) => void,
): Promise<void> {
  while (!signal.aborted) {
    await store
      .acquire(hostLease.name(hostId), hostId, hostLease.ttlMs)
      .catch((error: unknown) => log(`lease: ${String(error)}`));
    const renewedAt = Date.now();
    while (!signal.aborted && Math.abs(Date.now() - renewedAt) < hostLease.renewMs)
      await delay(hostLease.renewMs / 5, undefined, { signal }).catch(() => {});
  }
}
