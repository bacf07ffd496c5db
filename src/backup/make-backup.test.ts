import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { EncryptedBytes, makeBackup } from "./make-backup.ts";

test("a backup with volumes is refused before anything is written while one is encrypted", async (t) => {
  const into = mkdtempSync(join(tmpdir(), "croft-backup-"));
  t.after(() => rmSync(into, { recursive: true }));
  const value = { id: "vol-1", encryption: { keyArn: "arn", dataKey: "sealed" } };
  const entries = [{ key: "volume/111122223333/eu-central-1/vol-1", value, revision: 1 }];
  const backup = makeBackup(into, {
    dataDir: into,
    store: { list: async () => ({ revision: 1, entries }) },
    version: "0",
    now: new Date(),
    volumes: true,
    progress: () => {},
    signal: AbortSignal.timeout(10_000),
  });
  await assert.rejects(backup, EncryptedBytes);
  assert.deepEqual(readdirSync(into), []);
});
