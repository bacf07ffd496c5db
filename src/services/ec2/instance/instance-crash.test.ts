import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import type { Clock } from "#clock.ts";
import { createFakeDisks } from "#drivers/disk/fake/fake-disks.ts";
import { createFakePassingKeys } from "#drivers/fake-passing-keys.ts";
import {
  createFakeMachines,
  type FakeMachines,
  type FakeOptions,
} from "#drivers/machine/fake/fake-machines.ts";
import { createFakeExports } from "#images/fake-exports.ts";
import { createFakeImports } from "#images/fake-imports.ts";
import { createFakeNetworks } from "#drivers/network/fake/fake-networks.ts";
import type { GuestNetwork } from "#guest/guest-snapshot.ts";
import { moved, settled, wait, type Reconciler } from "#reconcile/outcome.ts";
import { workClock } from "#reconcile/work-clock.ts";
import type { Feed } from "#store/feed.ts";
import { type CrashScene, crashEverywhere, type SceneEnd } from "#testing/crash-everywhere.ts";
import { openMemoryStore } from "#store/sqlite/memory-store.ts";
import { testContext, testHost, testImage, testLease } from "#testing/region.ts";
import { newId, random } from "../chance.ts";
import type { Ec2Context } from "../context.ts";
import { hostReconcilers } from "../host-reconcilers.ts";
import { type Ec2Records, recordKey } from "../records.ts";
import { type RegionalRecords, regionalRecords } from "../regional-records.ts";
import { Accounts } from "../../iam/accounts.ts";
import { KmsRecords } from "../../kms/records.ts";
import { defaultVpc } from "../vpc/default-vpc.ts";
import { attachmentOperations } from "../network-interface/attachment-operations.ts";
import { attachmentStatus } from "../network-interface/network-interface.ts";
import { newVolumeOperations } from "../volume/new-volume-operations.ts";
import { volumeAttachmentOperations } from "../volume/volume-attachment-operations.ts";
import { newSnapshotOperations } from "../snapshot/new-snapshot-operations.ts";
import { isPending } from "../snapshot/snapshot.ts";
import { together as joined } from "../together.ts";
import { volumeModificationOperations } from "../volume/volume-modification-operations.ts";
import { modificationState } from "../volume/volume-modification.ts";
import { volumeLimits } from "../volume/volume-limits.ts";
import { attachmentState } from "../volume/volume.ts";
import { copyImageOperations } from "../image/copy-image-operations.ts";
import { imageOperations } from "../image/image-operations.ts";
import { imageState } from "../image/image.ts";
import { newImageOperations } from "../image/new-image-operations.ts";
import { rootReplacementOperations } from "../root-replacement/root-replacement-operations.ts";
import { hasEnded, taskState } from "../root-replacement/root-replacement.ts";
import { newInterfaceOperations } from "../network-interface/new-interface-operations.ts";
import { instanceOperations } from "./instance-operations.ts";
import { instanceState, type InstanceRecord } from "./instance.ts";
import { instanceStores } from "./instance-store.ts";
import { LaunchQueue } from "./launch-queue.ts";
import { machineSpec } from "./machine-spec.ts";
import { systemCheck } from "./status-checks.ts";

const limit = { timeout: 400_000 };

/** What a user asks for, each as soon as the instance is as the one before left it. */
type Wish =
  | "launch"
  | "launch with a store"
  | "stop"
  | "start"
  | "reboot"
  | "terminate"
  | "create"
  | "attach"
  | "detach"
  | "launch other"
  | "create volume"
  | "create shared volume"
  | "attach volume to other"
  | "detach volume from other"
  | "hasten volume"
  | "attach volume"
  | "detach volume"
  | "modify volume"
  | "modify shared volume"
  | "delete volume"
  | "snapshot"
  | "snapshot all"
  | "copy snapshot"
  | "volume from snapshot"
  | "delete snapshots"
  | "replace root"
  | "replace root by snapshot"
  | "replace and delete root"
  | "image"
  | "image at once"
  | "copy image"
  | "deregister";
const aLife = ["launch", "stop", "start", "reboot", "terminate"] as const satisfies Wish[];
const until = (last: (typeof aLife)[number]): readonly Wish[] => aLife.slice(0, aLife.indexOf(last) + 1);

for (const last of aLife)
  test(`${until(last).join(", ")}: every crash on the way ends the same`, limit, async () => {
    const crashes = await crashEverywhere(scene({ wishes: until(last) }), async (end) => {
      await recordsAndDriversAgree(end);
      assert.deepEqual(
        statesAtEnd(end),
        [last === "terminate" ? [] : [last === "stop" ? "stopped" : "running"]].flat(),
      );
    });
    assert.ok(crashes > 20, `${crashes} crashes`);
  });

