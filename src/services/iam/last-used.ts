import type { AnsweredCall } from "#api/answered-call.ts";
import type { Store } from "#store/store.ts";
import type { Accounts } from "./accounts.ts";
import type { AccessKeyUseRecord } from "./records.ts";

/** Notes when users' keys signed, once a minute each, so that calls that only read do not each write. */
export function notedUse(
  accounts: Accounts,
  store: Pick<Store, "commit">,
  log: (line: string) => void,
): (call: Pick<AnsweredCall, "signedIn" | "at">) => void {
  const noted = new Map<string, number>();
  return ({ signedIn, at }) => {
    if (signedIn?.caller.type !== "User" || signedIn.caller.session) return;
    const { accessKeyId: id, service, region } = signedIn;
    const records = accounts.ofCaller(signedIn.caller);
    const minute = Math.trunc(at.getTime() / 60_000);
    if (noted.get(id) === minute) return;
    noted.set(id, minute);
    const use: AccessKeyUseRecord = { id, at: new Date(minute * 60_000).toISOString(), service, region };
    const expect = [{ exists: records.key("iam-access-key", id) }];
    store
      .commit({ expect, put: [{ key: records.key("iam-access-key-use", id), value: use }] })
      // Whoever deleted the key was first; and a full disk only leaves an earlier time standing.
      .catch((error: unknown) => log(`the use of ${id} was not noted: ${String(error)}`));
  };
}
