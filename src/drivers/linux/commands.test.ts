import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CommandFailed, run } from "./commands.ts";

describe("a command", () => {
  test("answers what it printed, its arguments and input untouched by any shell", async () => {
    assert.equal(await run("printf", ["%s|", "a b", "$HOME", "*"]), "a b|$HOME|*|");
    assert.equal(await run("cat", [], { input: "line\n" }), "line\n");
  });

  test("that fails says which, with what exit code, and what it complained of", async () => {
    await assert.rejects(run("sh", ["-c", "echo no >&2; exit 3"], { input: "unread" }), (error) => {
      assert.ok(error instanceof CommandFailed);
      assert.deepEqual([error.command[0], error.exitCode, error.stderr], ["sh", 3, "no\n"]);
      return true;
    });
    await assert.rejects(run("no-such-command", []), { exitCode: "ENOENT" });
  });

  test("that takes too long is killed", async () => {
    await assert.rejects(run("sleep", ["10"], { timeoutMs: 50 }), { exitCode: "SIGKILL" });
  });
});