test(
  "a terminated instance leaves nothing, in the records or on the host, after any crash",
  limit,
  async () => {
    await crashEverywhere(scene({ wishes: aLife }), async ({ store, drivers }) => {
      const kinds = new Set((await store.list("")).entries.map(({ key }) => key.split("/")[0]));
      assert.deepEqual(
        kinds,
        new Set(
          "claim dhcp-options host image internet-gateway lease member network-acl route-table security-group subnet user vpc".split(
            " ",
          ),
        ),
      );
      const claims = (await store.list("claim/")).entries.map(({ key }) => key.split("/")[3]);
      assert.deepEqual(claims, [
        "default-dhcp-options",
        "default-network-acl",
        "default-vpc",
        "internet-gateway-of",
        "main-route-table",
        "security-group-name",
      ]);
      assert.deepEqual(await drivers.machines.list(), []);
      assert.deepEqual(await drivers.disks.list(), []);
      assert.deepEqual(await drivers.networks.observe(), new Map());
      assert.equal(drivers.guests.networks.size, 0);
    });
  },
);

test("a guest that does not heed the power button is stopped after any crash too", limit, async () => {
  await crashEverywhere(scene({ wishes: until("stop"), listens: false }), async (end) => {
    await recordsAndDriversAgree(end);
    assert.deepEqual(statesAtEnd(end), ["stopped"]);
  });
});

test("a host that loses power starts again what was running, and nothing else", limit, async () => {
  for (const last of ["launch", "stop", "start"] as const)
    await crashEverywhere(scene({ wishes: until(last), losesPower: true }), async (end) => {
      await recordsAndDriversAgree(end);
      assert.deepEqual(statesAtEnd(end), [last === "stop" ? "stopped" : "running"]);
      const checks = recordsOf(end).all("instance").map(systemCheck);
      assert.deepEqual(checks, [last === "stop" ? "not-applicable" : "ok"]);
    });
});

for (const [last, disks] of [
  ["stop", 0],
  ["start", 1],
  ["reboot", 1],
  ["terminate", 0],
] as const)
  test(
    `an instance store, ${until(last).join(", ")}: every crash on the way ends the same`,
    limit,
    async () => {
      await crashEverywhere(
        scene({ wishes: ["launch with a store", ...until(last).slice(1)] }),
        async (end) => {
          await recordsAndDriversAgree(end);
          assert.equal((await end.drivers.disks.list()).filter((id) => id.startsWith("AWS")).length, disks);
        },
      );
    },
  );

for (const [what, options, running] of [
  ["attached while it runs", { wishes: ["launch", "create", "attach"] }, 2],
  ["attached, and its host loses power", { wishes: ["launch", "create", "attach"], losesPower: true }, 2],
  ["attached while it is stopped", { wishes: ["launch", "create", "stop", "attach"] }, 0],
  ["detached while it runs", { wishes: ["launch", "create", "attach", "detach"] }, 1],
  [
    "detached, and its host loses power",
    { wishes: ["launch", "create", "attach", "detach"], losesPower: true },
    1,
  ],
  ["detached while it is stopped", { wishes: ["launch", "create", "attach", "stop", "detach"] }, 0],
  [
    "detached from a guest that never lets go",
    { wishes: ["launch", "create", "attach", "detach"], listens: false },
    1,
  ],
] as const satisfies [string, SceneOptions, number][])
  test(`an interface is ${what}: every crash on the way ends the same`, limit, async () => {
    const crashes = await crashEverywhere(scene(options), async (end) => {
      await recordsAndDriversAgree(end);
      const records = recordsOf(end);
      const [instance] = records.all("instance");
      assert.equal(records.all("network-interface").length, 2);
      assert.equal(end.drivers.machines.spec(instance?.id ?? "")?.ports.length ?? 0, running);
    });
    assert.ok(crashes > 20, `${crashes} crashes`);
  });

const withVolume = ["launch", "create volume", "attach volume"] as const;
for (const [what, options, [volumes, running]] of [
  ["attached while the instance runs", { wishes: withVolume }, [2, 2]],
  ["attached, and its host loses power", { wishes: withVolume, losesPower: true }, [2, 2]],
  [
    "attached while the instance is stopped",
    { wishes: ["launch", "create volume", "stop", "attach volume", "start"] },
    [2, 2],
  ],
  ["detached while the instance runs", { wishes: [...withVolume, "detach volume"] }, [2, 1]],
  [
    "detached, and its host loses power",
    { wishes: [...withVolume, "detach volume"], losesPower: true },
    [2, 1],
  ],
  ["detached while the instance is stopped", { wishes: [...withVolume, "stop", "detach volume"] }, [2, 0]],
  ["attached and made larger", { wishes: [...withVolume, "modify volume"] }, [2, 2]],
  [
    "made larger and deleted",
    { wishes: ["launch", "create volume", "modify volume", "delete volume"] },
    [1, 1],
  ],
  ["detached and deleted", { wishes: [...withVolume, "detach volume", "delete volume"] }, [1, 1]],
  ["attached when its instance is terminated", { wishes: [...withVolume, "terminate"] }, [1, 0]],
] as const satisfies [string, SceneOptions, [number, number]][])
  test(`a volume is ${what}: every crash on the way ends the same`, limit, async () => {
    const crashes = await crashEverywhere(scene(options), async (end) => {
      await recordsAndDriversAgree(end);
      const records = recordsOf(end);
      const [instance] = records.all("instance");
      assert.equal(records.all("volume").length, volumes);
      assert.equal(end.drivers.machines.spec(instance?.id ?? "")?.disks.length ?? 0, running);
    });
    assert.ok(crashes > 20, `${crashes} crashes`);
  });

