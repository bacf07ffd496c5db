import { chownSync, mkdirSync, readFileSync } from "node:fs";
import { apiChain, served } from "./api/chain.ts";
import { regionHealth } from "./services/host/region-health.ts";
import { verifySignature } from "./auth/verify-signature.ts";
import { systemClock } from "./clock.ts";
import { hostNames, layout } from "./config.ts";
import { listen } from "./http/http-server.ts";
import type { ProgramOptions } from "./main.ts";
import { dropPrivileges } from "./privileges.ts";
import { newId, random } from "./services/ec2/chance.ts";
import type { Ec2Context } from "./services/ec2/context.ts";
import { ec2Operations } from "./services/ec2/operations.ts";
import { Ec2Records, ec2Indexes } from "./services/ec2/records.ts";
import { defaultVpc } from "./services/ec2/vpc/default-vpc.ts";
import { stsOperations } from "./services/sts/operations.ts";
import { readCredentials } from "./setup/credentials.ts";
import { requireSettings } from "./setup/region-settings.ts";
import { startFeed } from "./store/feed.ts";
import { serveStore } from "./store/socket/serve-store.ts";
import { openSqliteStore } from "./store/sqlite/sqlite-store.ts";
import { startStoreThread } from "./store/sqlite/store-thread.ts";
import { loadWireService } from "./wire/wire-service.ts";

/** The API and the store. It reads what root may read, becomes its own user, and only then listens. */
export async function croft({ dataDir, signal, log }: ProgramOptions): Promise<void> {
  const { storeDir, storeSocket } = layout(dataDir);
  const { uids } = hostNames(dataDir);
  const { accountId, region, port, publicPool } = requireSettings(dataDir);
  const { accessKeyId, secretAccessKey } = readCredentials(dataDir);
  const version: string = JSON.parse(
    readFileSync(new URL("../package.json", import.meta.url), "utf8"),
  ).version;
  const [ec2, sts] = [loadWireService("ec2"), loadWireService("sts")];
  const thread = await startStoreThread();
  mkdirSync(storeDir, { recursive: true, mode: 0o700 });
  chownSync(storeDir, uids.croft, uids.croft);
  dropPrivileges(uids.croft);

  const store = await openSqliteStore(storeDir, { thread });
  const feed = await startFeed(store, signal);
  const records = new Ec2Records(feed, { accountId, region }, ec2Indexes(feed));
  const context: Ec2Context = {
    accountId,
    region,
    publicPool,
    records,
    newId,
    random,
    now: () => new Date(),
  };
  const made = defaultVpc(context);
  if (made) await feed.reached((await store.commit(made)).revision);

  const answer = apiChain({
    services: new Map([served(ec2, ec2Operations, context), served(sts, stsOperations, { accountId })]),
    fallback: ec2,
    region,
    signIn: (request, nowMs) =>
      verifySignature(
        request,
        request.body,
        (id) => (id === accessKeyId ? secretAccessKey : undefined),
        nowMs,
      ),
    store,
    feed,
    clock: systemClock,
    log,
  });
  const health = regionHealth(version, records, systemClock);
  const storeServer = await serveStore(store, storeSocket);
  const api = await listen({
    host: "127.0.0.1",
    port,
    handle: async (request) => (request.path === "/_croft/health" ? health() : answer(request)),
  });
  log(`answering on 127.0.0.1:${port}`);
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
  await api.close();
  await storeServer.close();
  await store.close();
}
