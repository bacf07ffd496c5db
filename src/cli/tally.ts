/** How many tests came to what. */
export interface Tally {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** What node's test runner says of one finished test (`test:pass`, `test:fail`). */
export interface Finished {
  readonly name: string;
  readonly outcome: "pass" | "fail";
  readonly skip?: boolean | string | undefined;
  readonly todo?: boolean | string | undefined;
  /** "suite" for a describe block. */
  readonly type?: string | undefined;
  /** Why it failed: "subtestsFailed" when only something within it did. */
  readonly failureType?: string | undefined;
}

export const noTests: Tally = { passed: 0, failed: 0, skipped: 0 };

/** A describe block is no test of its own, nor is a file without any; but what fails outside every test fails. */
export const counted = (tally: Tally, finished: Finished): Tally => {
  if (finished.skip || finished.todo) return { ...tally, skipped: tally.skipped + 1 };
  if (finished.outcome === "fail") {
    return finished.failureType === "subtestsFailed" ? tally : { ...tally, failed: tally.failed + 1 };
  }
  if (finished.type === "suite" || finished.name.endsWith(".test.ts")) return tally;
  return { ...tally, passed: tally.passed + 1 };
};

export const sum = (tallies: readonly Tally[]): Tally =>
  tallies.reduce(
    (total, { passed, failed, skipped }) => ({
      passed: total.passed + passed,
      failed: total.failed + failed,
      skipped: total.skipped + skipped,
    }),
    noTests,
  );

/** The line that scripts read: "12 passed, 0 failed", and ", 1 skipped" when any was. */
export const tallyLine = ({ passed, failed, skipped }: Tally): string =>
  `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;

/** A run in which nothing was tested proves nothing. */
export const succeeded = ({ passed, failed }: Tally): boolean => failed === 0 && passed > 0;
