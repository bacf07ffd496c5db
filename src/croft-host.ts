import { existsSync, readFileSync, statfsSync } from "node:fs";
import { cpus } from "node:os";
import { systemClock } from "./clock.ts";
import { defaultRecipe, defaults, hostNames, layout, storeKeysDir } from "./config.ts";
import { openQcow2Disks } from "./drivers/disk/qcow2/qcow2-disks.ts";
import { noKeys, type OpenKey } from "./drivers/open-key.ts";
import { passingKeys } from "./drivers/passing-keys.ts";
import { serveSnapshots } from "./drivers/disk/socket/serve-snapshots.ts";
import { detectAcceleration } from "./drivers/machine/qemu/acceleration.ts";
import { hostMemory } from "./drivers/linux/host-memory.ts";
import { forgetSecretFiles } from "./drivers/linux/key-files.ts";
import { bootId } from "./drivers/linux/host-process.ts";
import { openQemuMachines } from "./drivers/machine/qemu/qemu-machines.ts";
import { openNetnsNetworks } from "./drivers/network/netns/netns-networks.ts";
import { namespaceIdentity, openGuestSockets, serveGuests } from "./guest/guest-feed.ts";
import { readResolvers, watchResolvers } from "./guest/host-resolvers.ts";
import { findBaked } from "./images/bake.ts";
import { openDiskExports } from "./images/disk-exports.ts";
import { openDiskImports } from "./images/disk-imports.ts";
import { importedDisk, removeImported } from "./images/import-image.ts";
import { readRecipe } from "./images/recipe.ts";
import type { ProgramOptions } from "./main.ts";
import { runReconcilers } from "./reconcile/loop.ts";
import { workClock } from "./reconcile/work-clock.ts";
import { newId, random } from "./services/ec2/chance.ts";
import { hostReconcilers } from "./services/ec2/host-reconcilers.ts";
import { identitySigner } from "./services/ec2/instance/identity-signature.ts";
import { instanceRoles } from "./services/ec2/instance/instance-roles.ts";
import type { InstanceRecord } from "./services/ec2/instance/instance.ts";
import { LaunchQueue } from "./services/ec2/instance/launch-queue.ts";
import { machineSpec } from "./services/ec2/instance/machine-spec.ts";
import { recordKey } from "./services/ec2/records.ts";
import { openDataKey } from "./services/ec2/volume/encryption.ts";
import { kmsContexts } from "./services/kms/context.ts";
import { KmsRecords } from "./services/kms/records.ts";
import { regionalRecords } from "./services/ec2/regional-records.ts";
import { Accounts } from "./services/iam/accounts.ts";
import { consoleReports } from "./services/host/console-reports.ts";
import { eachMinute } from "./services/host/each-minute.ts";
import { burstKeeper } from "./services/host/burst-keeper.ts";
import { creditKeeper, keepCredits } from "./services/host/credit-keeper.ts";
import {
  hostRecord,
  hostRoom,
  hostWarnings,
  promisableMiB,
  reportImage,
  withdrawGone,
} from "./services/host/host-reports.ts";
import type { HostRecord, StandingTrouble } from "./services/host/host.ts";
import { keepLayers, layerKeeper } from "./services/host/layer-keeper.ts";
import { ownHostId } from "./services/host/host-id.ts";
import { usedBytes } from "./services/host/used-bytes.ts";
import { renewLease, reporter, reportWhenChanged } from "./services/host/presence.ts";
import { readIdentityKey } from "./setup/identity-key.ts";
import { derivedKey } from "./setup/master-key.ts";
import { requireSettings } from "./setup/region-settings.ts";
import { readSealingKey } from "./setup/sealing-key.ts";
import { startFeed } from "./store/feed.ts";
import { connectStore } from "./store/socket/connect-store.ts";

