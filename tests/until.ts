import { setTimeout as delay } from "node:timers/promises";

/** Looks until what is seen is `right`, for 60 s at most, and answers what was seen last: the test says what is wrong with it. */
export const until = async <T>(
  look: () => Promise<T>,
  right: (seen: T) => boolean,
  patienceMs = 60_000,
): Promise<T> => {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const seen = await look();
    if (right(seen) || performance.now() > deadline) return seen;
    await delay(200);
  }
};
