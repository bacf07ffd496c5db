import assert from "node:assert/strict";
import { test } from "node:test";
import { progress, say } from "./terminal.ts";

test("nothing that is said commands the terminal", (t) => {
  const write = t.mock.method(process.stderr, "write", () => true);
  say("a\u001B[2Jb\u009B1mc\rd\u0007\u007F,\tä\nnext");
  const [text] = write.mock.calls[0]?.arguments ?? [];
  write.mock.restore();
  assert.equal(text, "croft: abcd,\tä\nnext\n");
});

const paper = (isTTY: boolean) => {
  const written: string[] = [];
  return { isTTY, columns: 60, written, write: (text: string) => written.push(text) };
};

test("no step of a command commands the terminal", () => {
  for (const output of [paper(true), paper(false)]) {
    progress("baking", output).show(0, "\u009B1mdisk");
    assert.match(output.written[0] ?? "", / 0 % disk\n?$/);
  }
});

test("without a terminal progress is plain lines, and few of them", () => {
  const output = paper(false);
  const shown = progress("baking", output);
  for (let percent = 0; percent <= 100; percent++)
    shown.show(percent / 100, percent < 50 ? "packages" : "disk");
  shown.end();
  assert.equal(output.written.length, 11);
  assert.equal(output.written[0], "croft: baking:   0 % packages\n");
  assert.equal(output.written.at(-1), "croft: baking: 100 % disk\n");
});

test("on a terminal one line is drawn again and again, no wider than the terminal", () => {
  const output = paper(true);
  const shown = progress("baking", output);
  shown.show(0.5, "packages that have a very long name indeed, and more");
  shown.end();
  const [line = "", end] = output.written;
  assert.ok(line.startsWith("\r\u001B[Kbaking [###############---------------]  50 %"));
  assert.ok(line.length < 60 + "\r\u001B[K".length);
  assert.equal(end, "\n");
});
