import type { CallRate } from "#api/throttle.ts";

/**
 * How often an operation may be called in one region, and by what bucket it is counted. Each operation has buckets of its
 * own: that of a Describe of everything is smaller. Follows "Request throttling for the Amazon EC2 API".
 */
export function ec2CallRate(operation: string, input: object): { bucket: string; rate: CallRate } {
  if (!/^(Describe|Get|Search|List)/.test(operation)) return { bucket: operation, rate: rates.mutating };
  return Object.keys(input).some((name) => name !== "DryRun")
    ? { bucket: operation, rate: rates.reading }
    : { bucket: `${operation} of everything`, rate: rates.readingEverything };
}

const rates = {
  reading: { burst: 100, perSecond: 20 },
  readingEverything: { burst: 50, perSecond: 10 },
  mutating: { burst: 50, perSecond: 5 },
} as const satisfies Record<string, CallRate>;