/** The hands on this machine: its drivers, and the reconcilers of the records that live here. */
export async function croftHost({ dataDir, cacheDir, signal, log }: ProgramOptions): Promise<void> {
  const paths = layout(dataDir);
  const { prefix, uids } = hostNames(dataDir);
  const {
    accountId,
    region,
    publicPool,
    capacity,
    outbound = true,
    outboundTo = [],
    importDir = "",
    importFrom = [],
    exportDir = "",
  } = requireSettings(dataDir);
  const memoryMiB = promisableMiB(hostMemory().totalMiB, capacity);
  const scope = { accountId, region };
  const hostId = ownHostId(paths.hostId);
  /** Also one of an earlier recipe, which serves the volumes that were made from it, or one baked a moment ago. */
  const baked = (entry: string) => findBaked(cacheDir, { hash: entry });

  const imageFile = (entry: string) => baked(entry)?.disk ?? importedDisk(paths.imagesDir, entry);
  const keptBytes = (capacity.keptDiskMiB ?? defaults.keptDiskMiB) * 2 ** 20;
  const buckets = exportDir === "" ? undefined : exportDir;
  const authority = existsSync(paths.tls.ca) ? readFileSync(paths.tls.ca, "utf8") : undefined;

  const acceleration = await detectAcceleration();
  forgetSecretFiles();
  const sealingKey = readSealingKey(dataDir);
  // Records are there by the time that anything is asked of the drivers.
  let openKey: OpenKey = noKeys;
  const storeKeys = passingKeys(storeKeysDir(dataDir));
  const keys = storeKeys.openBeside((key) => openKey(key));
  const disks = await openQcow2Disks(paths.disksDir, { uid: uids.image, openKey: keys });
  const { snapshotsSocket: socketPath } = paths;
  const snapshots = await serveSnapshots(disks, { socketPath, uid: uids.croft, log });
  await using machines = await openQemuMachines({
    directory: paths.machinesDir,
    uids: { first: uids.firstMachine, count: 4000 },
    cgroup: prefix,
    acceleration: acceleration.kind,
    openKey: keys,
    warn: log,
  });
  const networks = await openNetnsNetworks({
    prefix,
    publicPool,
    ...(outbound && { outbound: { uid: uids.pasta, complaints: paths.pastaComplaints, to: outboundTo } }),
    onError: (error) => log(`network: ${String(error)}`),
  });
  const guests = await serveGuests({
    socketPath: paths.guestSocket,
    settings: {
      tokenKey: derivedKey(dataDir, "IMDS session tokens").toString("base64"),
      resolvers: readResolvers(),
    },
    guestUid: uids.guest,
    openSockets: (network, resolver) => openGuestSockets(`${prefix}-${network}`, resolver),
    namespaceOf: (network) => namespaceIdentity(`${prefix}-${network}`),
    log,
  });

  const unwatchResolvers = watchResolvers((resolvers) => guests.setResolvers(resolvers));

  const store = connectStore(paths.storeSocket);
  const feed = await startFeed(store, signal);
  const regions = regionalRecords(feed);
  const kmsOptions = { records: new KmsRecords(feed), sealingKey, now: () => systemClock.now() };
  openKey = openDataKey(kmsOptions);
  const kms = kmsContexts({ ...kmsOptions, accounts: new Accounts(feed, accountId) });
  const offered = baked(readRecipe(defaultRecipe).hash);
  if (offered) await reportImage(offered, scope, store);
  await withdrawGone((entry) => baked(entry) !== undefined, store);

  let troubles: readonly StandingTrouble[] = [];
  let portErrors: Readonly<Record<string, number>> = {};
  // What a program of before knew, until this one has looked.
  let bursts = feed.get<HostRecord>(recordKey("host", scope, hostId))?.value.bursts ?? {};
  let used: Readonly<Record<string, number>> = {};
  const report = reporter(() => {
    const { launches } = queue;
    const value = hostRecord({ id: hostId, acceleration, launches, memoryMiB, troubles, ...situation() });
    return store.commit({ put: [{ key: recordKey("host", scope, hostId), value }] });
  }, log);
  const queue: LaunchQueue = new LaunchQueue(
    acceleration.kind === "tcg" ? cpus().length : 2 * cpus().length,
    () => {
      report();
      for (const id of queue.launches.waiting.slice(0, 1)) lookAt("instance", id);
    },
  );
  const loop = runReconcilers(
    store,
    feed,
    hostReconcilers(regions, {
      hostId,
      bootId: bootId(),
      memoryMiB,
      machines,
      disks,
      storeKeys,
      networks,
      guests,
      queue,
      signIdentity: identitySigner(readIdentityKey(dataDir)),
      roles: instanceRoles({ sealingKey, random, now: () => systemClock.now() }),
      imageFile,
      imports: openDiskImports({
        imagesDir: paths.imagesDir,
        uid: uids.image,
        guard: {
          ...(importDir !== "" && { directory: importDir }),
          ...(buckets !== undefined && { buckets }),
          networks: importFrom,
        },
        openKey: keys,
        keptBytes,
        log,
      }),
      exports: openDiskExports({
        workDir: paths.exportingDir,
        buckets,
        uid: uids.image,
        lend: (disk, use) =>
          "snapshotId" in disk
            ? disks.lendSnapshot(disk.snapshotId, use)
            : disks.lendImage(imageFile(disk.cacheEntry), use),
        keptBytes,
        log,
      }),
      removeImage: (entry) => removeImported(paths.imagesDir, entry),
      machineSpec: (instance, records) => {
        sayIfCapped(instance);
        const imageKernel = (entry: string) => {
          const kernel = baked(entry)?.kernel;
          return kernel && ({ by: "kernel", ...kernel } as const);
        };
        return machineSpec(instance, records, {
          disks,
          storeKeys,
          networks,
          machines,
          imageKernel,
          authority,
        });
      },
      lifecycle: { newId, random, now: () => systemClock.now(), homeRegion: region, publicPool, kms },
      worked: workClock(systemClock),
      now: () => systemClock.now(),
    }),
    {
      clock: systemClock,
      signal,
      log: ({ key, message }) => log(`${key}: ${message}`),
      troubled(now) {
        troubles = now;
        report();
      },
    },
  );
  const printed = consoleReports(machines, regions, store, systemClock, log);
  machines.onChange((id) => {
    lookAt("instance", id);
    lookAt("volume", id);
    printed(id);
  });
  networks.onForeignChange((id) => lookAt("vpc", id));

  await clearStrays();
  report();
  log(`host ${hostId}: ${acceleration.kind} (${acceleration.reason})`);
  const situationKept = reportWhenChanged(situation, report, signal, log);
  const credits = creditKeeper(hostId, machines, regions, regions.in(scope).instancesOn, store, systemClock);
  const creditsKept = keepCredits(credits, signal, log);
  const layersKept = keepLayers(layerKeeper(hostId, disks, machines, feed), signal, log);
  const lookAtPorts = async () => void (portErrors = Object.fromEntries(await networks.portErrors()));
  const portErrorsWatched = eachMinute("NAT gateways", lookAtPorts, signal, log);
  const lookAtBursts = burstKeeper(hostId, machines, feed, systemClock, bursts);
  const countBursts = async () => void (bursts = await lookAtBursts());
  const burstsWatched = eachMinute("burst credits of volumes", countBursts, signal, log);
  const lookAtDisks = async () => void (used = await usedBytes(disks));
  const disksWatched = eachMinute("what disks take", lookAtDisks, signal, log);
  await renewLease(store, hostId, signal, log);
  await situationKept;
  await creditsKept;
  await layersKept;
  await portErrorsWatched;
  await burstsWatched;
  await disksWatched;
  await loop.stopped;
  unwatchResolvers();
  await guests.close();
  await snapshots.close();
  await networks.close();
  await store.close();

  function situation() {
    const { bavail, bsize } = statfsSync(paths.dir);
    const left = { memoryMiB: hostMemory().availableMiB, diskMiB: (bavail * bsize) / 2 ** 20 };
    const room = hostRoom(left, capacity);
    return { room, portErrors, bursts, usedBytes: used, warnings: hostWarnings(room, networks.conflict) };
  }

  function lookAt(kind: "instance" | "volume" | "vpc", id: string): void {
    const found = regions.find(kind, id);
    if (found) loop.nudge(found.key);
  }

  function sayIfCapped({ id, type, cappedFrom: full, ...given }: InstanceRecord): void {
    if (full)
      log(
        `${id}: of ${type}'s ${full.cpus} processors and ${full.memoryMiB} MiB it gets ${given.cpus} and ${given.memoryMiB} here`,
      );
  }

  /** What the store knows nothing of, e.g. after a restored backup. Disks are never taken for strays. */
  async function clearStrays(): Promise<void> {
    for (const id of await machines.list())
      if (!regions.find("instance", id) && !regions.find("volume", id)) await machines.remove(id);
    for (const id of (await networks.observe()).keys())
      if (!regions.find("vpc", id)) await networks.apply(id, new Map());
  }
}