const shared = [
  "launch",
  "launch other",
  "create shared volume",
  "attach volume",
  "attach volume to other",
] as const;
for (const [what, options, [volumes, first, second]] of [
  ["attached to two instances that run", { wishes: shared }, [3, 2, 2]],
  ["attached to two instances, and their host loses power", { wishes: shared, losesPower: true }, [3, 2, 2]],
  ["detached from one of two instances", { wishes: [...shared, "detach volume"] }, [3, 1, 2]],
  [
    "detached from both, and deleted",
    { wishes: [...shared, "detach volume", "detach volume from other", "delete volume"] },
    [2, 1, 1],
  ],
  [
    "made faster, and a snapshot is made of it",
    { wishes: [...shared, "hasten volume", "snapshot"] },
    [3, 2, 2],
  ],
  ["made larger", { wishes: [...shared, "modify shared volume"] }, [3, 2, 2]],
  [
    "made larger, and its host loses power",
    { wishes: [...shared, "modify shared volume"], losesPower: true },
    [3, 2, 2],
  ],
  ["left by an instance that is terminated", { wishes: [...shared, "terminate"] }, [2, 0, 2]],
] as const satisfies [string, SceneOptions, [number, number, number]][])
  test(`a volume with Multi-Attach is ${what}: every crash on the way ends the same`, limit, async () => {
    const crashes = await crashEverywhere(scene(options), async (end) => {
      await recordsAndDriversAgree(end);
      const records = recordsOf(end);
      const disks = bothOf(records).map((it) => end.drivers.machines.spec(it?.id ?? "")?.disks.length ?? 0);
      assert.deepEqual([records.all("volume").length, ...disks], [volumes, first, second]);
      assert.ok(records.all("snapshot").every(({ so }) => so.completedAt));
    });
    assert.ok(crashes > 20, `${crashes} crashes`);
  });

for (const [what, options] of [
  ["is of all its volumes", { wishes: [...shared, "snapshot all"] }],
  [
    "is of all its volumes, and the host loses power",
    { wishes: [...shared, "snapshot all"], losesPower: true },
  ],
  ["is of all its volumes, and it is terminated", { wishes: [...shared, "snapshot all", "terminate"] }],
  ["is an image of it", { wishes: [...shared, "image"] }],
  ["is an image of it, without a reboot", { wishes: [...shared, "image at once"] }],
] as const satisfies [string, SceneOptions][])
  test(
    `a snapshot of an instance with a shared volume ${what}: every crash on the way ends the same`,
    limit,
    async () => {
      const crashes = await crashEverywhere(scene(options), async (end) => {
        await recordsAndDriversAgree(end);
        const snapshots = recordsOf(end).all("snapshot");
        assert.equal(snapshots.length, 2);
        assert.ok(snapshots.every(({ so }) => so.completedAt));
        assert.deepEqual(ids(snapshots), new Set(await end.drivers.disks.snapshots()));
      });
      assert.ok(crashes > 20, `${crashes} crashes`);
    },
  );

const together = [...withVolume, "snapshot all"] as const;
for (const [what, options, [snapshots, volumes]] of [
  ["made of a volume at rest", { wishes: ["launch", "create volume", "snapshot"] }, [1, 2]],
  ["made of all volumes of an instance", { wishes: together }, [2, 2]],
  ["made, and the host loses power", { wishes: together, losesPower: true }, [2, 2]],
  [
    "asked for before its volume is deleted",
    { wishes: ["launch", "create volume", "snapshot", "delete volume"] },
    [1, 1],
  ],
  ["made when its instance is terminated", { wishes: [...together, "terminate"] }, [2, 1]],
  ["copied, and the others deleted", { wishes: [...together, "copy snapshot", "delete snapshots"] }, [0, 2]],
  [
    "what a volume is made of, and deleted",
    { wishes: [...together, "snapshot", "volume from snapshot", "delete snapshots"] },
    [0, 3],
  ],
] as const satisfies [string, SceneOptions, [number, number]][])
  test(`a snapshot is ${what}: every crash on the way ends the same`, limit, async () => {
    const crashes = await crashEverywhere(scene(options), async (end) => {
      await recordsAndDriversAgree(end);
      const records = recordsOf(end);
      const { disks, machines } = end.drivers;
      assert.deepEqual([records.all("snapshot").length, records.all("volume").length], [snapshots, volumes]);
      assert.deepEqual(ids(records.all("snapshot")), new Set(await disks.snapshots()));
      assert.ok(records.all("snapshot").every(({ so }) => so.completedAt !== undefined));
      for (const { id } of records.all("instance"))
        for (const disk of machines.spec(id)?.disks ?? [])
          assert.deepEqual({ path: disk.path, below: disk.below }, await disks.locate(disk.id));
    });
    assert.ok(crashes > 15, `${crashes} crashes`);
  });

