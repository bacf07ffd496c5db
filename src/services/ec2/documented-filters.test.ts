import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { test } from "node:test";
import type { Filter } from "@aws-sdk/client-ec2";
import { testRegion, type TestRegion } from "#testing/region.ts";
import type { Ec2Records } from "./records.ts";
import { ec2Operations } from "./operations.ts";

const documented = documentedFilters();
const operations = Object.keys(ec2Operations).filter((name) => documented.has(name));

test("every Describe knows each filter that AWS documents for it", { timeout: 60_000 }, async (t) => {
  const region = await testRegion(t);
  const unknown: string[] = [];
  for (const operation of operations)
    for (const Name of documented.get(operation) ?? [])
      await describe(region, operation, { Name, Values: ["x"] }).catch(({ message }: Error) =>
        unknown.push(`${operation}: ${message}`),
      );
  assert.ok(operations.length > 10, "the SDK's documentation is not read");
  assert.deepEqual(unknown, []);
});

test("no Describe takes a filter that is none", { timeout: 60_000 }, async (t) => {
  const region = await testRegion(t);
  for (const operation of operations)
    await assert.rejects(
      describe(region, operation, { Name: "colour", Values: ["x"] }),
      { name: "InvalidParameterValue", message: "The filter 'colour' is invalid" },
      operation,
    );
});

/** Beside its filters. */
const needed = (operation: string, records: Ec2Records): object => {
  if (operation === "DescribeLaunchTemplateVersions") return { Versions: ["$Latest"] };
  if (operation === "GetSubnetCidrReservations") return { SubnetId: records.all("subnet")[0]?.id };
  if (operation === "GetSecurityGroupsForVpc") return { VpcId: records.all("vpc")[0]?.id };
  return {};
};

async function describe({ client, records }: TestRegion, operation: string, filter: Filter): Promise<void> {
  const method = operation.replace(/^./, (letter) => letter.toLowerCase());
  const call = Reflect.get(client, method) as (input: object) => Promise<unknown>;
  await call.call(client, { ...needed(operation, records), Filters: [filter] });
}

/** By operation, from the SDK's own documentation: what the items of the outer list begin with. */
function documentedFilters(): Map<string, string[]> {
  const models = new URL("../../../node_modules/@aws-sdk/client-ec2/dist-types/models/", import.meta.url);
  const text = globSync("models_*.d.ts", { cwd: models })
    .map((file) => readFileSync(new URL(file, models), "utf8"))
    .join("\n");
  const filters = new Map<string, string[]>();
  for (const [, operation = "", members = ""] of text.matchAll(/interface (\w+)Request \{(.*?)\n\}/gs)) {
    const [, comment = ""] = /\/\*\*((?:(?!\*\/).)*)\*\/\s*Filters\?: Filter\[\]/s.exec(members) ?? [];
    const names = itemsOf(comment).filter((name) => name !== "tag" && name !== "tag-key");
    if (names.length > 0) filters.set(operation, names);
  }
  return filters;
}

function itemsOf(comment: string): string[] {
  let depth = 0;
  const names: string[] = [];
  for (const [token, name] of comment.matchAll(/<\/?ul>|<li>[\s*]*<p>[\s*]*<code>([\w.-]+)<\/code>/g)) {
    if (token === "<ul>") depth++;
    else if (token === "</ul>") depth--;
    else if (depth === 1 && name !== undefined) names.push(name);
  }
  return names;
}
