import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { exportLines } from "./export-lines.ts";

test("each variable is one export line", () => {
  assert.equal(
    exportLines({ AWS_REGION: "us-east-1", AWS_ENDPOINT_URL: "http://127.0.0.1:4566" }),
    "export AWS_REGION=us-east-1\nexport AWS_ENDPOINT_URL=http://127.0.0.1:4566\n",
  );
});

test("a shell that evaluates the lines gets the very values", () => {
  const value = 'a\'b $HOME `x` "c" \\';
  const printed = execFileSync("sh", ["-c", `${exportLines({ CROFT_TEST: value })}printf %s "$CROFT_TEST"`]);
  assert.equal(printed.toString(), value);
});
