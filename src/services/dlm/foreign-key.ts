import type { Caller } from "#api/caller.ts";
import type { TouchedResource } from "#api/operation.ts";
import type { Ec2Context } from "../ec2/context.ts";
import { authorisation } from "../iam/authorise.ts";
import { accountIn, byArn } from "../iam/holder.ts";
import type { DlmPolicyRecord } from "./policy.ts";

/** The same context with the policy's role as who asks for keys: another account lets that use its own, or not. */
export function asRole(policy: DlmPolicyRecord, context: Ec2Context): Ec2Context {
  const { kms, accountId, records, now } = context;
  const role = byArn("iam-role", policy.roleArn, records.iam);
  if (!kms || !role) return context;
  const at = Math.trunc(now().getTime() / 1000);
  const [name, principalId] = [policy.id, role.id];
  const caller: Caller = {
    accountId,
    accessKeyId: "",
    arn: `arn:aws:sts::${accountId}:assumed-role/${role.name}/${name}`,
    userId: `${principalId}:${name}`,
    principalArn: policy.roleArn,
    type: "AssumedRole",
    principalId,
    session: {
      kind: "role",
      accessKeyId: "",
      secretAccessKey: "",
      principalId,
      name,
      issuedAt: at,
      expiresAt: at + 3600,
    },
  };
  return { ...context, kms: { ...kms, caller } };
}

/** Throws AccessDeniedException when that role may not use what is touched of other accounts' keys. */
export function requireForeignKeys(touches: readonly TouchedResource[], context: Ec2Context): void {
  const { kms, accountId, region, now } = context;
  const foreign = touches.filter(({ arn, policy }) => policy !== undefined && accountIn(arn) !== accountId);
  if (!kms) return;
  const authorise = authorisation(kms.accounts, kms.sealingKey);
  for (const { action = "kms:Decrypt", ...key } of foreign)
    authorise({
      caller: kms.caller,
      service: "kms",
      region,
      operation: action.slice("kms:".length),
      input: {},
      request: { headers: {}, remoteAddress: "dlm.amazonaws.com" },
      at: now(),
      plan: { touches: [key] },
    });
}
