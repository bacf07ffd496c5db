import assert from "node:assert/strict";
import { test } from "node:test";
import { faultOf, lastDue } from "./due.ts";

const due = (rule: Parameters<typeof lastDue>[0], after: string, now: string) =>
  lastDue(rule, new Date(after), new Date(now))?.toISOString().slice(0, 16);

test("an interval is counted from its time of day", () => {
  const rule = { Interval: 8, Times: ["23:30"] };
  assert.equal(due(rule, "2026-01-01T00:00:00Z", "2026-01-01T07:29:59Z"), undefined);
  assert.equal(due(rule, "2026-01-01T00:00:00Z", "2026-01-01T07:30:00Z"), "2026-01-01T07:30");
  assert.equal(due(rule, "2026-01-01T07:30:00Z", "2026-01-01T15:29:00Z"), undefined);
  assert.equal(due(rule, "2026-01-01T07:30:00Z", "2026-01-02T00:00:00Z"), "2026-01-01T23:30");
});

test("of the times that were missed there is the last", () => {
  const rule = { Interval: 1, Times: ["00:05"] };
  assert.equal(due(rule, "2026-01-01T00:00:00Z", "2026-03-01T12:34:00Z"), "2026-03-01T12:05");
});

test("cron expressions are AWS's", () => {
  for (const [text, after, now, expected] of [
    ["cron(0 12 * * ? *)", "2026-01-01T12:00:00Z", "2026-01-02T13:00:00Z", "2026-01-02T12:00"],
    ["cron(15 10 ? * 6L *)", "", "", undefined],
    ["cron(*/20 8-10 ? * MON-FRI *)", "2026-01-02T00:00:00Z", "2026-01-04T23:00:00Z", "2026-01-02T10:40"],
    ["cron(0 0 L * ? *)", "2026-02-01T00:00:00Z", "2026-03-15T00:00:00Z", "2026-02-28T00:00"],
    ["cron(30 6 1,15 JAN,MAR ? 2026)", "2026-01-02T00:00:00Z", "2026-12-31T00:00:00Z", "2026-03-15T06:30"],
    ["cron(0 5 ? * 1 *)", "2026-01-01T00:00:00Z", "2026-01-05T00:00:00Z", "2026-01-04T05:00"],
  ] as const) {
    const rule = { CronExpression: text };
    if (expected === undefined) assert.ok(faultOf(rule), text);
    else assert.deepEqual([faultOf(rule), due(rule, after, now)], [undefined, expected], text);
  }
});

test("what says no time is refused", () => {
  for (const rule of [
    {},
    { Interval: 5 },
    { Interval: 24, Times: ["24:00"] },
    { Interval: 24, Times: ["01:00", "02:00"] },
    { Interval: 24, CronExpression: "cron(0 12 * * ? *)" },
    ...[
      "0 12 * * ? *",
      "cron(0 12 * * * *)",
      "cron(0 12 ? * ? *)",
      "cron(60 12 * * ? *)",
      "cron(0 12 * * ?)",
      "cron(5-1 1 * * ? *)",
      "cron(*/0 1 * * ? *)",
    ].map((CronExpression) => ({ CronExpression })),
  ])
    assert.ok(faultOf(rule), JSON.stringify(rule));
});
