import type { Session } from "#api/caller.ts";
import { seal, unseal } from "#sealed.ts";
import { newAccessKeyId, newSecret } from "./access-key-id.ts";

/** One that begins now. */
export function newSession(
  about: Omit<Session, "accessKeyId" | "secretAccessKey" | "issuedAt" | "expiresAt">,
  seconds: number,
  {
    accountId,
    random,
    now,
  }: { readonly accountId: string; readonly random: (below: number) => number; readonly now: () => Date },
): Session {
  const issuedAt = Math.trunc(now().getTime() / 1000);
  return {
    ...about,
    accessKeyId: newAccessKeyId("ASIA", accountId, random),
    secretAccessKey: newSecret(random),
    issuedAt,
    expiresAt: issuedAt + seconds,
  };
}

/** The token of a session: all of it, sealed. Nothing is kept, and whoever has the account's key can make and open it. */
export const sessionToken = (session: Session, key: Buffer): string =>
  seal(JSON.stringify(session), key, purpose(session.accessKeyId));

/** Undefined: none of this account, or of another access key. */
export function openSessionToken(token: string, accessKeyId: string, key: Buffer): Session | undefined {
  const text = unseal(token, key, purpose(accessKeyId));
  return text === undefined ? undefined : JSON.parse(text);
}

const purpose = (accessKeyId: string) => `session of ${accessKeyId}`;
