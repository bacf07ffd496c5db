import { chmodSync, chownSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { auditPipe, auditTrail } from "./api/audit.ts";
import { systemClock } from "./clock.ts";
import { hostNames, layout } from "./config.ts";
import { connectSnapshots } from "./drivers/disk/socket/connect-snapshots.ts";
import { listen } from "./http/http-server.ts";
import { listenForRelay } from "./http/relayed-server.ts";
import type { ProgramOptions } from "./main.ts";
import { dropPrivileges } from "./privileges.ts";
import { loadApiParts, openRegionApi } from "./region-api.ts";
import { readCredentials } from "./setup/credentials.ts";
import { readAwsTls, readServerTls } from "./setup/region-tls.ts";
import { requireSettings } from "./setup/region-settings.ts";
import { readSealingKey } from "./setup/sealing-key.ts";
import { serveStore } from "./store/socket/serve-store.ts";
import { openSqliteStore } from "./store/sqlite/sqlite-store.ts";
import { startStoreThread } from "./store/sqlite/store-thread.ts";

/** The API and the store. It reads what root may read, becomes its own user, and only then listens. */
export async function croft({ dataDir, auditFd, signal, log }: ProgramOptions): Promise<void> {
  const { storeDir, storeSocket, apiSocket, snapshotsSocket } = layout(dataDir);
  const { uids } = hostNames(dataDir);
  const settings = requireSettings(dataDir);
  const credentials = readCredentials(dataDir);
  const sealingKey = readSealingKey(dataDir);
  const tls = readServerTls(dataDir, settings);
  const awsTls = readAwsTls(dataDir);
  const parts = loadApiParts();
  const thread = await startStoreThread();
  mkdirSync(storeDir, { recursive: true, mode: 0o700 });
  chownSync(storeDir, uids.croft, uids.croft);
  // croft-guest may pass to the socket in it, and make none.
  mkdirSync(dirname(apiSocket), { recursive: true });
  chownSync(dirname(apiSocket), uids.croft, uids.guest);
  chmodSync(dirname(apiSocket), 0o710);
  dropPrivileges(uids.croft);

  const store = await openSqliteStore(storeDir, { thread });
  const audit = auditFd === undefined ? undefined : auditPipe(auditFd);
  const { answer, refused, health, metrics, status } = await openRegionApi({
    parts,
    store,
    snapshots: connectSnapshots(snapshotsSocket),
    settings,
    credentials,
    sealingKey,
    signal,
    ...(audit && { answered: auditTrail({ now: () => systemClock.now() }, audit.sink) }),
    log,
  });
  const storeServer = await serveStore(store, storeSocket);
  const api = await listen({
    host: settings.listen ?? "127.0.0.1",
    port: settings.port,
    ...(tls && { tls }),
    refused,
    async handle(request) {
      if (request.path === "/_croft/health") return health();
      if (request.path === "/_croft/metrics") return metrics(request);
      if (request.path === "/_croft/status") return status(request);
      return answer(request);
    },
  });
  // Instances call operations, and nothing that is for this machine's users.
  const guestApi = await listenForRelay({ socketPath: apiSocket, tls: awsTls, refused, handle: answer });
  log(`answering on ${settings.listen ?? "127.0.0.1"}, port ${settings.port}${tls ? ", by TLS" : ""}`);
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
  await Promise.all([api.close(), guestApi.close()]);
  await audit?.close();
  await storeServer.close();
  await store.close();
}
