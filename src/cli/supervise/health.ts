import * as http from "node:http";
import * as https from "node:https";
import { setTimeout as delay } from "node:timers/promises";

/** What `GET /_croft/health` answers; 200 once `status` is "ready". What a version does not say is absent. */
export interface Health {
  readonly status: string;
  readonly version?: string;
  /** "qemu", or "fake": none runs. */
  readonly machines?: string;
  /** "kvm", "tcg" or "fake". */
  readonly acceleration?: string;
  readonly accelerationReason?: string;
  readonly zones?: readonly string[];
  readonly images?: readonly { readonly id: string; readonly name: string }[];
  /** Ids of the instances whose guests are starting now. */
  readonly starting?: readonly string[];
  /** Launches that wait for their turn. */
  readonly queue?: number;
  /** Instances larger than their host, which gives them what it has. */
  readonly capped?: readonly (Shape & {
    readonly id: string;
    readonly type: string;
    readonly cappedFrom: Shape;
  })[];
  /** Of burstable instances, by id. */
  readonly credits?: Readonly<
    Record<string, { readonly balance: number; readonly surplus: number; readonly limited: boolean }>
  >;
  readonly [other: string]: unknown;
}

interface Shape {
  readonly cpus: number;
  readonly memoryMiB: number;
}

export const health = (api: string): Promise<Health | undefined> => answerOf<Health>(api, "health");

/**
 * What `GET /_croft/WHAT` answers; undefined when nothing does at the URL, or not with 200. The certificate is not looked at: nothing
 * secret is sent, and this host's own address leads to no other.
 */
export const answerOf = <Answer>(api: string, what: "health" | "status"): Promise<Answer | undefined> =>
  new Promise((resolve) => {
    const options = { timeout: 2000, agent: false, rejectUnauthorized: false } as const;
    const request = (api.startsWith("https:") ? https : http).get(
      `${api}/_croft/${what}`,
      options,
      (response) => {
        let body = "";
        response.setEncoding("utf8");
        response.on("data", (part: string) => (body += part));
        response.on("end", () => resolve(response.statusCode === 200 ? parse(body) : undefined));
        response.on("error", () => resolve(undefined));
      },
    );
    request.on("timeout", () => request.destroy());
    request.on("error", () => resolve(undefined));
  });

/** Asks until the region is ready; undefined when `signal` aborts first. */
export const untilReady = async (api: string, signal: AbortSignal): Promise<Health | undefined> => {
  while (!signal.aborted) {
    const answer = await health(api);
    if (answer?.status === "ready") return answer;
    await delay(25, undefined, { signal }).catch(() => {});
  }
  return undefined;
};

const parse = (body: string) => {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
};
