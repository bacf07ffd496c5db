import { ApiError } from "#api/error.ts";
import type { IamContext } from "./context.ts";
import type { PasswordPolicyRecord } from "./records.ts";

const characters = /^[\t\n\r\x20-\xff]+$/;
const kinds = {
  lowercase: /[a-z]/,
  uppercase: /[A-Z]/,
  numbers: /[0-9]/,
  symbols: /[!@#$%^&*()_+\-=[\]{}|']/,
} as const;
/** Where the account has no policy of its own. AWS, "Set an account password policy for IAM users". */
const byDefault = { shortest: 8, kinds: 3 } as const;

export const passwordPolicy = ({ records }: Pick<IamContext, "records">): PasswordPolicyRecord | undefined =>
  records.get("iam-password-policy", "policy");

/** Throws PasswordPolicyViolation. */
export function checkPassword(password: string, context: IamContext): void {
  const policy = passwordPolicy(context);
  if (!characters.test(password) || !(policy ? isAsAsked(password, policy) : isGood(password, context)))
    throw passwordPolicyViolation("Password does not conform to the account password policy.");
}

export const passwordPolicyViolation = (message: string) => new ApiError("PasswordPolicyViolation", message);

const isAsAsked = (password: string, { shortest, required }: PasswordPolicyRecord): boolean =>
  password.length >= shortest && required.every((kind) => kinds[kind].test(password));

function isGood(password: string, { accounts, accountId, records }: IamContext): boolean {
  const names = [accounts.record(accountId)?.name, records.get("iam-alias", "alias")?.alias, accountId];
  return (
    password.length >= byDefault.shortest &&
    Object.values(kinds).filter((it) => it.test(password)).length >= byDefault.kinds &&
    !names.includes(password)
  );
}
