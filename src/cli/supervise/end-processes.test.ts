import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { identify, isAlive } from "#drivers/linux/host-process.ts";
import { endProcesses } from "./end-processes.ts";

test("a process that is told to end ends, and one that will not listen is killed", async () => {
  const deaf = spawn("sh", ["-c", "trap '' TERM; echo deaf; while :; do sleep 0.1; done"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const polite = spawn("sleep", ["60"], { stdio: "ignore" });
  await once(deaf.stdout, "data");
  const refs = [deaf, polite].map(({ pid = 0 }) => identify(pid)).filter((ref) => ref !== undefined);
  assert.equal(refs.length, 2);
  await endProcesses(refs, 200);
  assert.deepEqual(refs.map(isAlive), [false, false]);
  assert.equal(deaf.signalCode ?? (await once(deaf, "exit"))[1], "SIGKILL");
});
