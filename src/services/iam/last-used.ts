import type { AnsweredCall } from "#api/answered-call.ts";
import { isSomebody } from "#api/caller.ts";
import type { Store, Transaction } from "#store/store.ts";
import type { Accounts } from "./accounts.ts";
import type { AccessKeyUseRecord, RoleUseRecord } from "./records.ts";

/** Notes when users' and roots' keys signed, and sessions of roles, once a minute each, so that calls that only read do not each write. */
export function notedUse(
  accounts: Accounts,
  store: Pick<Store, "commit">,
  log: (line: string) => void,
): (call: Pick<AnsweredCall, "signedIn" | "at">) => void {
  const noted = new Map<string, number>();
  return ({ signedIn, at }) => {
    if (!signedIn) return;
    const id = whoseUse(signedIn);
    if (id === undefined) return;
    const minute = Math.trunc(at.getTime() / 60_000);
    if (noted.get(id) === minute) return;
    noted.set(id, minute);
    store
      .commit(use(id, signedIn, new Date(minute * 60_000).toISOString(), accounts))
      // Whoever deleted the key or role was first; and a full disk only leaves an earlier time standing.
      .catch((error: unknown) => log(`the use of ${id} was not noted: ${String(error)}`));
  };
}

type SignedIn = NonNullable<AnsweredCall["signedIn"]>;

/** The id of a key, or of the role that a session is of. */
function whoseUse({ caller, accessKeyId }: SignedIn): string | undefined {
  if (!isSomebody(caller)) return undefined;
  if (caller.session) return caller.session.kind === "role" ? caller.principalId : undefined;
  return accessKeyId;
}

function use(id: string, { caller, service, region }: SignedIn, at: string, accounts: Accounts): Transaction {
  const records = accounts.ofCaller(caller);
  if (caller.session) {
    const value: RoleUseRecord = { id, at, region };
    return {
      expect: [{ exists: records.key("iam-role", id) }],
      put: [{ key: records.key("iam-role-use", id), value }],
    };
  }
  const value: AccessKeyUseRecord = { id, at, service, region };
  return {
    // A root's key has no record of IAM's.
    expect: caller.type === "User" ? [{ exists: records.key("iam-access-key", id) }] : [],
    put: [{ key: records.key("iam-access-key-use", id), value }],
  };
}
