import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { appendConsole, readConsole } from "./console-log.ts";

const directory = mkdtempSync(join(tmpdir(), "croft-console-"));
after(() => rmSync(directory, { recursive: true }));

test("a console's last 64 KiB are kept, however much was printed, and its files stay small", async () => {
  assert.equal((await readConsole(directory)).length, 0);
  let printed = "";
  for (let line = 0; line < 20_000; line++) printed += `line ${line}\r\n`;
  for (let at = 0; at < printed.length; at += 10_000)
    await appendConsole(directory, Buffer.from(printed.slice(at, at + 10_000)));
  assert.equal((await readConsole(directory)).toString(), printed.slice(-64 * 1024));
  const sizes = readdirSync(directory).map((name) => statSync(join(directory, name)).size);
  assert.ok(Math.max(...sizes) < 64 * 1024 + 10_000 && sizes.length === 2, String(sizes));
});
