import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { Readable } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import { test } from "node:test";
import { auditTrail } from "./audit.ts";
import { ApiError } from "./error.ts";
import { rootCaller } from "./caller.ts";

const options = { accountId: "111122223333", now: () => new Date(0) };
const call = (requestId: string) => ({
  requestId,
  source: "127.0.0.1",
  at: new Date(0),
  latencyMs: 1,
  signedIn: {
    accessKeyId: "AKIATEST",
    region: "us-east-1",
    service: "ec2",
    caller: rootCaller("111122223333", "AKIATEST"),
  },
});

test("a call is not held up by its line, and calls of one moment are written together", async () => {
  const written: string[] = [];
  const audit = auditTrail(options, (lines) => written.push(lines) > 0);
  audit(call("one"));
  audit(call("two"));
  assert.deepEqual(written, []);
  await turn();
  assert.equal(written.length, 1);
  assert.deepEqual(idsOf(written), ["one", "two"]);
});

test("lines that nobody could take are counted, and the count is written", async () => {
  const written: string[] = [];
  let full = true;
  const audit = auditTrail(options, (lines) => !full && written.push(lines) > 0);
  for (const id of ["one", "two"]) {
    audit(call(id));
    await turn();
  }
  full = false;
  for (const id of ["three", "four"]) {
    audit(call(id));
    await turn();
  }
  const lines = linesOf(written);
  assert.deepEqual(lines[0], { time: "1970-01-01T00:00:00.000Z", lost: 2 });
  assert.deepEqual(idsOf(written), [undefined, "three", "four"]);
});

test("whoever has no key cannot fill the file: ten calls a second are noted, and how many more there were", async () => {
  let seconds = 0;
  const written: string[] = [];
  const audit = auditTrail(
    { ...options, now: () => new Date(seconds * 1000) },
    (lines) => written.push(lines) > 0,
  );
  const flood = (name: string) => {
    const { signedIn: _, ...unsigned } = call(name);
    for (let n = 0; n < 1000; n++) audit({ ...unsigned, error: new ApiError("AuthFailure", "no") });
  };
  flood("first");
  audit(call("mine"));
  await turn();
  assert.deepEqual(linesOf(written)[0], { time: "1970-01-01T00:00:00.000Z", unnoted: 990 });
  assert.deepEqual(idsOf(written).slice(1), [...Array.from({ length: 10 }, () => "first"), "mine"]);
  seconds = 1;
  flood("second");
  await turn();
  assert.equal(idsOf(written).filter((id) => id === "second").length, 10);
});

test("what a program noted before its end arrives at the other end of the pipe", async () => {
  const program = `
    import { auditPipe } from ${JSON.stringify(new URL("audit.ts", import.meta.url).href)};
    const audit = auditPipe(3);
    audit.sink("x".repeat(1_000_000) + "\\n");
    await audit.close();
    await audit.close();
    process.exit(0);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "inherit", "inherit", "pipe"],
  });
  const pipe = child.stdio[3];
  assert.ok(pipe instanceof Readable);
  assert.equal((await text(pipe)).length, 1_000_001);
});

const linesOf = (written: readonly string[]): Record<string, unknown>[] =>
  written
    .join("")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
const idsOf = (written: readonly string[]) => linesOf(written).map(({ requestId }) => requestId);
