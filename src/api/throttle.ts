import type { Clock } from "#clock.ts";
import { ApiError } from "./error.ts";

/** How many calls may come at once, and how many more each second. */
export interface CallRate {
  readonly burst: number;
  readonly perSecond: number;
}

/** Takes a token of the bucket named `key`, or throws RequestLimitExceeded. */
export type Throttle = (key: string, rate: CallRate) => void;

/** A bucket of tokens for each key, full at first, filled again as time goes by. */
export function tokenBuckets(clock: Pick<Clock, "monotonicMs">): Throttle {
  const buckets = new Map<string, { tokens: number; atMs: number }>();
  return (key, { burst, perSecond }) => {
    const nowMs = clock.monotonicMs();
    const bucket = buckets.get(key) ?? { tokens: burst, atMs: nowMs };
    const tokens = Math.min(burst, bucket.tokens + ((nowMs - bucket.atMs) / 1000) * perSecond);
    const taken = tokens >= 1;
    buckets.set(key, { tokens: taken ? tokens - 1 : tokens, atMs: nowMs });
    if (!taken) throw new ApiError("RequestLimitExceeded", "Request limit exceeded.", { status: 503 });
  };
}
