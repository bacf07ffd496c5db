import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { run } from "#drivers/linux/commands.ts";
import { until } from "../until.ts";

/** Where an image of another architecture is made: `cat` is its emulator here. Needs Linux 6.7, as such a bake does. */
const room = join(import.meta.dirname, "../../src/images/room.sh");
const rules = "/proc/sys/fs/binfmt_misc";
const rule = ":croft-test:M::CROFT::/bin/cat:F";
const dir = mkdtempSync(join(tmpdir(), "croft-room-"));
after(() => rmSync(dir, { recursive: true }));
const program = join(dir, "program");
writeFileSync(program, "CROFT\n", { mode: 0o755 });

test("a room starts what this host cannot, and nobody else does", async () => {
  assert.equal(await run("sh", [room, rule, program]), "CROFT\n");
  assert.match(await run("sh", [room, rule, "ls", rules]), /^croft-test$/m);
  await assert.rejects(run(program, []));
  assert.ok(!readdirSync(rules).includes("croft-test"));
});

test("in a room, root is this host's root to files, and of processes sees its own alone", async () => {
  await run("sh", [room, rule, "chown", "1234:5678", program]);
  const { uid, gid } = statSync(program);
  assert.deepEqual([uid, gid], [1234, 5678]);
  assert.equal(await run("sh", [room, rule, "sh", "-c", "echo $$"]), "1\n");
});

test("a room ends, with everything in it, when what was started is killed", async () => {
  const minutes = `1${process.pid}`;
  const child = spawn("sh", [room, rule, "sh", "-c", `sleep ${minutes} & sleep ${minutes}`], {
    stdio: "ignore",
  });
  const sleepers = () =>
    run("ps", ["-C", "sleep", "-o", "args="]).then(
      (lines) => lines.split(minutes).length - 1,
      () => 0,
    );
  assert.equal(await until(sleepers, (count) => count === 2), 2);
  child.kill("SIGKILL");
  assert.equal(await until(sleepers, (count) => count === 0, 5_000), 0);
});

test("a room that cannot be had says so and ends", async () => {
  await assert.rejects(run("sh", [room, "no rule", "true"], { timeoutMs: 10_000 }), { exitCode: 1 });
});
