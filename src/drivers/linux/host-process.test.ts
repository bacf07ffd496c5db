import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { ageMs, endProcess, identify, isAlive, isGone, startedWith } from "./host-process.ts";

const start = (mark = "") => {
  const child = spawn("sleep", ["60"], { stdio: "ignore", env: { MARK: mark, PATH: "/usr/bin:/bin" } });
  const found = identify(child.pid ?? 0);
  assert.ok(found);
  return { child, found };
};

test("a process is known by its start and its host's boot, not by its number alone", async () => {
  const { found } = start();
  assert.ok(isAlive(found));
  assert.ok(ageMs(found) >= -10 && ageMs(found) < 5000);
  assert.equal(isAlive({ ...found, startTicks: found.startTicks - 1 }), false);
  assert.equal(isAlive({ ...found, bootId: "another" }), false);
  assert.equal(identify(0), undefined);
  await endProcess(found);
});

test("ending a process spares the one that has its number now", async () => {
  const { found } = start();
  await endProcess({ ...found, startTicks: found.startTicks - 1 });
  assert.ok(isAlive(found));
  await endProcess(found);
  assert.equal(isAlive(found), false);
  await endProcess(found);
});

test("a process that ended is not alive, even before its parent looks", async () => {
  const { child, found } = start();
  child.kill("SIGKILL");
  // Nothing here lets the event loop turn, so nobody waits for it.
  const deadline = performance.now() + 5000;
  while (isAlive(found)) assert.ok(performance.now() < deadline);
  await once(child, "exit");
  assert.ok(await isGone(found, 0));
});

test("processes are found by what they were started with", async () => {
  const mark = `croft-${process.pid}`;
  const { found } = start(mark);
  assert.deepEqual(startedWith(`MARK=${mark}`), [found]);
  assert.deepEqual(startedWith(`MARK=${mark}-`), []);
  await endProcess(found);
});