for (const [what, wishes] of [
  ["are launched with an instance, and it stops and starts", ["launch", "stop", "start"]],
  ["are attached, snapshot and copied", [...together, "copy snapshot", "delete snapshots"]],
  ["are made of snapshots", [...together, "snapshot", "volume from snapshot", "delete snapshots"]],
  ["become an image", [...withVolume, "image"]],
  ["are of a copied image", ["launch", "copy image"]],
] as const satisfies [string, readonly Wish[]][])
  test(`encrypted volumes ${what}: after every crash each has its record's key`, limit, async () => {
    await crashEverywhere(scene({ wishes, encrypted: true }), async (end) => {
      await recordsAndDriversAgree(end);
      const records = recordsOf(end);
      const { disks, machines } = end.drivers;
      for (const { id, encryption } of records.all("volume")) {
        assert.ok(encryption);
        assert.equal((await disks.locate(id)).encrypted?.key, encryption.dataKey);
      }
      for (const { encryption, so } of records.all("snapshot")) assert.ok(encryption && so.completedAt);
      for (const { id } of records.all("instance"))
        for (const { limits: _, id: disk, ...place } of machines.spec(id)?.disks ?? [])
          assert.deepEqual(place, await disks.locate(disk));
    });
  });

for (const [what, options, [snapshots, running]] of [
  ["made of a running instance", { wishes: [...withVolume, "image"] }, [2, 1]],
  ["made without a reboot", { wishes: [...withVolume, "image at once"] }, [2, 1]],
  ["made, and the host loses power", { wishes: [...withVolume, "image"], losesPower: true }, [2, 1]],
  ["made of a stopped instance, which starts", { wishes: ["launch", "stop", "image", "start"] }, [1, 1]],
  ["made of an instance that is rebooted", { wishes: ["launch", "image", "reboot"] }, [1, 1]],
  ["made of an instance that is terminated", { wishes: ["launch", "image", "terminate"] }, [1, 0]],
  ["copied from the provided one", { wishes: ["launch", "copy image"] }, [1, 1]],
  ["made and deregistered with its snapshots", { wishes: ["launch", "image", "deregister"] }, [0, 1]],
] as const satisfies [string, SceneOptions, [number, number]][])
  test(`an image is ${what}: every crash on the way ends the same`, limit, async () => {
    const crashes = await crashEverywhere(scene(options), async (end) => {
      await recordsAndDriversAgree(end);
      const records = recordsOf(end);
      assert.deepEqual(ids(records.all("snapshot")), new Set(await end.drivers.disks.snapshots()));
      assert.equal(records.all("snapshot").length, snapshots);
      assert.equal(statesAtEnd(end).filter((it) => it === "running").length, running);
      const made = records.all("image").filter((it) => it.id !== testImage.id);
      assert.deepEqual(
        made.map((it) => imageState(it, records)),
        snapshots === 0 ? [] : ["available"],
      );
      for (const { id } of records.all("instance"))
        for (const disk of end.drivers.machines.spec(id)?.disks ?? [])
          assert.deepEqual({ path: disk.path, below: disk.below }, await end.drivers.disks.locate(disk.id));
    });
    assert.ok(crashes > 20, `${crashes} crashes`);
  });

test("an image of a guest that does not listen is made once it is switched off", limit, async () => {
  const options: SceneOptions = { wishes: ["launch", "image"], listens: false };
  await crashEverywhere(
    scene(options),
    async (end) => {
      await recordsAndDriversAgree(end);
      const records = recordsOf(end);
      assert.deepEqual(statesAtEnd(end), ["running"]);
      assert.ok(records.all("image").every((it) => imageState(it, records) === "available"));
      assert.equal((await end.drivers.disks.snapshots()).length, 1);
    },
    50,
  );
});

