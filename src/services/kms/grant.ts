import type { EncryptionContext, GrantRecord } from "./records.ts";

/** A use of a key that a grant may allow. */
export interface GrantedUse {
  /** "Decrypt" */
  readonly operation: string;
  readonly encryptionContext?: EncryptionContext | undefined;
  /** Of a grant that is about to be made by a grant: it gives no more than that one has. */
  readonly grant?: Pick<GrantRecord, "operations" | "subset" | "equals"> | undefined;
}

/** Whether the grant allows its grantee the use. AWS, "Grants in AWS KMS: grant constraints". */
export function grantAllows(
  grant: Pick<GrantRecord, "operations" | "subset" | "equals">,
  { operation, encryptionContext = {}, grant: made }: GrantedUse,
): boolean {
  if (!grant.operations.includes(operation)) return false;
  if (made) return made.operations.every((it) => grant.operations.includes(it)) && isAsStrict(made, grant);
  if (!constrained.has(operation)) return true;
  const { subset, equals } = grant;
  if (subset && !holds(encryptionContext, subset)) return false;
  return !equals || (holds(encryptionContext, equals) && holds(equals, encryptionContext));
}

/** Operations that have no encryption context are not bound by one. */
const constrained: ReadonlySet<string> = new Set([
  "Decrypt",
  "Encrypt",
  "GenerateDataKey",
  "GenerateDataKeyWithoutPlaintext",
  "GenerateDataKeyPair",
  "GenerateDataKeyPairWithoutPlaintext",
  "ReEncryptFrom",
  "ReEncryptTo",
]);

type Constraints = Pick<GrantRecord, "subset" | "equals">;

function isAsStrict(made: Constraints, by: Constraints): boolean {
  if (by.equals)
    return made.equals !== undefined && holds(made.equals, by.equals) && holds(by.equals, made.equals);
  if (!by.subset) return true;
  return holds(made.equals ?? made.subset ?? {}, by.subset);
}

/** Whether all pairs of `part` are in `whole`. */
const holds = (whole: EncryptionContext, part: EncryptionContext): boolean =>
  Object.entries(part).every(([key, value]) => whole[key] === value);
