import { isLocal } from "#http/foreign-caller.ts";
import { type HttpRequest, type HttpServer, listen } from "#http/http-server.ts";
import { openRegionApi, type RegionApiOptions } from "#region-api.ts";
import type { NetworkDriver } from "#drivers/network/network-driver.ts";
import type { Store } from "#store/store.ts";
import type { WireAnswer } from "#wire/protocol.ts";
import { CallsUnderWay } from "./calls-under-way.ts";
import { runFakeHost } from "./fake-host.ts";
import { lastingFakeDisks } from "./lasting-fake-disks.ts";

export interface FakeRegionOptions extends Omit<RegionApiOptions, "store" | "snapshots" | "signal"> {
  /** 0: any that is free. */
  readonly port: number;
  readonly openStore: () => Promise<Store>;
  /** Real ones, in which namespaces stand for the machines; absent: no packet flows. */
  readonly networks?: NetworkDriver;
  /** Whether `POST /_croft/reset` puts a fresh region in the place of this one; its store must then be a new one each time. */
  readonly resettable: boolean;
}

/** A region of fake machines, whole in this process. */
export async function serveFakeRegion(options: FakeRegionOptions): Promise<HttpServer> {
  let region = await openRegion(options);
  const api = await listen({
    host: "127.0.0.1",
    port: options.port,
    handle,
    refused: (request) => region.refused(request),
  });
  return {
    port: api.port,
    async close() {
      await api.close();
      await region.close();
    },
  };

  async function handle(request: HttpRequest): Promise<WireAnswer> {
    if (request.path === "/_croft/health") return region.health();
    if (request.path === "/_croft/metrics") return region.metrics(request);
    if (request.path === "/_croft/status") return region.status(request);
    if (request.path === "/_croft/reset") return reset(request);
    return region.answer(request);
  }

  async function reset({ method, headers }: HttpRequest): Promise<WireAnswer> {
    if (!isLocal(headers)) return plain(403, "a reset comes from this machine, and from no web page");
    if (!options.resettable) return plain(404, "only a region started with --ephemeral can be reset");
    if (method !== "POST") return plain(405, "POST resets the region");
    const fresh = await openRegion(options);
    const before = region;
    region = fresh;
    void before.close();
    return plain(200, "a fresh region");
  }
}

async function openRegion({ openStore, ...options }: FakeRegionOptions) {
  const ending = new AbortController();
  const { signal } = ending;
  const store = await openStore();
  const disks = lastingFakeDisks();
  const { feed, regions, kms, answer, refused, health, metrics, status } = await openRegionApi({
    ...options,
    store,
    snapshots: disks,
    signal,
  });
  const { settings: home, networks, log } = options;
  const calls = new CallsUnderWay();
  const host = await runFakeHost({
    store,
    feed,
    regions,
    home,
    disks,
    kms,
    networks,
    turn: () => calls.letPass(patienceMs),
    signal,
    log,
  });
  return {
    refused,
    health,
    metrics,
    status,
    answer: (request: HttpRequest): Promise<WireAnswer> => calls.add(answer(request)),
    /** Once the calls under way are answered. */
    async close() {
      await calls.letPass(Infinity);
      ending.abort();
      await host.stopped;
      await store.close();
    },
  };
}

/** How long a step lets calls pass: a machine may be late by as much, however many call. */
const patienceMs = 250;

const plain = (status: number, text: string): WireAnswer => ({
  status,
  headers: { "content-type": "text/plain; charset=utf-8" },
  body: `${text}\n`,
});
