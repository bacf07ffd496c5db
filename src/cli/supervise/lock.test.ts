import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { takeLock } from "./lock.ts";

test("a lock has one holder, whose pid it tells, and can be taken again when it is let go", (t) => {
  const dir = mkdtempSync(join(tmpdir(), "croft-lock-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const file = join(dir, "croft.pid");
  const first = takeLock(file);
  assert.ok(!("heldBy" in first));
  assert.deepEqual(takeLock(file), { heldBy: String(process.pid) });
  first[Symbol.dispose]();
  const again = takeLock(file);
  assert.ok(!("heldBy" in again));
  again[Symbol.dispose]();
});
