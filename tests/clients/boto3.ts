import assert from "node:assert/strict";
import { join } from "node:path";
import { after, test } from "node:test";
import { run } from "#drivers/linux/commands.ts";
import { startIssuer, type TestIssuer } from "#testing/issuer.ts";
import { makeSamlProvider, type TestSamlProvider } from "#testing/saml-provider.ts";
import { followCoverage, isServed } from "./coverage.ts";
import type { FakeRegion } from "./fake-region.ts";

export interface Boto3Region extends FakeRegion {
  /** What an instance's console says when it starts. */
  readonly consoleSays: string;
  /** Of disks that it may import, the second of which is not done at once. */
  readonly diskUrls: readonly [string, string];
}

/** Runs `boto3-calls.py` by Debian's own boto3 and Python, and tells its tests as tests of the calling file. */
export const boto3Tests = async (region: Boto3Region): Promise<void> => {
  const everythingWasUsed = await followCoverage(region.endpoint);
  const { tests, offered, used, operations } = await callAll(
    region,
    await startIssuer({ after }),
    await makeSamlProvider({ after }),
  );
  for (const { name, error } of tests) test(name, () => assert.ok(error === undefined, error ?? ""));
  const forServed = Object.entries(offered).filter(([, operation]) => isServed(...operation));
  everythingWasUsed("boto3", () => ({
    offered: forServed.map(([name]) => name),
    used,
    operations: new Set(operations),
  }));
};

interface Calls {
  /** What it tested, and why that failed if it did. */
  readonly tests: readonly { readonly name: string; readonly error?: string }[];
  /** boto3's paginators and waiters, with what they call. */
  readonly offered: Readonly<Record<string, readonly [service: string, operation: string]>>;
  readonly used: readonly string[];
  /** All that it can call. */
  readonly operations: readonly string[];
}

const samlRole = {
  role: "arn:aws:iam::000000000000:role/federated",
  provider: "arn:aws:iam::000000000000:saml-provider/corp",
};

const callAll = async (
  { endpoint, environment, imageId, consoleSays, diskUrls }: Boto3Region,
  issuer: TestIssuer,
  idp: TestSamlProvider,
): Promise<Calls> => {
  const variables = {
    ...environment,
    CROFT_ENDPOINT: endpoint,
    CROFT_IMAGE: imageId,
    CROFT_CONSOLE: consoleSays,
    CROFT_DISKS: diskUrls.join(" "),
    CROFT_SAML: `${idp.metadataFile} ${idp.assertion(samlRole)}`,
    CROFT_ISSUER: `${issuer.url} ${issuer.thumbprint} ${await issuer.token()}`,
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
    { timeoutMs: 900_000 },
  );
  return JSON.parse(printed);
};
