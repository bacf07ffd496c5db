import { chmodSync, existsSync, mkdirSync, readdirSync } from "node:fs";
import { defaults, hostNames, layout } from "#config.ts";
import { makeCredentials } from "#setup/credentials.ts";
import { kernelReadings, kernelTrials } from "#setup/checks/kernel-checks.ts";
import { roomChecks } from "#setup/checks/room-checks.ts";
import { debianPackages } from "#setup/debian-packages.ts";
import { setUpDefaultImage } from "#setup/default-image.ts";
import { portTrouble } from "#setup/free-port.ts";
import { copyForCaller } from "#setup/user-copies.ts";
import { makeSealingKey } from "#setup/sealing-key.ts";
import { makeIdentityKey } from "#setup/identity-key.ts";
import { joinCache, openCache } from "#setup/image-cache.ts";
import { claimPool, requireOwnPool } from "#setup/claim-pool.ts";
import { makeAwsTls, makeRegionTls } from "#setup/region-tls.ts";
import { apiEndpoint } from "#setup/api-endpoint.ts";
import { readChoices, readSettings, requireWholeTls, settle, writeSettings } from "#setup/region-settings.ts";
import type { RegionChoices } from "#setup/region-settings.ts";
import { requireKnownFormat } from "#setup/store-format.ts";
import type { RegionSettings } from "#config.ts";
import { requireHost } from "#setup/require-host.ts";
import { setUpPackages } from "#setup/set-up-packages.ts";
import { Refusal, requireRoot } from "./command.ts";
import { readCacheDir, readDataDir, requireWayIn } from "./data-dir.ts";
import type { StartValues } from "./start-options.ts";
import type { Health } from "./supervise/health.ts";
import { takeLock } from "./supervise/lock.ts";
import { pidFile } from "./supervise/programs-file.ts";
import { tellReady } from "./supervise/service-manager.ts";
import { becomeSupervisor, supervise } from "./supervise/supervise.ts";
import { welcome } from "./welcome.ts";

/** Sets up what is missing and supervises the three programs until `signal` aborts. */
export async function startMachines(values: StartValues, signal: AbortSignal): Promise<void> {
  for (const option of ["ephemeral", "access-key"] as const)
    if (values[option] !== undefined) throw new Refusal(`--${option} is for --machines fake`);
  const choices: RegionChoices = { ...readChoices(values), machines: "qemu" };
  const dataDir = readDataDir(values["data-dir"]);
  const cacheDir = readCacheDir(values["cache-dir"]);
  if (process.platform === "linux") requireRoot("to make machines and networks");
  const before = readSettings(dataDir);
  const capacity = { ...defaults.capacity, ...before?.capacity, ...choices.capacity };
  const place = { dataDir, cacheDir, settings: before, capacity };
  await requireHost([...kernelReadings, ...roomChecks], place);
  requireWayIn(dataDir);

  using region = openRegion(dataDir);
  // A start that would be refused later is refused before it changes anything.
  requireKnownFormat(dataDir);
  if (region.kept) settle(region.kept, choices, neverChosen);
  await becomeSupervisor({ dataDir, cacheDir });
  openCache(cacheDir);
  await setUpPackages(debianPackages, { yes: values.yes ?? false });
  await requireHost(kernelTrials, place);
  const image = await setUpDefaultImage(cacheDir, signal);
  if (!image) return;

  const settings = settleSettings(dataDir, region.kept, choices);
  await requireFreePort(settings);
  makeIdentityKey(dataDir, settings.region);
  makeSealingKey(dataDir);
  makeCredentials(dataDir);
  copyForCaller(dataDir);
  makeRegionTls(dataDir, settings);
  makeAwsTls(dataDir, settings);
  joinCache(cacheDir, dataDir);
  const api = apiEndpoint(dataDir, settings).localUrl;
  const ready = (health: Health) => {
    process.stdout.write(welcome({ dataDir, settings, health, image: image.name }));
    tellReady(api);
  };
  await supervise({ dataDir, cacheDir, api }, ready, signal);
}

/** Makes the directory, holds its lock until disposed of, and answers the settings it was made with, if it was. */
const openRegion = (dataDir: string): Disposable & { readonly kept: RegionSettings | undefined } => {
  const { dir, runDir, settings } = layout(dataDir);
  const holdsOther =
    existsSync(dir) && !existsSync(settings) && readdirSync(dir).some((name) => name !== "run");
  if (holdsOther) throw new Refusal(`${dir} holds other things: --data-dir is a directory of its own`);
  for (const made of [dir, runDir]) {
    mkdirSync(made, { recursive: true });
    // The programs' own users pass through to what is theirs, and see no names on the way.
    chmodSync(made, 0o711);
  }
  const lock = takeLock(pidFile(dataDir));
  if ("heldBy" in lock)
    throw new Refusal(`the region at ${dir} is already running (process ${lock.heldBy})`, 1);
  return { ...lock, kept: readSettings(dataDir) };
};

const settleSettings = (
  dataDir: string,
  kept: RegionSettings | undefined,
  choices: RegionChoices,
): RegionSettings => {
  if (kept) requireOwnPool(kept.publicPool, hostNames(dataDir).prefix);
  const settings = settle(kept, choices, claimPool);
  requireWholeTls(settings);
  if (JSON.stringify(settings) !== JSON.stringify(kept)) writeSettings(dataDir, settings);
  return settings;
};

const neverChosen = (): never => {
  throw new Error("a kept region has its pool");
};

/** Otherwise another program's answers could pass for the region's. */
const requireFreePort = async ({ port, listen = "127.0.0.1" }: RegionSettings): Promise<void> => {
  const trouble = await portTrouble(port, listen);
  if (trouble !== undefined)
    throw new Refusal(`port ${port} of ${listen} cannot be used (${trouble}): choose another --port`, 1);
};
