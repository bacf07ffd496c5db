import { MalformedPolicy, parsePolicy, type Policy, type PolicyKind } from "#policy/policy-document.ts";
import { limitExceeded, malformedDocument } from "./errors.ts";

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
  if (sizeOf(text) > 6144) throw limitExceeded("Cannot exceed quota for PolicySize: 6144");
}

export function checkTrustSize(text: string): void {
  if (sizeOf(text) > 2048) throw limitExceeded("Cannot exceed quota for ACLSizePerRole: 2048");
}
