import { rootCaller, type Caller, type Session } from "#api/caller.ts";
import { unseal } from "#sealed.ts";
import { arnOf } from "./holder.ts";
import type { AccessKeyRecord, IamRecords } from "./records.ts";
import { openSessionToken } from "./session-token.ts";

interface KeysOf {
  readonly records: IamRecords;
  /** The account's own key, that of its root. */
  readonly root: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** What users' secrets and session tokens are sealed with. */
  readonly sealingKey: Buffer;
}

/**
 * Finds whose an access key is: the root's, a user's unless it is inactive, or a session's by its token. Whose role or user is gone
 * has no session any more.
 */
export function accountKeys({ records, root, sealingKey }: KeysOf) {
  /** Opened once for as long as the record is unchanged: it costs as much as a decision. */
  const opened = new WeakMap<AccessKeyRecord, string>();
  return (accessKeyId: string, token: string | undefined) => {
    if (token !== undefined) return ofSession(accessKeyId, token);
    if (accessKeyId === root.accessKeyId)
      return { secretAccessKey: root.secretAccessKey, caller: rootCaller(records.accountId, accessKeyId) };
    const key = records.get("iam-access-key", accessKeyId);
    const user = key?.status === "Active" ? records.get("iam-user", key.userId) : undefined;
    if (!key || !user) return undefined;
    const secretAccessKey =
      opened.get(key) ?? unseal(key.sealedSecret, sealingKey, secretPurpose(accessKeyId));
    if (secretAccessKey === undefined) return undefined;
    opened.set(key, secretAccessKey);
    return { secretAccessKey, caller: userCaller(user.id, accessKeyId, records) };
  };

  function ofSession(accessKeyId: string, token: string) {
    const session = openSessionToken(token, accessKeyId, sealingKey);
    const caller = session && sessionCaller(session, records);
    return caller && { secretAccessKey: session.secretAccessKey, caller };
  }
}

/** What a user's secret access key is sealed for. */
export const secretPurpose = (accessKeyId: string) => `secret access key of ${accessKeyId}`;

function userCaller(id: string, accessKeyId: string, records: IamRecords): Caller {
  const user = records.get("iam-user", id);
  const arn = user ? arnOf("iam-user", user, records) : "";
  const { accountId } = records;
  return { accountId, accessKeyId, arn, userId: id, principalArn: arn, type: "User", principalId: id };
}

function sessionCaller(session: Session, records: IamRecords): Caller | undefined {
  const { kind, accessKeyId, principalId, name } = session;
  const { accountId } = records;
  const sts = `arn:aws:sts::${accountId}`;
  if (kind === "role") {
    const role = records.get("iam-role", principalId ?? "");
    return (
      role && {
        accountId,
        accessKeyId,
        arn: `${sts}:assumed-role/${role.name}/${name}`,
        userId: `${role.id}:${name}`,
        principalArn: arnOf("iam-role", role, records),
        type: "AssumedRole",
        principalId: role.id,
        session,
      }
    );
  }
  if (principalId !== undefined && !records.get("iam-user", principalId)) return undefined;
  const asked =
    principalId === undefined
      ? rootCaller(accountId, accessKeyId)
      : userCaller(principalId, accessKeyId, records);
  if (kind === "token") return { ...asked, session };
  const arn = `${sts}:federated-user/${name}`;
  return {
    ...asked,
    arn,
    principalArn: arn,
    userId: `${accountId}:${name}`,
    type: "FederatedUser",
    session,
  };
}
