import type { Accounts } from "./accounts.ts";
import { accountIn, arnOf } from "./holder.ts";
import type { RoleRecord } from "./records.ts";

/**
 * The document that says who may assume the role, as it is in force: who was named in it is named as he is called now, and by his id
 * when he is gone, so that nobody who comes later by his name is meant. AWS, "AWS JSON policy elements: Principal".
 */
export function trustInForce({ trust, trusted }: RoleRecord, accounts: Pick<Accounts, "of">): string {
  let document = trust;
  for (const [arn, id] of Object.entries(trusted)) {
    const kind = id.startsWith("AROA") ? "iam-role" : "iam-user";
    const records = accounts.of(accountIn(arn));
    const record = records?.get(kind, id);
    const now = records && record ? arnOf(kind, record, records) : id;
    if (now !== arn) document = document.replaceAll(JSON.stringify(arn), JSON.stringify(now));
  }
  return document;
}
