import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { openControlGroups } from "./control-groups.ts";

const scratch = mkdtempSync(join(tmpdir(), "croft-groups-"));
after(() => rmSync(scratch, { recursive: true }));

/** An ordinary directory that looks like the mount point of control groups; only the kernel's part is missing. */
const mountOf = (name: string, ...files: string[]): string => {
  const mount = join(scratch, name);
  for (const file of files) {
    mkdirSync(join(mount, file, ".."), { recursive: true });
    writeFileSync(join(mount, file), "");
  }
  return mount;
};
const unexpected = (message: string) => assert.fail(message);
const limits = { memoryBytes: 1000, threads: 7 };

describe("a machine's control group", () => {
  test("limits memory and threads, by version 2 where the host has it", async () => {
    const mount = mountOf("v2", "cgroup.controllers", "croft-t/cgroup.subtree_control");
    const groups = await openControlGroups("croft-t", unexpected, mount);
    await groups.enter("i-1", 42, limits);
    const read = (file: string) => readFileSync(join(mount, file), "utf8");
    assert.equal(read("cgroup.subtree_control"), "+memory +pids +cpu");
    assert.equal(read("croft-t/cgroup.subtree_control"), "+memory +pids +cpu");
    assert.equal(read("croft-t/i-1/memory.max"), "1000");
    assert.equal(read("croft-t/i-1/pids.max"), "7");
    assert.equal(read("croft-t/i-1/cgroup.procs"), "42");
    await groups.limitProcessors("i-1", 0.2);
    assert.equal(read("croft-t/i-1/cpu.max"), "20000 100000");
    await groups.limitProcessors("i-1", undefined);
    assert.equal(read("croft-t/i-1/cpu.max"), "max 100000");
  });

  test("limits them by the two hierarchies of version 1 elsewhere", async () => {
    const mount = mountOf("v1", "memory/tasks", "pids/tasks", "cpu/tasks");
    const groups = await openControlGroups("croft-t", unexpected, mount);
    await groups.enter("i-1", 42, limits);
    const read = (file: string) => readFileSync(join(mount, file), "utf8");
    assert.equal(read("memory/croft-t/i-1/memory.limit_in_bytes"), "1000");
    assert.equal(read("memory/croft-t/i-1/cgroup.procs"), "42");
    assert.equal(read("pids/croft-t/i-1/pids.max"), "7");
    assert.equal(read("pids/croft-t/i-1/cgroup.procs"), "42");
    await groups.limitProcessors("i-1", 0.005);
    assert.equal(read("cpu/croft-t/i-1/cpu.cfs_period_us"), "100000");
    assert.equal(read("cpu/croft-t/i-1/cpu.cfs_quota_us"), "1000");
    await groups.limitProcessors("i-1", undefined);
    assert.equal(read("cpu/croft-t/i-1/cpu.cfs_quota_us"), "-1");
  });

  test("is done without, and that is said once, where the host lets nobody make groups", async () => {
    const mount = mountOf("none", "file");
    const said: string[] = [];
    const groups = await openControlGroups("croft-t", (message) => said.push(message), mount);
    await groups.enter("i-1", 42, limits);
    await groups.remove("i-1");
    assert.equal(said.length, 3);
    assert.match(said.join(), /not limited .*memory.*not limited .*pids.*not limited .*cpu/s);
    assert.deepEqual(readdirSync(mount), ["file"]);
  });

  test("leaves nothing of its region's when it was the last", async () => {
    const mount = mountOf("last", "memory/tasks", "pids/tasks", "cpu/tasks");
    const groups = await openControlGroups("croft-t", unexpected, mount);
    for (const id of ["i-1", "i-2"]) mkdirSync(join(mount, "memory/croft-t", id), { recursive: true });
    await groups.remove("i-1");
    assert.deepEqual(readdirSync(join(mount, "memory/croft-t")), ["i-2"]);
    await groups.remove("i-2");
    assert.deepEqual(readdirSync(join(mount, "memory")), ["tasks"]);
    await groups.remove("i-2");
  });
});
