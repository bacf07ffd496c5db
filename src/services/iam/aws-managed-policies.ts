import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { checkout } from "#checkout.ts";
import { newUniqueId } from "./names.ts";
import type { PolicyRecord } from "./records.ts";

/** One of the generated file: the version that is AWS's default, and when it and the policy were made. */
export interface AwsManagedPolicy {
  readonly arn: string;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly version: string;
  readonly document: object;
}

function recordOf({ arn, createdAt, updatedAt, version, document }: AwsManagedPolicy): PolicyRecord {
  const [, path = "/", name = ""] = /policy(\/.*\/|\/)([^/]+)$/.exec(arn) ?? [];
  return {
    id: uniqueId(arn),
    name,
    path,
    createdAt,
    updatedAt,
    tags: {},
    versions: [{ id: version, document: JSON.stringify(document, null, 2), createdAt: updatedAt }],
    defaultVersion: version,
    versionsMade: Number(version.slice(1)),
  };
}

/** In AWS's form; what AWS's own ids are is published nowhere. */
function uniqueId(arn: string): string {
  const bytes = createHash("sha256").update(arn).digest().values();
  return newUniqueId("ANPA", (below) => (bytes.next().value ?? 0) % below);
}

const all: readonly AwsManagedPolicy[] = JSON.parse(
  readFileSync(join(checkout, "src/services/iam/aws-managed-policies.generated.json"), "utf8"),
);

/** By ARN: AWS's own policies, those that people attach to what Croft has. The list is in `tools/generate-managed-policies.ts`. */
export const awsManagedPolicies: ReadonlyMap<string, PolicyRecord> = new Map(
  all.map((it) => [it.arn, recordOf(it)]),
);
