import assert from "node:assert/strict";
import { test } from "node:test";
import { ignoresEndpointVariable } from "./aws-version.ts";

test("Debian 12's aws CLI ignores AWS_ENDPOINT_URL", () => {
  assert.equal(
    ignoresEndpointVariable("aws-cli/2.9.19 Python/3.11.2 Linux/6.1.0 source/x86_64.debian.12 prompt/off"),
    true,
  );
});

test("the first that know it are 1.29 and 2.13", () => {
  assert.equal(ignoresEndpointVariable("aws-cli/1.28.99 Python/3.11"), true);
  assert.equal(ignoresEndpointVariable("aws-cli/1.29.0 Python/3.11"), false);
  assert.equal(ignoresEndpointVariable("aws-cli/2.12.7 Python/3.11"), true);
  assert.equal(ignoresEndpointVariable("aws-cli/2.13.0 Python/3.11"), false);
});

test("nothing is said of a CLI that is not there, or of one to come", () => {
  assert.equal(ignoresEndpointVariable(""), false);
  assert.equal(ignoresEndpointVariable("aws-cli/3.0.0 Rust"), false);
});
