import { MalformedPolicy, parsePolicy, type Policy, type PolicyKind } from "#policy/policy-document.ts";
import { malformedDocument, quotaExceeded } from "./errors.ts";
import { quotas } from "./quotas.ts";

/** Reads a document that is about to be kept. Throws MalformedPolicyDocument. */
export function readDocument(text: string, kind: PolicyKind): Policy {
  try {
    return parsePolicy(text, kind);
  } catch (error) {
    if (error instanceof MalformedPolicy) throw malformedDocument(error.message);
    throw error;
  }
}

/** White space does not count. AWS, "IAM and AWS STS quotas: character limits". */
export const sizeOf = (text: string): number => text.replaceAll(/\s/g, "").length;

export function checkPolicySize(text: string): void {
  const most = quotas.PolicySizeQuota;
  if (sizeOf(text) > most) throw quotaExceeded("PolicySize", most);
}

export function checkTrustSize(text: string): void {
  const most = quotas.AssumeRolePolicySizeQuota;
  if (sizeOf(text) > most) throw quotaExceeded("ACLSizePerRole", most);
}
