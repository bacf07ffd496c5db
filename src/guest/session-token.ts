import { createHmac, timingSafeEqual } from "node:crypto";

/** IMDS session tokens. Nothing is kept for them: a token carries its end, sealed together with whom it was issued to. */
export interface SessionTokens {
  /** 56 characters, as AWS's are. `holder` names one instance. */
  issue(holder: string, ttlSeconds: number): string;
  /** Undefined: not issued to `holder` under this key, or expired. */
  secondsLeft(token: string, holder: string): number | undefined;
}

/** `clock` gives milliseconds since 1970, `key` base64; where another process has the same key, its tokens are good too. */
export const sessionTokens = (clock: () => number, key: () => string): SessionTokens => {
  const seal = (end: Buffer, holder: string) =>
    createHmac("sha256", Buffer.from(key(), "base64")).update(end).update(holder).digest();
  /** Seals made or found right lately: a session asks again and again, and checking one costs as much as the answer. */
  const known = new Map<string, { readonly holder: string; readonly key: string; readonly end: number }>();
  const remember = (token: string, holder: string, end: number) => {
    if (known.size >= mostKnown) known.clear();
    known.set(token, { holder, key: key(), end });
  };
  const endOf = (token: string, holder: string): number | undefined => {
    const found = known.get(token);
    if (found?.holder === holder && found.key === key()) return found.end;
    // What is not base64 decodes to nothing: a longer text could hold the same bytes.
    const bytes = Buffer.from(token.length === 56 ? token : "", "base64url");
    if (bytes.length !== 40) return undefined;
    const end = bytes.subarray(0, 8);
    if (!timingSafeEqual(bytes.subarray(8), seal(end, holder))) return undefined;
    remember(token, holder, end.readDoubleBE());
    return end.readDoubleBE();
  };
  return {
    issue(holder, ttlSeconds) {
      const end = Buffer.alloc(8);
      end.writeDoubleBE(clock() + ttlSeconds * 1000);
      const token = `${Buffer.concat([end, seal(end, holder)]).toString("base64url")}==`;
      remember(token, holder, end.readDoubleBE());
      return token;
    },
    secondsLeft(token, holder) {
      const leftMs = (endOf(token, holder) ?? 0) - clock();
      return leftMs > 0 ? Math.ceil(leftMs / 1000) : undefined;
    },
  };
};

/** A quarter of a MiB. */
const mostKnown = 1024;
