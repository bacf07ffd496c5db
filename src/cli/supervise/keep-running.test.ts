import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { keepRunning } from "./keep-running.ts";
import { identify, isAlive } from "#drivers/linux/host-process.ts";

const nobody = () => {};

/** A program that is a shell script, and what was heard of it. */
const scene = (t: TestContext, script: string) => {
  const ending = new AbortController();
  t.after(() => ending.abort());
  const heard: string[] = [];
  const pids: number[] = [];
  const pauses: number[] = [];
  let changed: () => void = nobody;
  const running = keepRunning(
    {
      name: "script",
      command: ["sh", "-c", script],
      heard: (line, from) => {
        heard.push(`${from}: ${line}`);
        changed();
      },
      started: (pid) => void pids.push(pid),
      ended: (_, againInMs) => {
        pauses.push(againInMs);
        changed();
      },
    },
    ending.signal,
  );
  const until = async (holds: () => boolean) => {
    while (!holds()) await new Promise<void>((resolve) => (changed = resolve));
  };
  return { ending, running, heard, pids, pauses, until };
};

test("a program that dies is started again, each time a little later", async (t) => {
  const { ending, running, pids, pauses, until } = scene(t, "exit 7");
  await until(() => pauses.length === 3);
  ending.abort();
  await running;
  assert.deepEqual(pauses, [100, 200, 400]);
  assert.equal(new Set(pids).size, 3);
});

test("both of its voices are heard, line by line", async (t) => {
  const { ending, running, heard, until } = scene(t, "echo one; echo two >&2; sleep 60");
  await until(() => heard.length === 2);
  assert.deepEqual(heard.toSorted(), ["stderr: two", "stdout: one"]);
  ending.abort();
  await running;
});

test("at the end it is told to end, and is not started again", async (t) => {
  const { ending, running, heard, pids, until } = scene(
    t,
    "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done",
  );
  await until(() => heard.length === 1);
  const own = identify(pids[0] ?? 0);
  ending.abort();
  await running;
  assert.deepEqual(heard, ["stdout: up", "stdout: bye"]);
  assert.equal(pids.length, 1);
  assert.ok(own && !isAlive(own));
});

test("what a program leaves behind, holding its output open, does not hold up its restart", async (t) => {
  const { ending, running, pauses, until } = scene(t, "sleep 3 & exit 1");
  const startedAt = performance.now();
  await until(() => pauses.length === 1);
  assert.ok(performance.now() - startedAt < 2000);
  ending.abort();
  await running;
});

test("its stdin stays open as long as its supervisor lives", async (t) => {
  const { ending, running, heard, until } = scene(t, "echo up; cat; echo alone");
  await until(() => heard.length === 1);
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.deepEqual(heard, ["stdout: up"]);
  ending.abort();
  await running;
});

test("only a program that is audited has a descriptor for it, and its lines arrive whole", async (t) => {
  const lines: string[] = [];
  const ending = new AbortController();
  t.after(() => ending.abort());
  const heard: string[] = [];
  await new Promise<void>((resolve) => {
    void keepRunning(
      {
        name: "audited",
        command: ["sh", "-c", "echo '{}' >&3; echo up; sleep 60"],
        heard: (line) => void heard.push(line),
        audited: (line) => {
          lines.push(line);
          resolve();
        },
        started: nobody,
        ended: nobody,
      },
      ending.signal,
    );
  });
  assert.deepEqual(lines, ["{}"]);
  assert.ok(!heard.includes("{}"));
});