const oneSnapshot = ["launch", "create volume", "snapshot all", "replace root by snapshot"] as const;
for (const [what, options, [volumes, state]] of [
  ["replaced", { wishes: ["launch", "replace root"] }, [2, "succeeded"]],
  ["replaced and deleted", { wishes: ["launch", "replace and delete root"] }, [1, "succeeded"]],
  ["replaced beside another", { wishes: [...withVolume, "replace root"] }, [3, "succeeded"]],
  ["replaced by a snapshot of it", { wishes: oneSnapshot }, [3, "succeeded"]],
  [
    "replaced, and its host loses power",
    { wishes: ["launch", "replace and delete root"], losesPower: true },
    [1, "succeeded"],
  ],
  [
    "replaced in an instance that is stopped and started",
    { wishes: ["launch", "replace root", "stop", "start"] },
    [2, "succeeded"],
  ],
  [
    "replaced while an image is made of its instance",
    { wishes: ["launch", "replace and delete root", "image"] },
    [1, "succeeded"],
  ],
  ["replaced, and replaced again", { wishes: ["launch", "replace root", "replace root"] }, [3, "succeeded"]],
] as const satisfies [string, SceneOptions, [number, string]][])
  test(`a root volume is ${what}: every crash on the way ends the same`, limit, async () => {
    const crashes = await crashEverywhere(scene(options), (end) => rootIsReplaced(end, volumes, state));
    assert.ok(crashes > 20, `${crashes} crashes`);
  });

test("a root volume is replaced in a guest that does not listen, after any crash too", limit, async () => {
  const options: SceneOptions = { wishes: ["launch", "replace and delete root"], listens: false };
  await crashEverywhere(scene(options), (end) => rootIsReplaced(end, 1, "succeeded"), 50);
});

test(
  "an instance that ends while its root volume is replaced leaves nothing of it, after any crash",
  limit,
  async () => {
    await crashEverywhere(
      scene({ wishes: ["launch", "replace and delete root", "terminate"] }),
      async (end) => {
        await recordsAndDriversAgree(end);
        const records = recordsOf(end);
        assert.deepEqual([records.all("volume"), records.all("replace-root-volume-task")], [[], []]);
        assert.deepEqual(await end.drivers.disks.list(), []);
      },
    );
  },
);

test(
  "a root volume with which no machine starts gives way to the original, after any crash",
  limit,
  async () => {
    const options: SceneOptions = {
      wishes: ["launch", "replace and delete root"],
      startsWith: "its first root",
    };
    await crashEverywhere(
      scene(options),
      async (end) => {
        await rootIsReplaced(end, 1, "failed");
        const [task] = recordsOf(end).all("replace-root-volume-task");
        assert.deepEqual(ids(recordsOf(end).all("volume")), new Set([task?.from.volumeId]));
      },
      25,
    );
  },
);

async function rootIsReplaced(end: SceneEnd<Drivers>, volumes: number, state: string): Promise<void> {
  await recordsAndDriversAgree(end);
  const records = recordsOf(end);
  const { machines, disks } = end.drivers;
  assert.deepEqual(statesAtEnd(end), ["running"]);
  assert.equal(records.all("volume").length, volumes);
  const tasks = records.all("replace-root-volume-task");
  assert.ok(tasks.length > 0 && tasks.every((it) => taskState(it) === state), JSON.stringify(tasks));
  const [instance] = records.all("instance");
  const roots = records
    .volumesOf(instance?.id ?? "")
    .filter(({ attachments }) => attachments[0]?.device === testImage.rootDevice);
  assert.equal(roots.length, 1);
  const disk = machines.spec(instance?.id ?? "")?.disks[0];
  assert.equal(disk?.id, roots[0]?.id);
  assert.deepEqual({ path: disk?.path, below: disk?.below }, await disks.locate(disk?.id ?? ""));
  const kept = tasks.filter((it) => state === "failed" || !it.deleteReplaced);
  for (const { from } of kept) assert.ok(records.get("volume", from.volumeId), `${from.volumeId} is gone`);
}

interface SceneOptions extends FakeOptions {
  /** What machines start with; absent: with anything. */
  readonly startsWith?: "its first root";
  readonly wishes: readonly Wish[];
  /** The crash ends every machine on the host. */
  readonly losesPower?: boolean;
  /** All that is new is encrypted by default. */
  readonly encrypted?: true;
}

const scope = { accountId: "111122223333", region: "eu-central-1" };

const newDrivers = ({ startsWith, encrypted: _, ...options }: Omit<SceneOptions, "wishes">) => ({
  machines: startsWith ? faithful(createFakeMachines(options)) : createFakeMachines(options),
  disks: createFakeDisks(),
  storeKeys: createFakePassingKeys(),
  networks: createFakeNetworks(),
  guests: new Guests(),
});
type Drivers = ReturnType<typeof newDrivers>;

/** They start with no other disk to boot from than they had. */
function faithful(machines: FakeMachines): FakeMachines {
  const ensure = machines.ensure.bind(machines);
  const firsts = new Map<string, string | undefined>();
  machines.ensure = async (spec) => {
    const [disk] = spec.disks;
    if (!firsts.has(spec.id)) firsts.set(spec.id, disk?.id);
    if (firsts.get(spec.id) !== disk?.id) throw new Error("it does not start");
    return ensure(spec);
  };
  return machines;
}

