import { seal, unseal } from "#sealed.ts";
import type { KmsContext } from "./context.ts";
import { invalidGrantToken } from "./errors.ts";

/** Names a grant, to nobody but this region. */
export interface GrantToken {
  readonly accountId: string;
  readonly region: string;
  readonly keyId: string;
  readonly grantId: string;
}

export const grantToken = (token: GrantToken, { sealingKey }: Pick<KmsContext, "sealingKey">): string =>
  seal(JSON.stringify(token), sealingKey, purpose);

/** Throws InvalidGrantTokenException. */
export function openGrantToken(text: string, { sealingKey }: Pick<KmsContext, "sealingKey">): GrantToken {
  const opened = unseal(text, sealingKey, purpose);
  if (opened === undefined) throw invalidGrantToken();
  return JSON.parse(opened);
}

/** A grant is in force as soon as it is made, so that its token adds nothing; it has to be one. */
export function checkGrantTokens(tokens: readonly string[] | undefined, context: KmsContext): void {
  for (const it of tokens ?? []) openGrantToken(it, context);
}

const purpose = "grant token";
