import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { temporaryDirectory } from "#testing/temporary-directory.ts";
import { commands } from "./commands.ts";
import { bashScript, completionWords, fishScript } from "./completion-scripts.ts";

let script = "";
before(async () => {
  script = bashScript(await completionWords(commands));
});

/** What bash offers for the last of the words. `croft` is the command that would be asked for instances. */
const offered = (words: readonly string[], croft = "croft"): string[] => {
  const typed = [croft, ...words];
  const ask = `${script}
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _croft; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = spawnSync("bash", ["--norc", "-c", ask, "bash", ...typed], { encoding: "utf8" });
  assert.equal(stderr, "");
  return stdout.split("\n").filter((line) => line !== "");
};

test("bash completes the words of croft, and those of a word", () => {
  assert.deepEqual(offered(["sta"]), ["start", "status"]);
  assert.deepEqual(offered([""]), Object.keys(commands));
  assert.deepEqual(offered(["image", "i"]), ["import"]);
});

test("bash completes the options that a command has, and no other's", () => {
  assert.deepEqual(offered(["start", "--ov"]), ["--overcommit-memory"]);
  assert.deepEqual(offered(["image", "import", "--b"]), ["--boot-mode"]);
  assert.deepEqual(offered(["status", "--port"]), []);
});

test("bash leaves an option's value to its files", () => {
  assert.deepEqual(offered(["status", "--data-dir", ""]), []);
});

test("bash completes the instances of the region that is meant, after ssh's own options too", async (t) => {
  const croft = join(await temporaryDirectory(t), "croft");
  writeFileSync(
    croft,
    '#!/bin/sh\ntest "$*" = "completion instances --data-dir /r" && echo i-0aa i-0bb i-1\n',
  );
  chmodSync(croft, 0o755);
  assert.deepEqual(offered(["ssh", "--data-dir", "/r", "-i", "key.pem", "i-0"], croft), ["i-0aa", "i-0bb"]);
  assert.deepEqual(offered(["logs", "--data-dir", "/r", "i-1"], croft), ["i-1"]);
  assert.deepEqual(offered(["down", "--data-dir", "/r", "i-"], croft), []);
});

test("fish is told every word and option once", async () => {
  const lines = fishScript(await completionWords(commands))
    .trimEnd()
    .split("\n");
  assert.equal(new Set(lines).size, lines.length);
  assert.ok(
    lines.includes(`complete -c croft -n '__fish_seen_subcommand_from start' -l public-pool -r`),
    lines.join("\n"),
  );
});
