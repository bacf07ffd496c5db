import { randomUUID } from "node:crypto";
import { type Clock, systemClock } from "#clock.ts";
import type { DiskDriver } from "#drivers/disk/disk-driver.ts";
import { createFakeMachines } from "#drivers/machine/fake/fake-machines.ts";
import { createFakeNetworks } from "#drivers/network/fake/fake-networks.ts";
import type { NetworkDriver } from "#drivers/network/network-driver.ts";
import { createFakePassingKeys } from "#drivers/fake-passing-keys.ts";
import { createFakeExports } from "#images/fake-exports.ts";
import { createFakeImports } from "#images/fake-imports.ts";
import { runReconcilers } from "#reconcile/loop.ts";
import { workClock } from "#reconcile/work-clock.ts";
import { zoneLetters } from "#services/ec2/availability-zone/availability-zone.ts";
import { newId, random } from "#services/ec2/chance.ts";
import { hostReconcilers } from "#services/ec2/host-reconcilers.ts";
import type { ImageRecord } from "#services/ec2/image/image.ts";
import { providedImageIds } from "#services/ec2/image/provided-image.ts";
import { LaunchQueue } from "#services/ec2/instance/launch-queue.ts";
import { machineSpec } from "#services/ec2/instance/machine-spec.ts";
import { recordKey, type Scope } from "#services/ec2/records.ts";
import type { RegionalRecords } from "#services/ec2/regional-records.ts";
import { consoleReports } from "#services/host/console-reports.ts";
import type { kmsContexts } from "#services/kms/context.ts";
import { hostLease, type HostRecord } from "#services/host/host.ts";
import { renewLease } from "#services/host/presence.ts";
import type { Feed } from "#store/feed.ts";
import type { Store } from "#store/store.ts";
import { fakeInterfaces } from "./fake-interfaces.ts";

export interface FakeHostOptions {
  readonly store: Store;
  readonly feed: Feed;
  readonly regions: RegionalRecords;
  /** The region that the host reports its image to. */
  readonly home: Scope;
  readonly disks: DiskDriver;
  /** By whose keys lifecycle policies encrypt; absent: by none. */
  readonly kms?: ReturnType<typeof kmsContexts>;
  /** Real ones, in which namespaces stand for the machines; absent: no packet flows. */
  readonly networks?: NetworkDriver | undefined;
  /** What each step lets pass. */
  readonly turn?: () => Promise<void>;
  readonly signal: AbortSignal;
  readonly log: (line: string) => void;
}

/**
 * A host whose every driver is a fake, unless it is given networks: reconcilers take records through all their states, and nothing
 * else happens. There is room for whatever is asked. Resolves when instances can be launched; `stopped` when the signal has ended
 * its work.
 */
export async function runFakeHost(options: FakeHostOptions): Promise<{ readonly stopped: Promise<void> }> {
  const { store, feed, regions, home, disks, signal } = options;
  const log = (line: string) => void (signal.aborted || options.log(line));
  const machines = createFakeMachines({ says, boots: "at once" });
  const networks = options.networks ?? createFakeNetworks();
  const storeKeys = createFakePassingKeys();
  const real = hostReconcilers(regions, {
    hostId: host.id,
    // Machines end with this process, as with a host's boot, and are started again.
    bootId: randomUUID(),
    memoryMiB: host.memoryMiB,
    machines,
    disks,
    storeKeys,
    networks,
    guests: { set() {}, remove() {} },
    signIdentity: () => ({ signature: "fake", pkcs7: "fake" }),
    roles: { metadata: () => ({ tree: {} }), renewInMs: () => undefined },
    queue: new LaunchQueue(Infinity, () => {}),
    imports: createFakeImports(),
    exports: createFakeExports(),
    removeImage: async () => {},
    imageFile: (entry) => `/fake/${entry}`,
    machineSpec: (instance, records) =>
      machineSpec(instance, records, { disks, storeKeys, networks, machines, imageKernel: () => undefined }),
    lifecycle: {
      newId,
      random,
      now: () => systemClock.now(),
      homeRegion: home.region,
      publicPool: "",
      ...(options.kms && { kms: options.kms }),
    },
    worked: workClock(systemClock),
    now: () => systemClock.now(),
  });
  const loop = runReconcilers(
    store,
    feed,
    options.networks ? real : [...real.filter(({ kind }) => kind !== "vpc"), fakeInterfaces(regions)],
    {
      clock: systemClock,
      signal,
      ...(options.turn && { turn: options.turn }),
      // Steps share their waits for the disk, but the next call waits for few.
      concurrency: 8,
      log: ({ key, message }) => log(`${key}: ${message}`),
    },
  );
  const printed = consoleReports(machines, regions, store, unhurriedClock, log);
  machines.onChange((id) => {
    const found = regions.find("instance", id) ?? regions.find("volume", id);
    if (found) loop.nudge(found.key);
    printed(id);
  });
  networks.onForeignChange((id) => {
    const found = regions.find("vpc", id);
    if (found) loop.nudge(found.key);
  });

  const image = fakeImage(home.region);
  const { revision } = await store.commit({
    put: [
      { key: recordKey("host", home, host.id), value: host },
      { key: recordKey("image", home, image.id), value: image },
    ],
  });
  // Launches are taken from now on, not from whenever the lease is first renewed.
  const lease = await store.acquire(hostLease.name(host.id), host.id, hostLease.ttlMs);
  await feed.reached(lease?.revision ?? revision);
  void renewLease(store, host.id, signal, log);
  return { stopped: loop.stopped };
}

const says = "This machine is fake: nothing runs on it (croft start --machines fake).\r\n";

/** The process does not wait for its timers. */
const unhurriedClock: Clock = {
  ...systemClock,
  setTimeout(callback, ms) {
    const timer = setTimeout(callback, ms).unref();
    return () => clearTimeout(timer);
  },
};

const host: HostRecord = {
  id: "host-fake",
  zones: zoneLetters,
  cpus: 1024,
  memoryMiB: 2 ** 40,
  architecture: "x86_64",
  acceleration: { kind: "fake", reason: "--machines fake" },
  launches: { starting: [], waiting: [] },
  tags: {},
  createdAt: "2026-01-01T00:00:00.000Z",
};

/** Of its own id in each region, always the same. */
export const fakeImage = (region: string): ImageRecord => ({
  ...providedImageIds(region, "fake"),
  name: "debian-12-amd64-fake",
  description: "Fake: instances of it run no machine",
  architecture: "x86_64",
  sizeGiB: 8,
  rootDevice: "/dev/xvda",
  cacheEntry: "fake",
  tags: {},
  createdAt: host.createdAt,
});
