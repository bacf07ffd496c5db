import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { run } from "#drivers/linux/commands.ts";
import { ec2Operations } from "#services/ec2/operations.ts";
import { serviceQuotasOperations } from "#services/service-quotas/operations.ts";
import { ssmOperations } from "#services/ssm/operations.ts";
import { stsOperations } from "#services/sts/operations.ts";

export interface Boto3Region {
  /** "http://127.0.0.1:PORT" */
  readonly endpoint: string;
  /** What is exported for AWS's clients. */
  readonly environment: Readonly<Record<string, string>>;
  readonly imageId: string;
  /** What an instance's console says when it starts. */
  readonly consoleSays: string;
}

/** Runs `boto3-calls.py` by Debian's own boto3 and Python, and tells its tests as tests of the calling file. */
export const boto3Tests = async (region: Boto3Region): Promise<void> => {
  const { tests, called } = await callAll(region);

  for (const { name, error } of tests) test(name, () => assert.ok(error === undefined, error ?? ""));

  test("every operation that Croft serves was called with boto3", () => {
    const missed = served.filter((operation) => !called.includes(operation));
    assert.deepEqual(missed.toSorted(), Object.keys(notAnswered).toSorted());
  });
};

/** Operations that Debian's botocore (1.29.27) does not know, and why they cannot be called. */
const notAnswered: Readonly<Record<string, string>> = {};

const served = Object.entries({
  ec2: ec2Operations,
  "service-quotas": serviceQuotasOperations,
  ssm: ssmOperations,
  sts: stsOperations,
}).flatMap(([service, operations]) => Object.keys(operations).map((name) => `${service}:${name}`));

interface Calls {
  /** What it tested, and why that failed if it did. */
  readonly tests: readonly { readonly name: string; readonly error?: string }[];
  /** "SERVICE:OPERATION" of those that were answered. */
  readonly called: readonly string[];
}

const callAll = async ({ endpoint, environment, imageId, consoleSays }: Boto3Region): Promise<Calls> => {
  const variables = {
    ...environment,
    CROFT_ENDPOINT: endpoint,
    CROFT_IMAGE: imageId,
    CROFT_CONSOLE: consoleSays,
    AWS_CONFIG_FILE: "/dev/null",
    AWS_EC2_METADATA_DISABLED: "true",
  };
  const printed = await run(
    "env",
    [
      "-i",
      ...Object.entries(variables).map(([name, value]) => `${name}=${value}`),
      "/usr/bin/python3",
      join(import.meta.dirname, "boto3-calls.py"),
    ],
    { timeoutMs: 300_000 },
  );
  return JSON.parse(printed);
};
