import { decide } from "#policy/decide.ts";
import { MalformedPolicy, parsePolicy } from "#policy/policy-document.ts";
import { trustedIds } from "../iam/trust.ts";
import type { KmsContext } from "./context.ts";
import { limitExceeded, malformedPolicy } from "./errors.ts";
import { keyArn } from "./key.ts";
import type { KeyRecord } from "./records.ts";

/** Leaves it to the account's own policies. AWS, "Default key policy". */
export function defaultPolicy(accountId: string): string {
  const policy = {
    Version: "2012-10-17",
    Id: "key-default-1",
    Statement: [
      {
        Sid: "Enable IAM User Permissions",
        Effect: "Allow",
        Principal: { AWS: `arn:aws:iam::${accountId}:root` },
        Action: "kms:*",
        Resource: "*",
      },
    ],
  };
  return JSON.stringify(policy, null, 2);
}

/**
 * What a key keeps of a policy. Throws MalformedPolicyDocumentException: also for one by which the caller could not change the policy
 * again, unless he says that he means it.
 */
export function policyOf(
  document: string,
  key: Pick<KeyRecord, "accountId" | "region" | "id">,
  { bypass }: { readonly bypass: boolean | undefined },
  { caller, accounts }: KmsContext,
): Pick<KeyRecord, "policy" | "trusted"> {
  if (Buffer.byteLength(document) > mostBytes)
    throw limitExceeded(`Key policy exceeds the quota of ${mostBytes} bytes.`);
  const policy = parsed(document);
  const trusted = trustedIds(policy, accounts, () =>
    malformedPolicy("Policy contains a statement with one or more invalid principals."),
  );
  const arn = keyArn(key);
  const next = decide(
    {
      action: "kms:PutKeyPolicy",
      resource: arn,
      principal: caller.arn,
      role: caller.session?.kind === "role" ? caller.principalArn : undefined,
      resourceOwner: arn,
      context: new Map([
        ["aws:principalarn", [caller.principalArn]],
        ["aws:principalaccount", [caller.accountId]],
        ["kms:calleraccount", [caller.accountId]],
      ]),
    },
    { identity: [everything], resource: policy, resourceDecides: true },
  );
  if (bypass !== true && next.decision !== "allowed")
    throw malformedPolicy("The new key policy will not allow you to update the key policy in the future.");
  return { policy: document, trusted };
}

function parsed(document: string) {
  try {
    return parsePolicy(document, "resource");
  } catch (error) {
    if (error instanceof MalformedPolicy) throw malformedPolicy(error.message);
    throw error;
  }
}

const mostBytes = 32_768;
const everything = parsePolicy(
  '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}',
  "identity",
);
