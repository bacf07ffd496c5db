import { readFileSync } from "node:fs";
import { join } from "node:path";
import { checkout } from "#checkout.ts";
import type { AuthorisedCall } from "#api/authorisation.ts";

/** By service and operation: the types of resource it must be allowed on, and the patterns of their ARNs. */
export type ReferenceTable = Readonly<
  Record<string, Readonly<Record<string, Readonly<Record<string, string>>>>>
>;

/** The types that AWS's reference requires of the operation and its plan does not name, by an ARN that stands for any of them. */
export function unnamedTypes({ service, operation, region, caller, plan }: AuthorisedCall): string[] {
  const required = Object.entries(reference[service]?.[operation] ?? {});
  if (required.length === 0) return [];
  const named = (plan?.touches ?? []).filter(({ action }) => action === undefined);
  return required
    .filter(([type]) => !named.some(({ arn }) => typeOf(arn) === type))
    .map(([, arn]) =>
      arn
        .replace("${Partition}", "aws")
        .replace("${Region}", region)
        .replace("${Account}", caller.accountId)
        .replaceAll(/\$\{\w+\}/g, "*"),
    );
}

/** Whether AWS's reference knows the operation. */
export const isInReference = (service: string, operation: string): boolean =>
  reference[service]?.[operation] !== undefined;

/** "instance" of "arn:aws:ec2:eu-west-1:111122223333:instance/i-1". */
export const typeOf = (arn: string): string => arn.split(":", 6)[5]?.split("/", 1)[0] ?? "";

const reference: ReferenceTable = JSON.parse(
  readFileSync(join(checkout, "src/services/iam/reference.generated.json"), "utf8"),
);
