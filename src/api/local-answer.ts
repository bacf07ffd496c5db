import { isLoopback } from "#http/loopback.ts";
import type { WireAnswer } from "#wire/protocol.ts";

/** What names things of the region, and is told without a signature: so it is for callers on this machine only. */
export const localAnswer =
  (what: string, contentType: string, body: () => string) =>
  ({ remoteAddress }: { readonly remoteAddress: string }): WireAnswer & { readonly body: string } =>
    isLoopback(remoteAddress)
      ? { status: 200, headers: { "content-type": contentType }, body: body() }
      : {
          status: 403,
          headers: { "content-type": "text/plain; charset=utf-8" },
          body: `${what} for callers on this machine only\n`,
        };
