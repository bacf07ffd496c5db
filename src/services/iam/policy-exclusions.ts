import type { PolicyIdentifier } from "@aws-sdk/client-iam";
import { Wildcard } from "#policy/wildcard.ts";
import { invalidInput } from "./errors.ts";

/** A policy that a simulation takes from its principal. */
export interface HeldPolicy {
  /** Absent: it is written into its holder. */
  readonly arn?: string;
  readonly name: string;
  readonly holder: { readonly type: string; readonly name: string };
  readonly isBoundary: boolean;
}

/** Which of them a simulation leaves out, as PolicyIdentifier of the IAM API reference says. Throws InvalidInput. */
export function excluding(identifiers: readonly PolicyIdentifier[] = []): (held: HeldPolicy) => boolean {
  const tests = identifiers.map(matcher);
  return (held) => tests.some((test) => test(held));
}

function matcher(identifier: PolicyIdentifier): (held: HeldPolicy) => boolean {
  const { PolicyType: type, PolicyArn: arn, InlinePolicyIdentifier: inline } = identifier;
  if ([type, arn, inline].filter((it) => it !== undefined).length !== 1)
    throw invalidInput(
      "A policy identifier must have one of PolicyType, PolicyArn and InlinePolicyIdentifier.",
    );
  if (type !== undefined) return (held) => typeOf(held) === type;
  if (arn !== undefined) {
    if (!/^arn:aws:iam::(aws|\d{12}):policy\/(?!$)[^*]*\*?[^*]*$/.test(arn))
      throw invalidInput(`${arn} is not the ARN of a managed policy.`);
    const wanted = new Wildcard(arn, { variables: false });
    return (held) => !held.isBoundary && held.arn !== undefined && wanted.matches(held.arn);
  }
  const { PolicyName: name, AttachmentType: holderType, AttachmentName: holderName = "" } = inline ?? {};
  if (!/^[^*]*\*?[^*]*$/.test(holderName)) throw invalidInput(`${holderName} has more than one *.`);
  const holder = new Wildcard(holderName, { variables: false });
  return (held) =>
    held.arn === undefined &&
    held.name === name &&
    held.holder.type === holderType &&
    holder.matches(held.holder.name);
}

function typeOf({ arn, isBoundary }: HeldPolicy): string {
  if (isBoundary) return "permission-boundary";
  if (arn === undefined) return "inline";
  return arn.startsWith("arn:aws:iam::aws:") ? "aws-managed" : "user-managed";
}
