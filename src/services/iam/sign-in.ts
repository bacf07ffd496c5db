import { rootCaller, type Caller, type Session } from "#api/caller.ts";
import { unseal } from "#sealed.ts";
import { accountOfKeyId } from "./access-key-id.ts";
import type { Accounts } from "./accounts.ts";
import { arnOf } from "./holder.ts";
import type { AccessKeyRecord, IamRecords } from "./records.ts";
import { openSessionToken } from "./session-token.ts";

interface KeysOf {
  readonly accounts: Accounts;
  /** The key of the root of the account that the region was made with. */
  readonly root: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** What users' secrets and session tokens are sealed with. */
  readonly sealingKey: Buffer;
}

/**
 * Finds whose an access key is: a root's, a user's unless it is inactive, or a session's by its token. The id says of which account;
 * that of the first root's key, which is older or chosen, need not. Whose role or user is gone has no session any more.
 */
export function accountKeys({ accounts, root, sealingKey }: KeysOf) {
  /** Opened once for as long as the record is unchanged: it costs as much as a decision. */
  const opened = new WeakMap<Sealed, string>();
  return (accessKeyId: string, token: string | undefined) => {
    if (token !== undefined) return ofSession(accessKeyId, token);
    if (accessKeyId === root.accessKeyId)
      return { secretAccessKey: root.secretAccessKey, caller: rootCaller(accounts.home, accessKeyId) };
    const accountId = accountOfKeyId(accessKeyId) ?? accounts.home;
    const rootKey = accounts.record(accountId)?.rootKey;
    if (rootKey?.id === accessKeyId) return withSecret(rootKey, rootCaller(accountId, accessKeyId));
    const records = accounts.of(accountId);
    const key = records?.get("iam-access-key", accessKeyId);
    const user = key?.status === "Active" ? records?.get("iam-user", key.userId) : undefined;
    return records && key && user && withSecret(key, userCaller(user.id, accessKeyId, records));
  };

  function withSecret(key: Sealed, caller: Caller) {
    const secretAccessKey = opened.get(key) ?? unseal(key.sealedSecret, sealingKey, secretPurpose(key.id));
    if (secretAccessKey === undefined) return undefined;
    opened.set(key, secretAccessKey);
    return { secretAccessKey, caller };
  }

  function ofSession(accessKeyId: string, token: string) {
    const session = openSessionToken(token, accessKeyId, sealingKey);
    const records = accounts.of(accountOfKeyId(accessKeyId) ?? "");
    const caller = session && records && sessionCaller(session, records);
    return caller && { secretAccessKey: session.secretAccessKey, caller };
  }
}

type Sealed = Pick<AccessKeyRecord, "id" | "sealedSecret">;

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
  if (kind === "instance") {
    const role = "aws:ec2-instance";
    return {
      accountId,
      accessKeyId,
      arn: `${sts}:assumed-role/${role}/${name}`,
      userId: `${accountId}:${role}:${name}`,
      principalArn: `arn:aws:iam::${accountId}:role/${role}`,
      type: "AssumedRole",
      principalId: `${accountId}:${role}`,
      session,
    };
  }
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
