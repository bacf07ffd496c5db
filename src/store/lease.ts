import type { Clock } from "#clock.ts";
import { ExpectationFailed, type Lease, type Store } from "./store.ts";

/**
 * A lease is a record like any other, so its revision fences. Its holder may renew it, which moves the fence. It runs out
 * by wall time, so that it outlives a restart; the fence, not the time, is what keeps two holders apart.
 */
export async function acquireLease(
  store: Pick<Store, "get" | "commit">,
  clock: Clock,
  name: string,
  holder: string,
  ttlMs: number,
): Promise<Lease | undefined> {
  const key = `lease/${name}`;
  const held = await store.get(key);
  const now = clock.now().getTime();
  if (held && isLease(held.value) && held.value.holder !== holder && now < Date.parse(held.value.until))
    return undefined;

  const value: LeaseRecord = { holder, until: new Date(now + ttlMs).toISOString() };
  try {
    const unchanged = held ? { at: [key, held.revision] as const } : { absent: key };
    const { revision } = await store.commit({ expect: [unchanged], put: [{ key, value }] });
    return { key, revision };
  } catch (error) {
    if (error instanceof ExpectationFailed) return undefined; // someone else was quicker
    throw error;
  }
}

interface LeaseRecord {
  readonly holder: string;
  readonly until: string;
}

const isLease = (value: unknown): value is LeaseRecord =>
  typeof value === "object" && value !== null && "holder" in value && "until" in value;
