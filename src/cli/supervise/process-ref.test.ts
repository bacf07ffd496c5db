import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { endProcesses, isAlive, processRef } from "./process-ref.ts";

test("this process is alive; another with its number at another time is not it", () => {
  const own = processRef(process.pid);
  assert.ok(own && isAlive(own));
  assert.equal(isAlive({ ...own, startTicks: "1" }), false);
  assert.equal(isAlive({ ...own, bootId: "another boot" }), false);
});

test("a process that is told to end ends, and one that will not listen is killed", async () => {
  const deaf = spawn("sh", ["-c", "trap '' TERM; echo deaf; while :; do sleep 0.1; done"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const polite = spawn("sleep", ["60"], { stdio: "ignore" });
  await once(deaf.stdout, "data");
  const refs = [deaf, polite].map(({ pid = 0 }) => processRef(pid)).filter((ref) => ref !== undefined);
  assert.equal(refs.length, 2);
  await endProcesses(refs, 200);
  assert.deepEqual(refs.map(isAlive), [false, false]);
  assert.equal(deaf.signalCode ?? (await once(deaf, "exit"))[1], "SIGKILL");
});
