import assert from "node:assert/strict";
import { test } from "node:test";
import { servedOperations } from "#services/operations.ts";

/** Of one client: its paginators ("ec2:paginate DescribeVpcs") and waiters ("ec2:wait VpcExists") for operations that Croft serves. */
export interface ClientConveniences {
  readonly offered: readonly string[];
  /** Those that the tests had to their end. */
  readonly used: Iterable<string>;
  /** What the client can call ("ec2:RunInstances"): Debian's are older than some operations. Absent: everything. */
  readonly operations?: ReadonlySet<string>;
}

/** What no client can have of a region as these tests find it, and why. */
const impossible: Readonly<Record<string, string>> = {
  "ec2:wait PasswordDataAvailable": "only Windows has passwords",
};

/** Whether Croft serves an operation of the service that requests are signed for by this name. */
export const isServed = (service: string, operation: string): boolean =>
  served.includes(`${service}:${operation}`);

const served = Object.entries(servedOperations).flatMap(([service, operations]) =>
  Object.keys(operations).map((name) => `${service}:${name}`),
);

/** Follows one client's tests in a region. The function it makes is called after the last of them, and tests that nothing was left out. */
export async function followCoverage(endpoint: string) {
  const before = await answered(endpoint);
  return (client: string, conveniences: () => ClientConveniences): void =>
    void test(`${client} was answered every operation that Croft serves and it knows, and used each paginator and waiter for one`, async () => {
      const { offered, used, operations } = conveniences();
      const now = await answered(endpoint);
      const had = new Set([...used, ...served.filter((it) => (now.get(it) ?? 0) > (before.get(it) ?? 0))]);
      const callable = served.filter((it) => operations?.has(it) ?? true);
      const known = new Set([...callable, ...offered]);
      const missed = [...known].filter((it) => !had.has(it));
      assert.deepEqual(
        missed.toSorted(),
        Object.keys(impossible)
          .filter((it) => known.has(it))
          .toSorted(),
      );
    });
}

/** How many calls of each operation ("ec2:RunInstances") the region answered without an error, by its own metrics. */
async function answered(endpoint: string): Promise<ReadonlyMap<string, number>> {
  const text = await (await fetch(`${endpoint}/_croft/metrics`)).text();
  const samples = text.matchAll(
    /^croft_requests_total\{service="(\w+)",operation="(\w+)",code="OK"\} (\d+)$/gm,
  );
  return new Map(
    [...samples].map(([, service, operation, count]) => [`${service}:${operation}`, Number(count)]),
  );
}
