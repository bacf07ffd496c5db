import assert from "node:assert/strict";
import { appendFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryDirectory } from "#testing/temporary-directory.ts";
import { added, consoleLog } from "./console-log.ts";
import { programLogs } from "./program-logs.ts";

test("the programs' logs are one, in the order of time, and go on where they were left", async (t) => {
  const dir = await temporaryDirectory(t);
  const [croft, host] = ["croft", "croft-host"].map((name) => join(dir, `${name}.log`)) as [string, string];
  writeFileSync(
    croft,
    "2026-01-01T00:00:01.000Z first\n2026-01-01T00:00:03.000Z third\n2026-01-01T00:00:04.000Z not yet",
  );
  writeFileSync(host, "2026-01-01T00:00:02.000Z second \x1b[31mred\n");
  const log = programLogs(dir);
  assert.deepEqual(await log.next(), [
    "2026-01-01T00:00:01.000Z croft       first",
    "2026-01-01T00:00:02.000Z croft-host  second red",
    "2026-01-01T00:00:03.000Z croft       third",
  ]);
  assert.deepEqual(await log.next(), []);

  appendFileSync(croft, " whole\n");
  assert.deepEqual(await log.next(), ["2026-01-01T00:00:04.000Z croft       not yet whole"]);
  // Full: the supervisor puts a new file in its place.
  renameSync(host, `${host}.1`);
  writeFileSync(host, "2026-01-01T00:00:05.000Z anew\n");
  assert.deepEqual(await log.next(), ["2026-01-01T00:00:05.000Z croft-host  anew"]);
});

test("a console goes on where it was left, also when its start was dropped since", async () => {
  const long = "x".repeat(5000);
  const printed = ["boot\r\n", `boot\r\n${long}`, `t\r\n${long}\r\nGr\u00fc\u00dfe\r\nlogin: `];
  const answers = printed.map((text) => `<output>${Buffer.from(text).toString("base64")}</output>`);
  const log = consoleLog("/r", "i-1", async (_dataDir, action, parameters) => {
    assert.deepEqual([action, parameters], ["GetConsoleOutput", { InstanceId: "i-1" }]);
    return answers.shift() ?? assert.fail("asked too often");
  });
  assert.deepEqual(await log.next(), ["boot"]);
  assert.deepEqual(await log.next(), []);
  assert.deepEqual(await log.next(), [long, "Gr\u00fc\u00dfe"]);
});

test("what a console was at first is shown with its unfinished line", async () => {
  const output = Buffer.from("Debian\r\n\r\nlogin: ").toString("base64");
  const log = consoleLog("/r", "i-1", async () => `<output>${output}</output>`);
  assert.deepEqual(await log.next(), ["Debian", "", "login: "]);
  assert.deepEqual(await log.next(), []);
});

test("of a console none of whose lines is known any more, all is new", () => {
  assert.equal(added(Buffer.from("old"), Buffer.from("other")).toString(), "other");
});
