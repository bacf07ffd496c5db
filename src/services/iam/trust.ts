import type { Policy } from "#policy/policy-document.ts";
import type { Accounts } from "./accounts.ts";
import { accountIn, arnOf } from "./holder.ts";
import type { RoleRecord } from "./records.ts";

/** By ARN, the ids that users and roles had when a document that names them was written. */
export type TrustedIds = Readonly<Record<string, string>>;

/**
 * The document that says who may assume the role, as it is in force: who was named in it is named as he is called now, and by his id
 * when he is gone, so that nobody who comes later by his name is meant. AWS, "AWS JSON policy elements: Principal".
 */
export const trustInForce = ({ trust, trusted }: RoleRecord, accounts: Pick<Accounts, "of">): string =>
  documentInForce(trust, trusted, accounts);

/** So for any document that names principals. */
export function documentInForce(
  document: string,
  trusted: TrustedIds,
  accounts: Pick<Accounts, "of">,
): string {
  let inForce = document;
  for (const [arn, id] of Object.entries(trusted)) {
    const now = calledNow(arn, id, accounts);
    if (now !== arn) inForce = inForce.replaceAll(JSON.stringify(arn), JSON.stringify(now));
  }
  return inForce;
}

/** The ARN of whoever had the ARN when he had the id; the id when he is gone. */
export function calledNow(arn: string, id: string, accounts: Pick<Accounts, "of">): string {
  const kind = id.startsWith("AROA") ? "iam-role" : "iam-user";
  const records = accounts.of(accountIn(arn));
  const record = records?.get(kind, id);
  return records && record ? arnOf(kind, record, records) : id;
}

/** Of all whom a policy names. Throws `bad` of one who is not there, where his account is one of the region's. */
export function trustedIds(
  { statements }: Policy,
  accounts: Pick<Accounts, "of">,
  bad: (principal: string) => Error,
): TrustedIds {
  const trusted = new Map<string, string>();
  for (const { principals } of statements) {
    if (!principals || principals.what === "everybody") continue;
    for (const name of principals.what.get("AWS") ?? []) {
      const id = idOfPrincipal(name, accounts, bad);
      if (id !== undefined) trusted.set(name, id);
    }
  }
  return Object.fromEntries(trusted);
}

/** Of a user or role; undefined: an account, a session, or a principal of an account that the region does not have. */
export function idOfPrincipal(
  principal: string,
  accounts: Pick<Accounts, "of">,
  bad: (principal: string) => Error,
): string | undefined {
  if (/^\d{12}$/.test(principal)) return undefined;
  const [, service, account = "", kind, path = "", name = ""] =
    /^arn:aws:(iam|sts)::(\d{12}):(user|role|assumed-role|federated-user|root)(?:\/(.+\/)?([\w+=,.@-]+))?$/.exec(
      principal,
    ) ?? [];
  if (service === undefined) throw bad(principal);
  const records = accounts.of(account);
  if (!records || (kind !== "user" && kind !== "role")) return undefined;
  const record = records.named(kind === "user" ? "iam-user" : "iam-role", name);
  if (record?.path !== `/${path}` || record.name !== name) throw bad(principal);
  return record.id;
}