class Guests {
  readonly networks = new Map<string, GuestNetwork>();
  set(network: GuestNetwork): void {
    this.networks.set(network.id, network);
  }
  remove(id: string): void {
    this.networks.delete(id);
  }
}

/** A region whose user asks for one thing after the other. */
const scene =
  ({ wishes, losesPower = false, ...options }: SceneOptions) =>
  async (): Promise<CrashScene<Drivers>> => {
    const store = openMemoryStore();
    const drivers = newDrivers(options);
    let boots = 0;
    await store.commit({
      put: [
        { key: recordKey("host", scope, testHost.id), value: testHost },
        testLease,
        { key: recordKey("image", scope, testImage.id), value: testImage },
        { key: "user/1", value: 0 },
        ...(options.encrypted
          ? [
              {
                key: recordKey("ebs-settings", scope, "settings"),
                value: { id: "settings", tags: {}, createdAt: testImage.createdAt, encrypted: true },
              },
            ]
          : []),
      ],
    });
    return {
      store,
      drivers,
      reconcilers({ feed, drivers: hands, clock }) {
        if (boots++ > 0 && losesPower) void endEveryMachine(drivers);
        const regions = regionalRecords(feed);
        const bootId = `boot-${losesPower ? boots : 1}`;
        return [user(feed, regions.in(scope), clock, wishes), ...hostOf(regions, hands, clock, bootId)];
      },
    };
  };

async function endEveryMachine({ machines }: Drivers): Promise<void> {
  for (const id of await machines.list()) await machines.stop(id);
}

function hostOf(regions: RegionalRecords, drivers: Drivers, clock: Clock, bootId: string): Reconciler[] {
  const { disks, storeKeys, networks } = drivers;
  return hostReconcilers(regions, {
    ...drivers,
    bootId,
    hostId: testHost.id,
    memoryMiB: testHost.memoryMiB,
    queue: new LaunchQueue(1, () => {}),
    signIdentity: () => ({ signature: "", pkcs7: "" }),
    roles: { metadata: () => ({ tree: {} }), renewInMs: () => undefined },
    imports: createFakeImports(),
    exports: createFakeExports(),
    removeImage: async () => {},
    imageFile: (entry) => `/cache/${entry}/disk.qcow2`,
    machineSpec: (it, records) =>
      machineSpec(it, records, {
        disks,
        storeKeys,
        networks,
        machines: drivers.machines,
        imageKernel: () => undefined,
      }),
    lifecycle: { newId, random, now: () => clock.now(), homeRegion: scope.region, publicPool: "" },
    worked: workClock(clock),
    now: () => clock.now(),
  });
}

/** Says each wish once: that it was said is written with what it asks for. */
function user(feed: Feed, records: Ec2Records, clock: Clock, wishes: readonly Wish[]): Reconciler {
  const context: Ec2Context = {
    ...testContext(records, clock),
    kms: {
      ...scope,
      records: new KmsRecords(feed),
      accounts: new Accounts(feed, scope.accountId),
      sealingKey: Buffer.alloc(32, 7),
      now: () => clock.now(),
      newKeyId: randomUUID,
      caller: {
        accountId: scope.accountId,
        accessKeyId: "",
        arn: `arn:aws:iam::${scope.accountId}:root`,
        userId: scope.accountId,
        principalArn: `arn:aws:iam::${scope.accountId}:root`,
        type: "Account",
      },
    },
  };
  return {
    kind: "user",
    async step(key) {
      if (!records.claimed("default-vpc")) return moved(defaultVpc(context) ?? {});
      const said = feed.get<number>(key)?.value ?? 0;
      const wish = wishes[said];
      if (wish === undefined) return settled;
      const [instance, other] = bothOf(records);
      const lastState = wishes.slice(0, said).findLast((it) => ofInstance.has(it));
      // Nothing is made of one that is pending.
      const waits = ["copy snapshot", "volume from snapshot", "replace root by snapshot"].includes(wish);
      if (waits && records.all("snapshot").some(isPending)) return wait(1_000);
      const tasks = records.all("replace-root-volume-task");
      const [isReplacing, wasReplacing] = [wish, wishes[said - 1]].map((it) => it?.startsWith("replace"));
      if (isReplacing && !tasks.every(hasEnded)) return wait(1_000);
      // In the midst of it.
      const asSoonAsBegun = wasReplacing && ["image", "stop", "terminate"].includes(wish);
      const otherRuns = !other || instanceState(other) === "running";
      const rests =
        otherRuns && isAsLeftBy(lastState, instance) && interfacesRest(records) && volumesRest(records);
      if (asSoonAsBegun ? !tasks.every(({ so }) => so.begun) : !rests) return wait(1_000);
      const { transaction = {} } = await planOf(wish, instance?.id ?? "", context);
      return moved({ ...transaction, put: [...(transaction.put ?? []), { key, value: said + 1 }] });
    },
  };
}

