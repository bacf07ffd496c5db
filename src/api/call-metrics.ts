import type { AnsweredCall } from "./answered-call.ts";
import type { Metric, Sample } from "./exposition.ts";

export interface CallMetrics {
  readonly count: (call: AnsweredCall) => void;
  readonly metrics: () => Metric[];
}

/** Upper ends of the latency histogram's buckets, in seconds. */
const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5] as const;

/**
 * How many calls were answered, how and how fast, by operation. Only AWS's own operations have series of their own, so that no
 * caller can make their number grow: what was not signed or not understood counts under an empty name.
 */
export function callMetrics(): CallMetrics {
  const operations = new Map<string, OperationCounts>();
  return {
    count({ signedIn, operation = "", error, latencyMs }) {
      const service = operation === "" ? "" : (signedIn?.service ?? "");
      const name = `${service}:${operation}`;
      const counts = operations.get(name) ?? noCounts(service, operation);
      operations.set(name, counts);
      const code = error?.code ?? "OK";
      counts.codes.set(code, (counts.codes.get(code) ?? 0) + 1);
      const bucket = buckets.findIndex((end) => latencyMs <= end * 1000);
      const at = bucket < 0 ? buckets.length : bucket;
      counts.latencies[at] = (counts.latencies[at] ?? 0) + 1;
      counts.seconds += latencyMs / 1000;
    },
    metrics: () => [
      {
        name: "croft_requests_total",
        type: "counter",
        help: "Calls answered, by operation and error code (OK: none).",
        samples: [...operations.values()].flatMap(({ labels, codes }) =>
          [...codes].map(([code, value]) => ({ labels: { ...labels, code }, value })),
        ),
      },
      {
        name: "croft_request_duration_seconds",
        type: "histogram",
        help: "Time from a call's arrival to its answer.",
        samples: [...operations.values()].flatMap(histogram),
      },
    ],
  };
}

interface OperationCounts {
  readonly labels: { readonly service: string; readonly operation: string };
  readonly codes: Map<string, number>;
  /** Per bucket, and then those above the last. */
  readonly latencies: number[];
  seconds: number;
}

const noCounts = (service: string, operation: string): OperationCounts => ({
  labels: { service, operation },
  codes: new Map(),
  latencies: Array.from({ length: buckets.length + 1 }, () => 0),
  seconds: 0,
});

function histogram({ labels, latencies, seconds }: OperationCounts): Sample[] {
  let below = 0;
  const counts = [...buckets.map(String), "+Inf"].map((le, n): Sample => {
    below += latencies[n] ?? 0;
    return { suffix: "_bucket", labels: { ...labels, le }, value: below };
  });
  return [...counts, { suffix: "_sum", labels, value: seconds }, { suffix: "_count", labels, value: below }];
}
