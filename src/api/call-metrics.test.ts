import assert from "node:assert/strict";
import { test } from "node:test";
import type { AnsweredCall } from "./answered-call.ts";
import { callMetrics } from "./call-metrics.ts";
import { ApiError } from "./error.ts";
import { exposition } from "./exposition.ts";
import { rootCaller } from "./caller.ts";

const call: AnsweredCall = {
  requestId: "req-1",
  source: "127.0.0.1",
  at: new Date(0),
  latencyMs: 2,
  signedIn: {
    accessKeyId: "AKIATEST",
    region: "eu-central-1",
    service: "ec2",
    caller: rootCaller("111122223333", "AKIATEST"),
  },
  operation: "DescribeVpcs",
};

test("calls are counted by operation and code, and timed in cumulative buckets", () => {
  const { count, metrics } = callMetrics();
  count(call);
  count({ ...call, latencyMs: 40 });
  count({ ...call, latencyMs: 60_000, error: new ApiError("InternalError", "") });
  const lines = exposition(metrics()).split("\n");
  const of = 'service="ec2",operation="DescribeVpcs"';
  for (const line of [
    "# TYPE croft_requests_total counter",
    `croft_requests_total{${of},code="OK"} 2`,
    `croft_requests_total{${of},code="InternalError"} 1`,
    "# TYPE croft_request_duration_seconds histogram",
    `croft_request_duration_seconds_bucket{${of},le="0.001"} 0`,
    `croft_request_duration_seconds_bucket{${of},le="0.0025"} 1`,
    `croft_request_duration_seconds_bucket{${of},le="0.05"} 2`,
    `croft_request_duration_seconds_bucket{${of},le="5"} 2`,
    `croft_request_duration_seconds_bucket{${of},le="+Inf"} 3`,
    `croft_request_duration_seconds_sum{${of}} 60.042`,
    `croft_request_duration_seconds_count{${of}} 3`,
  ])
    assert.ok(lines.includes(line), line);
});

test("calls that were not signed or not understood share one series, whatever they name", () => {
  const { count, metrics } = callMetrics();
  const { operation: _, ...misunderstood } = call;
  const { signedIn: _signedIn, ...unsigned } = misunderstood;
  for (let n = 0; n < 100; n++) {
    count({ ...unsigned, error: new ApiError("AuthFailure", "") });
    const signedIn = { ...call.signedIn!, service: `service${n}` };
    count({ ...misunderstood, signedIn, error: new ApiError("UnsupportedOperation", "") });
  }
  const [requests] = metrics();
  assert.deepEqual(
    requests?.samples.map(({ labels, value }) => [labels, value]),
    [
      [{ service: "", operation: "", code: "AuthFailure" }, 100],
      [{ service: "", operation: "", code: "UnsupportedOperation" }, 100],
    ],
  );
});

test("a label ends where it should, whatever is in it", () => {
  const metric = {
    name: "m",
    type: "gauge",
    help: "h",
    samples: [{ labels: { a: 'x"} 1\nforged 2\\' }, value: 1 }],
  } as const;
  assert.equal(exposition([metric]), '# HELP m h\n# TYPE m gauge\nm{a="x\\"} 1\\nforged 2\\\\"} 1\n');
});