const ofInstance: ReadonlySet<Wish> = new Set([...aLife, "launch with a store"]);

const interfacesRest = (records: Ec2Records) =>
  records
    .all("network-interface")
    .every(({ attachment, so }) => !attachment || attachmentStatus(attachment, so) === "attached");

const volumesRest = (records: Ec2Records) =>
  records
    .all("volume")
    .every(
      (it) =>
        it.so.ready &&
        !it.deleting &&
        it.attachments.every((attachment) => attachmentState(it, attachment) === "attached") &&
        (!it.modification || modificationState(it.modification) === "completed"),
    );

function isAsLeftBy(wish: Wish | undefined, instance: InstanceRecord | undefined): boolean {
  if (!instance) return wish === undefined;
  return (
    instanceState(instance) === (wish === "stop" ? "stopped" : "running") &&
    (wish === "stop" || instance.so.reboots === instance.wanted.reboots)
  );
}

function planOf(wish: Wish, id: string, context: Ec2Context) {
  const { records } = context;
  const named = { InstanceIds: [id] };
  const [instance, other] = bothOf(records);
  const extra = records
    .all("volume")
    .find(({ attachments }) => attachments.every(({ device }) => device !== testImage.rootDevice));
  const second = records.all("network-interface").find((it) => it.attachment?.deviceIndex !== 0);
  switch (wish) {
    case "launch":
    case "launch with a store":
      return instanceOperations.RunInstances.resolve(
        {
          ImageId: testImage.id,
          InstanceType: wish === "launch" ? "t3.micro" : "m5d.large",
          MinCount: 1,
          MaxCount: 1,
          ClientToken: "once",
        },
        context,
      );
    case "create":
      return newInterfaceOperations.CreateNetworkInterface.resolve(
        { SubnetId: instance?.subnetId ?? "" },
        context,
      );
    case "attach":
      return attachmentOperations.AttachNetworkInterface.resolve(
        { InstanceId: id, NetworkInterfaceId: second?.id ?? "", DeviceIndex: 1 },
        context,
      );
    case "detach":
      return attachmentOperations.DetachNetworkInterface.resolve(
        { AttachmentId: second?.attachment?.id ?? "" },
        context,
      );
    case "launch other":
      return instanceOperations.RunInstances.resolve(
        {
          ImageId: testImage.id,
          InstanceType: "t3.micro",
          MinCount: 1,
          MaxCount: 1,
          SubnetId: instance?.subnetId,
          ClientToken: "other",
        },
        context,
      );
    case "create volume":
      return newVolumeOperations.CreateVolume.resolve(
        { AvailabilityZone: instance?.zone, Size: 1, ClientToken: "volume" },
        context,
      );
    case "create shared volume":
      return newVolumeOperations.CreateVolume.resolve(
        { AvailabilityZone: instance?.zone, Size: 4, VolumeType: "io2", Iops: 100, MultiAttachEnabled: true },
        context,
      );
    case "attach volume":
      return volumeAttachmentOperations.AttachVolume.resolve(
        { InstanceId: id, VolumeId: extra?.id ?? "", Device: "/dev/sdf" },
        context,
      );
    case "attach volume to other":
      return volumeAttachmentOperations.AttachVolume.resolve(
        { InstanceId: other?.id ?? "", VolumeId: extra?.id ?? "", Device: "/dev/sdg" },
        context,
      );
    case "detach volume from other":
      return volumeAttachmentOperations.DetachVolume.resolve(
        { VolumeId: extra?.id ?? "", InstanceId: other?.id ?? "" },
        context,
      );
    case "detach volume":
      return volumeAttachmentOperations.DetachVolume.resolve(
        { VolumeId: extra?.id ?? "", InstanceId: id },
        context,
      );
    case "hasten volume":
      return volumeModificationOperations.ModifyVolume.resolve(
        { VolumeId: extra?.id ?? "", Iops: 200 },
        context,
      );
    case "modify volume":
    case "modify shared volume":
      return volumeModificationOperations.ModifyVolume.resolve(
        { VolumeId: extra?.id ?? "", Size: wish === "modify volume" ? 2 : 8 },
        context,
      );
    case "delete volume":
      return newVolumeOperations.DeleteVolume.resolve({ VolumeId: extra?.id ?? "" }, context);
    case "snapshot":
      return newSnapshotOperations.CreateSnapshot.resolve({ VolumeId: extra?.id ?? "" }, context);
    case "snapshot all":
      return newSnapshotOperations.CreateSnapshots.resolve(
        { InstanceSpecification: { InstanceId: id } },
        context,
      );
    case "copy snapshot":
      return newSnapshotOperations.CopySnapshot.resolve(
        { SourceRegion: scope.region, SourceSnapshotId: records.all("snapshot")[0]?.id ?? "" },
        context,
      );
    case "volume from snapshot":
      return newVolumeOperations.CreateVolume.resolve(
        { AvailabilityZone: instance?.zone, SnapshotId: records.all("snapshot")[0]?.id },
        context,
      );
    case "delete snapshots": {
      const plans = records
        .all("snapshot")
        .map(({ id: snapshotId }) =>
          newSnapshotOperations.DeleteSnapshot.resolve({ SnapshotId: snapshotId }, context),
        );
      return { transaction: joined(...plans.map(({ transaction = {} }) => transaction)) };
    }
    case "replace root":
    case "replace and delete root":
    case "replace root by snapshot": {
      const root = records.volumesOf(id).find((it) => it.attachments[0]?.device === testImage.rootDevice);
      const [snapshot] = records.snapshotsOf(root?.id ?? "");
      return rootReplacementOperations.CreateReplaceRootVolumeTask.resolve(
        {
          InstanceId: id,
          DeleteReplacedRootVolume: wish === "replace and delete root",
          ...(wish === "replace root by snapshot" && { SnapshotId: snapshot?.id }),
        },
        context,
      );
    }
    case "image":
    case "image at once":
      return newImageOperations.CreateImage.resolve(
        { InstanceId: id, Name: "mine", NoReboot: wish === "image at once" },
        context,
      );
    case "copy image":
      return copyImageOperations.CopyImage.resolve(
        { SourceImageId: testImage.id, SourceRegion: scope.region, Name: "copy" },
        context,
      );
    case "deregister": {
      const made = records.all("image").find((it) => it.id !== testImage.id)?.id ?? "";
      return imageOperations.DeregisterImage.resolve(
        { ImageId: made, DeleteAssociatedSnapshots: true },
        context,
      );
    }
    case "stop":
      return instanceOperations.StopInstances.resolve(named, context);
    case "start":
      return instanceOperations.StartInstances.resolve(named, context);
    case "reboot":
      return instanceOperations.RebootInstances.resolve(named, context);
    case "terminate":
      return instanceOperations.TerminateInstances.resolve(named, context);
  }
}

