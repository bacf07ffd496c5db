import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { run } from "#drivers/linux/commands.ts";

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

test("a room that cannot be had says so and ends", async () => {
  await assert.rejects(run("sh", [room, "no rule", "true"], { timeoutMs: 10_000 }), { exitCode: 1 });
});
