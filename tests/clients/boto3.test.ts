import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { run } from "#drivers/linux/commands.ts";
import { ec2Operations } from "#services/ec2/operations.ts";
import { stsOperations } from "#services/sts/operations.ts";
import { realRegion } from "../real-region.ts";

/** The tests of `boto3-calls.py`, told here; Debian's own boto3 and Python run them. */
interface Told {
  readonly name: string;
  /** Why it failed. */
  readonly error?: string;
}

const region = await realRegion();
const environment = {
  ...region.environment,
  CROFT_ENDPOINT: region.endpoint,
  CROFT_IMAGE: region.imageId,
  AWS_CONFIG_FILE: "/dev/null",
  AWS_EC2_METADATA_DISABLED: "true",
};
const printed = await run(
  "env",
  [
    "-i",
    ...Object.entries(environment).map(([name, value]) => `${name}=${value}`),
    "/usr/bin/python3",
    join(import.meta.dirname, "boto3-calls.py"),
  ],
  { timeoutMs: 300_000 },
);
const { tests, called }: { tests: readonly Told[]; called: readonly string[] } = JSON.parse(printed);

for (const { name, error } of tests) test(name, () => assert.ok(error === undefined, error ?? ""));

test("every operation that Croft serves was called with boto3", () => {
  const served = [...Object.keys(ec2Operations), ...Object.keys(stsOperations)];
  assert.deepEqual(
    served.filter((operation) => !called.includes(operation)),
    [],
  );
});
