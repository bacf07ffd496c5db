import { isLoopback } from "#http/loopback.ts";
import type { WireAnswer } from "#wire/protocol.ts";
import { exposition, expositionType, type Metric } from "./exposition.ts";

/** Metrics name what is done in the region, and nobody signs in to read them: so they are for this machine only. */
export const metricsAnswer =
  (metrics: () => readonly Metric[]) =>
  ({ remoteAddress }: { readonly remoteAddress: string }): WireAnswer & { readonly body: string } =>
    isLoopback(remoteAddress)
      ? { status: 200, headers: { "content-type": expositionType }, body: exposition(metrics()) }
      : {
          status: 403,
          headers: { "content-type": "text/plain; charset=utf-8" },
          body: "metrics are for callers on this machine\n",
        };
