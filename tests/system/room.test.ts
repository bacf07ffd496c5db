import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { run } from "#drivers/linux/commands.ts";
import { hostArchitecture } from "#images/architecture.ts";
import { openRoom } from "#images/room.ts";
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
  const sleep = sleepers();
  const child = spawn("sh", [room, rule, ...sleep.two], { stdio: "ignore" });
  assert.equal(await until(sleep.count, (count) => count === 2), 2);
  child.kill("SIGKILL");
  assert.equal(await until(sleep.count, (count) => count === 0), 0);
});

test("a room of either kind ends when the program that bakes in it is killed", async () => {
  const plain = await openRoom(hostArchitecture, dir, AbortSignal.timeout(60_000));
  for (const command of [[...plain], ["sh", room, rule]]) {
    const sleep = sleepers();
    const bakery = `import { run } from ${JSON.stringify(import.meta.resolve("#images/command.ts"))};
      const [file, ...args] = ${JSON.stringify([...command, ...sleep.two])};
      await run(file, args, { signal: new AbortController().signal });`;
    const bakes = spawn(process.execPath, ["--input-type=module-typescript", "-e", bakery], {
      stdio: "ignore",
    });
    assert.equal(await until(sleep.count, (count) => count === 2), 2);
    bakes.kill("SIGKILL");
    assert.equal(await until(sleep.count, (count) => count === 0), 0, command.join(" "));
  }
});

test("a room that cannot be had says so and ends", async () => {
  await assert.rejects(run("sh", [room, "no rule", "true"], { timeoutMs: 10_000 }), { exitCode: 1 });
});

let sleeping = 0;

/** A command that is two processes asleep, and how many of those there are. */
function sleepers() {
  const seconds = `1${process.pid}${(sleeping += 1)}`;
  const count = () =>
    run("ps", ["-C", "sleep", "-o", "args="]).then(
      (lines) => lines.split("\n").filter((line) => line === `sleep ${seconds}`).length,
      () => 0,
    );
  return { two: ["sh", "-c", `sleep ${seconds} & sleep ${seconds}`], count };
}
