import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, test } from "node:test";
import { exclusively } from "./exclusively.ts";

const signal = AbortSignal.timeout(20_000);
const name = `croft-test:${process.pid}`;

describe("exclusive work", () => {
  test("is done by one at a time, and the others are told that they wait", async () => {
    const log: string[] = [];
    const waiting = () => log.push("waiting");
    const work = (who: string) =>
      exclusively(name, { waiting, signal }, async () => {
        log.push(`${who} begins`);
        await new Promise((resolve) => setTimeout(resolve, 50));
        log.push(`${who} ends`);
        return who;
      });
    assert.deepEqual(await Promise.all([work("first"), work("second")]), ["first", "second"]);
    assert.deepEqual(log, ["first begins", "waiting", "first ends", "second begins", "second ends"]);
  });

  test("of one kind does not wait for another", async () => {
    const inner = () => exclusively(`${name}:b`, { waiting: assert.fail, signal }, async () => "both");
    assert.equal(await exclusively(`${name}:a`, { waiting: assert.fail, signal }, inner), "both");
  });

  test("that fails, or whose process is killed, lets the next one begin", async () => {
    await assert.rejects(
      exclusively(name, { waiting: assert.fail, signal }, () => Promise.reject(new Error("no"))),
    );
    const module = JSON.stringify(new URL("exclusively.ts", import.meta.url));
    const script = `import { exclusively } from ${module};
      const options = { waiting() {}, signal: new AbortController().signal };
      await exclusively(${JSON.stringify(name)}, options, () => new Promise(() => { console.log("held"); setInterval(() => {}, 1e6); }));`;
    const other = spawn(process.execPath, ["--input-type=module-typescript", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(other.stdout, "data");
    let waited = false;
    const waiting = () => {
      waited = true;
      other.kill("SIGKILL");
    };
    assert.equal(await exclusively(name, { waiting, signal }, async () => "next"), "next");
    assert.ok(waited);
  });

  test("need not be waited for any longer", async () => {
    const patience = new AbortController();
    const waiting = () => patience.abort(new Error("enough"));
    const second = () => exclusively(name, { waiting, signal: patience.signal }, async () => "never");
    await assert.rejects(exclusively(name, { waiting: assert.fail, signal }, second), /enough/);
  });
});
