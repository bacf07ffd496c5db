import { isSomebody, type Caller } from "#api/caller.ts";
import type { PolicySets } from "#policy/decide.ts";
import { parsePolicy, type Policy } from "#policy/policy-document.ts";
import { defaultDocument, managedPolicy } from "./managed-policy.ts";
import type { IamRecords, PolicyHolder, PolicyRecord } from "./records.ts";

/** What decides over a caller: the policies of its user or role and its groups, their boundary, and those of its session. */
export function policiesOf(caller: Caller, records: IamRecords): PolicySets {
  if (!isSomebody(caller)) return { identity: [] };
  const { principalId, session } = caller;
  const holders = holdersOf(principalId, records);
  const [{ boundary } = {}] = holders;
  const given = session && [
    ...(session.policies ?? []).map(parsed),
    ...(session.policyArns ?? []).map((arn) => managed(arn, records)),
  ];
  const mustBeGiven = session?.kind === "federated";
  return {
    identity:
      principalId === undefined
        ? [everything]
        : [...holders.flatMap((holder) => policiesIn(holder, records)), ...ofAccount(principalId, records)],
    ...(boundary !== undefined && { boundary: [managed(boundary, records)] }),
    ...(given && (given.length > 0 || mustBeGiven) && { session: given }),
  };
}

/** Users may change their passwords where the account's password policy says so. AWS, "Permit IAM users to change their own passwords". */
const ofAccount = (principalId: string, records: IamRecords): readonly Policy[] =>
  principalId.startsWith("AIDA") && records.get("iam-password-policy", "policy")?.usersMayChange
    ? [changingPassword]
    : [];

/** Of a user, group or role, itself first: all whose policies are in force. */
export function holdersOf(id: string | undefined, records: IamRecords): readonly PolicyHolder[] {
  if (id?.startsWith("AROA")) return [records.get("iam-role", id)].filter((it) => it !== undefined);
  if (id?.startsWith("AGPA")) return [records.get("iam-group", id)].filter((it) => it !== undefined);
  const user = id === undefined ? undefined : records.get("iam-user", id);
  if (!user) return [];
  return [user, ...user.groups.flatMap((group) => records.get("iam-group", group) ?? [])];
}

/** Those written into it, then those attached, in its record's order. */
export function policiesIn(holder: PolicyHolder, records: IamRecords): Policy[] {
  let inline = inlineOf.get(holder);
  if (!inline) {
    inline = Object.values(holder.inline).map(parsed);
    inlineOf.set(holder, inline);
  }
  return [...inline, ...holder.attached.map((arn) => managed(arn, records))];
}

/** One that is not there denies everything. */
export function managed(arn: string, records: IamRecords): Policy {
  const found = managedPolicy(arn, records);
  if (!found) return nothing;
  let policy = managedOf.get(found.policy);
  if (!policy) {
    policy = parsed(defaultDocument(found.policy));
    managedOf.set(found.policy, policy);
  }
  return policy;
}

const parsed = (document: string): Policy => parsePolicy(document, "identity");

/** Records keep their identity while they are unchanged: each document is read once. */
const inlineOf = new WeakMap<PolicyHolder, readonly Policy[]>();
const managedOf = new WeakMap<PolicyRecord, Policy>();

const everything = parsed(
  '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}',
);
/** ChangePassword is of the caller's own alone. */
const changingPassword = parsed(
  '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["iam:ChangePassword","iam:GetAccountPasswordPolicy"],"Resource":"*"}}',
);
/** Of a policy that is not there. */
const nothing = parsed('{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}');
