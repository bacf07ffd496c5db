import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { logFile } from "./log-file.ts";

const scene = (t: TestContext) => {
  const dir = mkdtempSync(join(tmpdir(), "croft-log-"));
  t.after(() => rmSync(dir, { recursive: true }));
  return dir;
};
const now = () => new Date(0);

test("each line has its time, and a log is not for everyone", (t) => {
  const file = join(scene(t), "croft.log");
  logFile(file, { now })("hello");
  assert.equal(readFileSync(file, "utf8"), "1970-01-01T00:00:00.000Z hello\n");
  assert.equal(statSync(file).mode & 0o777, 0o640);
});

test("reading a log commands no terminal, whoever's words are in it", (t) => {
  const file = join(scene(t), "croft.log");
  logFile(file, { now })("disk \u001B[2J\u009B31m");
  assert.equal(readFileSync(file, "utf8"), "1970-01-01T00:00:00.000Z disk \n");
});

test("a full log makes room: the newest lines stay, in so many files", (t) => {
  const dir = scene(t);
  const log = logFile(join(dir, "croft.log"), { maxBytes: 60, kept: 3, now });
  for (let line = 1; line <= 10; line++) log(`line ${line}`);
  assert.deepEqual(readdirSync(dir).toSorted(), ["croft.log", "croft.log.1", "croft.log.2"]);
  assert.match(readFileSync(join(dir, "croft.log"), "utf8"), /line 10\n$/);
  assert.doesNotMatch(readFileSync(join(dir, "croft.log.2"), "utf8"), /line 1\n/);
});

test("a log goes on where the last run left it", (t) => {
  const dir = scene(t);
  logFile(join(dir, "croft.log"), { maxBytes: 60, now })("the first run's line");
  logFile(join(dir, "croft.log"), { maxBytes: 60, now })("the second run's");
  assert.match(readFileSync(join(dir, "croft.log.1"), "utf8"), /first/);
  assert.match(readFileSync(join(dir, "croft.log"), "utf8"), /second/);
});

test("a disk that takes nothing stops nobody, and what was lost is counted", (t) => {
  const dir = scene(t);
  const file = join(dir, "croft.log");
  const log = logFile(file, { now });
  symlinkSync("/dev/full", file);
  for (let line = 1; line <= 3; line++) log(`line ${line}`);
  rmSync(file);
  log("after");
  assert.deepEqual(readFileSync(file, "utf8").trim().split("\n"), [
    "1970-01-01T00:00:00.000Z 3 lines before this were lost",
    "1970-01-01T00:00:00.000Z after",
  ]);
});

test("a log that someone has removed begins anew", (t) => {
  const file = join(scene(t), "croft.log");
  const log = logFile(file, { now });
  log("before");
  rmSync(file);
  log("after");
  assert.match(readFileSync(file, "utf8"), /^\S+ after\n$/);
  assert.equal(statSync(file).mode & 0o777, 0o640);
});