/** The first one launched, and the other. */
const bothOf = (records: Ec2Records) =>
  ["once", "other"].map((token) => records.all("instance").find((it) => it.clientToken === token));

const recordsOf = ({ feed }: SceneEnd<Drivers>) => regionalRecords(feed).in(scope);
const statesAtEnd = (end: SceneEnd<Drivers>) => recordsOf(end).all("instance").map(instanceState);

/** What the API would say is there is there, and nothing else. */
async function recordsAndDriversAgree(end: SceneEnd<Drivers>): Promise<void> {
  const { store, drivers } = end;
  const records = recordsOf(end);
  const [instances, nics] = [records.all("instance"), records.all("network-interface")];
  const running = instances.filter((it) => instanceState(it) === "running");
  for (const { id } of instances) {
    const machine = await drivers.machines.observe(id);
    assert.equal(
      machine.state === "running",
      running.some((it) => it.id === id),
    );
  }
  const served = records.all("volume").filter((it) => it.multiAttach && it.attachments.length > 0);
  for (const id of await drivers.machines.list())
    assert.ok(ids([...instances, ...served]).has(id), `${id} is nobody's`);
  for (const it of served) {
    const [disk] = drivers.machines.spec(it.id)?.disks ?? [];
    assert.deepEqual(disk, { id: it.id, ...(await drivers.disks.locate(it.id)), limits: volumeLimits(it) });
  }
  const stores = instances.filter(({ so }) => so.state === "running").flatMap(instanceStores);
  assert.deepEqual(ids([...records.all("volume"), ...stores]), new Set(await drivers.disks.list()));
  const attached = nics.filter(({ attachment }) => attachment);
  for (const instance of running) {
    const [{ id }, spec] = [instance, drivers.machines.spec(instance.id)];
    assert.deepEqual(ids(spec?.ports ?? []), ids(records.interfacesOf(id)));
    assert.deepEqual(ids(spec?.disks ?? []), ids([...records.volumesOf(id), ...instanceStores(instance)]));
  }
  assert.deepEqual(ids(attached), new Set([...(await drivers.networks.observe()).values()].flat()));
  assert.deepEqual(
    ids(attached),
    ids([...drivers.guests.networks.values()].flatMap(({ interfaces }) => interfaces)),
  );
  assert.equal(records.all("public-address").length, running.length);
  assert.ok([...records.all("volume"), ...attached].every(({ so }) => so.ready));
  assert.ok(interfacesRest(records) && volumesRest(records));
  const claims = (await store.list(recordKey("claim", scope, "subnet-address/"))).entries;
  assert.deepEqual(new Set(claims.map(({ value }) => value)), ids(nics));
}

const ids = (records: readonly { readonly id: string }[]) => new Set(records.map(({ id }) => id));
