import type { IamContext } from "./context.ts";
import { arnOf, rootKeyOf } from "./holder.ts";
import { passwordPolicy } from "./password-policy.ts";
import type { UserRecord } from "./records.ts";

/**
 * All users with the state of what they sign in with, the root first: CSV, in AWS's columns and words. AWS, "Generate credential reports for your
 * AWS account". Nobody signs in by a password yet, and there are no signing certificates.
 */
export function credentialReport(context: IamContext): string {
  const users = context.records.all("iam-user").toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return [columns, rootRow(context), ...users.map((it) => userRow(it, context))]
    .map((row) => row.join(","))
    .join("\n");
}

const keyColumns = (n: number) =>
  ["active", "last_rotated", "last_used_date", "last_used_region", "last_used_service"].map(
    (it) => `access_key_${n}_${it}`,
  );
const certificateColumns = (n: number) => [`cert_${n}_active`, `cert_${n}_last_rotated`];

const columns = [
  "user",
  "arn",
  "user_creation_time",
  "password_enabled",
  "password_last_used",
  "password_last_changed",
  "password_next_rotation",
  "mfa_active",
  ...keyColumns(1),
  ...keyColumns(2),
  ...certificateColumns(1),
  ...certificateColumns(2),
];
const none = "N/A";
const noKey = ["false", none, none, none, none];
const noCertificates = ["false", none, "false", none];

function rootRow(context: IamContext): string[] {
  const key = rootKeyOf(context);
  return [
    "<root_account>",
    `arn:aws:iam::${context.accountId}:root`,
    time(key.createdAt),
    "not_supported",
    "no_information",
    "not_supported",
    "not_supported",
    "false",
    ...keyCells({ ...key, status: "Active" }, context),
    ...noKey,
    ...noCertificates,
  ];
}

function userRow(user: UserRecord, context: IamContext): string[] {
  const { records } = context;
  const keys = records
    .usersOf(user.id, "key")
    .flatMap((id) => records.get("iam-access-key", id) ?? [])
    .toSorted((a, b) => (a.createdAt < b.createdAt ? -1 : 1));
  const [first, second] = keys.map((it) => keyCells(it, context));
  return [
    user.name,
    arnOf("iam-user", user, context),
    time(user.createdAt),
    ...passwordCells(user, context),
    String(records.usersOf(user.id, "mfa").length > 0),
    ...(first ?? noKey),
    ...(second ?? noKey),
    ...noCertificates,
  ];
}

function passwordCells(user: UserRecord, context: IamContext): string[] {
  const profile = context.records.get("iam-login-profile", user.id);
  if (!profile) return ["false", none, none, none];
  const days = passwordPolicy(context)?.maxAgeDays;
  const next = new Date(profile.changedAt).getTime() + (days ?? 0) * 86_400_000;
  return [
    "true",
    "no_information",
    time(profile.changedAt),
    days === undefined ? none : time(new Date(next).toISOString()),
  ];
}

function keyCells(
  key: { readonly id: string; readonly status: string; readonly createdAt: string },
  { records }: IamContext,
): string[] {
  const use = records.get("iam-access-key-use", key.id);
  return [
    String(key.status === "Active"),
    time(key.createdAt),
    use ? time(use.at) : none,
    use?.region ?? none,
    use?.service ?? none,
  ];
}

/** "2015-06-24T12:45:00+00:00" */
const time = (iso: string) => iso.replace(/(\.\d+)?Z$/, "+00:00");
