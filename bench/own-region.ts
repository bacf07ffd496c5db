import { signRequest, type Credentials } from "#auth/sign-request.ts";
import type { ChainRequest } from "#api/chain.ts";
import { lastingFakeDisks } from "#fake/lasting-fake-disks.ts";
import { loadApiParts, openRegionApi } from "#region-api.ts";
import { newCredentials } from "#setup/credentials.ts";
import { settle } from "#setup/region-settings.ts";
import { openMemoryStore } from "#store/sqlite/memory-store.ts";

/** The API of a region in this process, over a store in memory. Nothing listens: calls are signed, and handed to the chain. */
export async function ownRegion() {
  const ending = new AbortController();
  const [store, root, disks] = [openMemoryStore(), newCredentials(), lastingFakeDisks()];
  const settings = settle(undefined, { machines: "fake" }, () => "198.18.0.0/16");
  const sealingKey = Buffer.alloc(32, 1);
  const log = (line: string) => void process.stderr.write(`${line}\n`);
  const { answer, feed, regions } = await openRegionApi({
    parts: loadApiParts(),
    store,
    snapshots: disks,
    settings,
    credentials: root,
    sealingKey,
    signal: ending.signal,
    log,
  });
  return {
    root,
    settings,
    sealingKey,
    store,
    feed,
    regions,
    disks,
    log,
    signal: ending.signal,
    answer,
    end: () => ending.abort(),
    /** The answer's text. Throws what is no success. */
    call: async (who: Credentials, service: string, parameters: Record<string, string>): Promise<string> => {
      const { status, body } = await answer(signed(who, service, parameters));
      const text = Buffer.concat([body].flat().map((it) => Buffer.from(Object(it)))).toString();
      if (status !== 200) throw new Error(text);
      return text;
    },
  };
}

export function signed(
  credentials: Credentials,
  service: string,
  parameters: Record<string, string>,
): ChainRequest {
  const body = Buffer.from(new URLSearchParams(parameters).toString().replaceAll("+", "%20"));
  const unsigned = {
    method: "POST",
    path: "/",
    query: "",
    headers: { host: "127.0.0.1", "content-type": "application/x-www-form-urlencoded" },
    body,
  };
  const headers = signRequest(unsigned, { credentials, region: "us-east-1", service, date: new Date() });
  return { ...unsigned, headers, requestId: "bench", remoteAddress: "127.0.0.1" };
}
