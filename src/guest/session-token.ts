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
  return {
    issue(holder, ttlSeconds) {
      const end = Buffer.alloc(8);
      end.writeDoubleBE(clock() + ttlSeconds * 1000);
      return `${Buffer.concat([end, seal(end, holder)]).toString("base64url")}==`;
    },
    secondsLeft(token, holder) {
      const bytes = Buffer.from(token, "base64url");
      if (bytes.length !== 40) return undefined;
      const end = bytes.subarray(0, 8);
      if (!timingSafeEqual(bytes.subarray(8), seal(end, holder))) return undefined;
      const leftMs = end.readDoubleBE() - clock();
      return leftMs > 0 ? Math.ceil(leftMs / 1000) : undefined;
    },
  };
};
