import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { auditTrail } from "#api/audit.ts";
import type { Credentials } from "#auth/sign-request.ts";
import { systemClock } from "#clock.ts";
import { defaults, layout } from "#config.ts";
import { identify } from "#drivers/linux/host-process.ts";
import { fakeImage } from "#fake/fake-host.ts";
import { serveFakeRegion } from "#fake/fake-region.ts";
import { loadApiParts } from "#region-api.ts";
import { makeCredentials, newCredentials, readCredentials, writeCredentials } from "#setup/credentials.ts";
import { readChoices, readSettings, settle, writeSettings } from "#setup/region-settings.ts";
import { makeSealingKey, readSealingKey } from "#setup/sealing-key.ts";
import { requireKnownFormat } from "#setup/store-format.ts";
import { openMemoryStore } from "#store/sqlite/memory-store.ts";
import { openSqliteStore } from "#store/sqlite/sqlite-store.ts";
import { Refusal } from "./command.ts";
import { readDataDir } from "./data-dir.ts";
import type { StartValues } from "./start-options.ts";
import { auditFile } from "./supervise/audit-file.ts";
import { readRunning, writeRunning } from "./supervise/programs-file.ts";
import { say } from "./terminal.ts";
import { fakeWelcome } from "./welcome.ts";

/** Runs a region of fake machines in this process until `signal` aborts. */
export async function startFake(values: StartValues, signal: AbortSignal): Promise<void> {
  refuseNetwork(values);
  const region = values.ephemeral ? ephemeral(values) : kept(values);
  const api = await serveFakeRegion({
    ...region,
    parts: loadApiParts(),
    port: region.settings.port,
    resettable: region.dataDir === undefined,
    ...(region.audit && {
      answered: auditTrail({ now: () => systemClock.now() }, region.audit),
    }),
    log: say,
  }).catch(refuseTaken);
  const settings = { ...region.settings, port: api.port };
  process.stdout.write(fakeWelcome({ ...region, settings, image: fakeImage(settings.region) }));
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
  await api.close();
}

/** It is for tests on this machine. */
function refuseNetwork(values: StartValues): void {
  for (const option of ["listen", "tls-cert", "tls-key"] as const)
    if (values[option] !== undefined) throw new Refusal(`--${option} is not for --machines fake`);
}

/** Nothing of it is written anywhere. */
function ephemeral({ port, ...values }: StartValues) {
  if (values["data-dir"] !== undefined)
    throw new Refusal("--ephemeral keeps nothing, so it takes no --data-dir");
  const anyPort = port === "0";
  const choices = readChoices({ ...values, port: anyPort ? undefined : port });
  const settings = settle(undefined, choices, defaultPool);
  return {
    settings: anyPort ? { ...settings, port: 0 } : settings,
    credentials: accessKey(values["access-key"]) ?? newCredentials(),
    sealingKey: randomBytes(32),
    openStore: async () => openMemoryStore(),
    audit: undefined,
    dataDir: undefined,
  };
}

function kept(values: StartValues) {
  const dataDir = readDataDir(values["data-dir"] ?? join(homedir(), ".croft-fake"));
  const { dir, runDir, storeDir, logDir } = layout(dataDir);
  requireKnownFormat(dataDir);
  const before = readSettings(dataDir);
  const settings = settle(before, { ...readChoices(values), machines: "fake" }, defaultPool);
  for (const made of [dir, runDir, logDir]) mkdirSync(made, { recursive: true, mode: 0o700 });
  if (JSON.stringify(settings) !== JSON.stringify(before)) writeSettings(dataDir, settings);
  makeSealingKey(dataDir);
  const given = accessKey(values["access-key"]);
  if (given) writeCredentials(dataDir, given);
  else makeCredentials(dataDir);
  const self = identify(process.pid);
  return {
    settings,
    credentials: readCredentials(dataDir),
    sealingKey: readSealingKey(dataDir),
    async openStore() {
      const store = await openSqliteStore(storeDir).catch(refuseLocked(dataDir));
      // For croft status and down.
      if (self)
        writeRunning(dataDir, { supervisor: self, cacheDir: defaults.cacheDir, programs: { croft: self } });
      return store;
    },
    audit: auditFile(logDir),
    dataDir,
  };
}

/** Routed nowhere, so it is nobody's. */
const defaultPool = (asked: string | undefined) => asked ?? defaults.publicPools[0];

function accessKey(text: string | undefined): Credentials | undefined {
  if (text === undefined) return undefined;
  const [accessKeyId = "", secretAccessKey = "", ...more] = text.split(":");
  if (!/^\w{1,128}$/.test(accessKeyId) || secretAccessKey === "" || more.length > 0)
    throw new Refusal(`--access-key is ID:SECRET, such as test:test, not "${text}"`);
  return { accessKeyId, secretAccessKey };
}

const refuseTaken = (error: unknown): never => {
  if (error instanceof Error && "code" in error && error.code === "EADDRINUSE")
    throw new Refusal(`${error.message}: choose another --port`, 1);
  throw error;
};

const refuseLocked =
  (dataDir: string) =>
  (error: unknown): never => {
    if (error instanceof Error && error.message.includes("locked"))
      throw new Refusal(
        `the region at ${dataDir} is already running (process ${readRunning(dataDir)?.supervisor.pid})`,
        1,
      );
    throw error;
  };
