import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { temporaryDirectory } from "#testing/temporary-directory.ts";
import { hostMemory } from "./host-memory.ts";

const meminfo = "MemTotal:       16777216 kB\nMemFree:         1048576 kB\nMemAvailable:    8388608 kB\n";
const host = async (t: TestContext, files: Record<string, string>) => {
  const root = await temporaryDirectory(t);
  for (const [path, text] of Object.entries({ "proc/meminfo": meminfo, ...files })) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  return hostMemory(root);
};

test("a host has what its kernel says, where nothing limits it", async (t) => {
  const whole = { totalMiB: 16_384, availableMiB: 8192 };
  assert.deepEqual(await host(t, {}), whole);
  assert.deepEqual(await host(t, { "sys/fs/cgroup/memory.max": "max\n" }), whole);
  const version1 = { "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n" };
  assert.deepEqual(await host(t, version1), whole);
});

test("a container has what its limit leaves, and what its page cache would give up", async (t) => {
  const mib = (count: number) => String(count * 2 ** 20);
  assert.deepEqual(
    await host(t, {
      "sys/fs/cgroup/memory.max": mib(4096),
      "sys/fs/cgroup/memory.current": mib(3000),
      "sys/fs/cgroup/memory.stat": `anon ${mib(1900)}\nactive_file ${mib(100)}\ninactive_file ${mib(900)}\n`,
    }),
    { totalMiB: 4096, availableMiB: 2096 },
  );
  assert.deepEqual(
    await host(t, {
      "sys/fs/cgroup/memory/memory.limit_in_bytes": mib(2048),
      "sys/fs/cgroup/memory/memory.usage_in_bytes": mib(2040),
      "sys/fs/cgroup/memory/memory.stat": `total_inactive_file ${mib(40)}\n`,
    }),
    { totalMiB: 2048, availableMiB: 48 },
  );
});

test("this machine has some", () => {
  const { totalMiB, availableMiB } = hostMemory();
  assert.ok(totalMiB > 0 && availableMiB <= totalMiB);
});
