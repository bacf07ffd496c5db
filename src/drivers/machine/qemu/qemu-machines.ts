import { chmod, mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { noKeys, type OpenKey } from "#drivers/open-key.ts";
import type { MachineDisk, MachineDriver } from "../machine-driver.ts";
import type { Acceleration } from "./acceleration.ts";
import { readConsole } from "./console-log.ts";
import { openControlGroups } from "./control-groups.ts";
import { QemuMachine, standStill } from "./qemu-machine.ts";

export interface QemuOptions {
  /** Holds a directory for each machine. Only root may read it. */
  readonly directory: string;
  /** User (and group) ids that nothing else on this host has. */
  readonly uids: { readonly first: number; readonly count: number };
  /** Name of the control group that holds one for each machine. */
  readonly cgroup: string;
  readonly acceleration: Acceleration["kind"];
  /** Of encrypted disks; the secret is given to QEMU alone. Absent: there are none. */
  readonly openKey?: OpenKey;
  /** Told, once, what this host cannot do. */
  readonly warn?: (message: string) => void;
}

/** Closing lets go of the machines; they run on, and the next driver on the same directory finds them. */
export interface QemuMachines extends MachineDriver, AsyncDisposable {}

/** Machines as QEMU processes, each in its own jail. Those that an earlier driver left running are taken over. */
export const openQemuMachines = async ({
  directory,
  uids,
  cgroup,
  acceleration,
  openKey = noKeys,
  warn = () => {},
}: QemuOptions): Promise<QemuMachines> => {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await chmod(directory, 0o700);
  const groups = await openControlGroups(cgroup, warn);
  const machines = new Map<string, QemuMachine>();
  const turns = new Map<string, Promise<unknown>>();
  const listeners: ((id: string) => void)[] = [];
  const usedUids = new Set<number>();
  const host = {
    acceleration,
    openKey,
    groups,
    takeUid: () => takeUid(uids, usedUids),
    giveUid: (uid: number) => usedUids.delete(uid),
  };

  const complain = (id: string) => (error: unknown) => warn(`${id}: ${String(error)}`);

  const machine = (id: string): QemuMachine => {
    const known = machines.get(id);
    if (known !== undefined) return known;
    if (!/^[\w-]+$/.test(id)) throw new Error(`not a machine's id: ${id}`);
    const made: QemuMachine = new QemuMachine(id, join(directory, id), host, {
      stirred: () => {
        if (machines.get(id) === made) inTurn(id, (it) => it.look()).catch(complain(id));
      },
      changed: () => {
        for (const listener of listeners) listener(id);
      },
    });
    machines.set(id, made);
    return made;
  };

  /** One thing at a time for each machine; different machines do not wait for each other. */
  const inTurn = <T>(id: string, act: (it: QemuMachine) => Promise<T>): Promise<T> => {
    const turn = (turns.get(id) ?? Promise.resolve()).then(async () => {
      const it = machine(id);
      try {
        return await act(it);
      } finally {
        if (it.uid === undefined) machines.delete(id);
      }
    });
    const over = turn.then(ignore, ignore).finally(() => turns.get(id) === over && turns.delete(id));
    turns.set(id, over);
    return turn;
  };

  /** One thing for several machines, in the turns of all of them, which are taken at once: so no two such things wait for each other. */
  const inTurns = async <T>(ids: readonly string[], act: () => Promise<T>): Promise<T> => {
    const over = Promise.withResolvers<void>();
    const come = [...new Set(ids)].map((id) => {
      const mine = Promise.withResolvers<void>();
      inTurn(id, async () => {
        mine.resolve();
        await over.promise;
      }).catch(mine.reject);
      return mine.promise;
    });
    try {
      await Promise.all(come);
      return await act();
    } finally {
      over.resolve();
    }
  };

  /** In the turns of a machine and of all that have disks of it, which nobody begins to have meanwhile. */
  const withUsers = async <T>(
    id: string,
    act: (it: QemuMachine, users: readonly QemuMachine[]) => Promise<T>,
  ): Promise<T> => {
    for (;;) {
      const known = machine(id).users;
      const done = await inTurns([id, ...known], async () =>
        machine(id).users.every((user) => known.includes(user))
          ? { what: await act(machine(id), known.map(machine)) }
          : undefined,
      );
      if (done) return done.what;
    }
  };

  const serversOf = (disks: readonly MachineDisk[]) =>
    disks.flatMap(({ servedBy }) => (servedBy === undefined ? [] : [servedBy]));

  const list = () => readdir(directory);

  for (const id of await list()) {
    const { uid } = machine(id);
    if (uid !== undefined) usedUids.add(uid);
  }
  await Promise.all([...machines.keys()].map((id) => inTurn(id, (it) => it.look()).catch(complain(id))));

  const tending = new Set<string>();
  const tendAll = () => {
    for (const id of machines.keys()) {
      if (tending.has(id)) continue;
      tending.add(id);
      inTurn(id, (it) => it.tend())
        .catch(complain(id))
        .finally(() => tending.delete(id));
    }
  };
  const timer = setInterval(tendAll, TEND_MS).unref();

  return {
    ensure: (spec) => inTurns([spec.id, ...serversOf(spec.disks)], () => machine(spec.id).ensure(spec)),
    pressPower: (id) => inTurn(id, (it) => it.pressPower()),
    plug: (id, port) => inTurn(id, (it) => it.plug(port)),
    unplug: (id, portId, how) => inTurn(id, (it) => it.unplug(portId, how)),
    plugDisk: (id, disk) => inTurns([id, ...serversOf([disk])], () => machine(id).plugDisk(disk)),
    unplugDisk: (id, diskId, how) => inTurn(id, (it) => it.unplugDisk(diskId, how)),
    changeDisk: (id, diskId, to) => withUsers(id, (it, users) => it.changeDisk(diskId, to, users)),
    layerDisks: (id, disks) => inTurn(id, (it) => it.layerDisks(disks)),
    layerTogether: (layers, still) =>
      inTurns([...layers.map(({ id }) => id), ...still], async () => {
        for (const { id, disks } of layers) if (await machine(id).isLayered(disks)) return false;
        await using standing = await standStill(still.map(machine));
        for (const { id, disks } of layers) await machine(id).layerDisks(disks);
        if (standing.isOver()) throw new Error(`${still.join(", ")} stood still for too long`);
        return true;
      }),
    rebaseDisks: (id, disks) => inTurn(id, (it) => it.rebaseDisks(disks)),
    reset: (id) => inTurn(id, (it) => it.reset()),
    stop: (id) => inTurn(id, (it) => it.stop()),
    remove: (id) => inTurn(id, (it) => it.remove()),
    observe: (id) => inTurn(id, (it) => it.look()),
    list,
    console: (id) =>
      inTurn(id, async (it) => {
        await it.drainConsole();
        return readConsole(join(directory, id));
      }),
    screenshot: (id, options) => inTurn(id, (it) => it.screenshot(options)),
    diskTraffic: (id) => inTurn(id, (it) => it.diskTraffic()),
    processorMs: (id) => inTurn(id, (it) => it.processorMs()),
    limitProcessors: (id, processors) => inTurn(id, (it) => it.limitProcessors(processors)),
    onChange: (listener) => void listeners.push(listener),
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer);
      await Promise.all(turns.values());
      for (const it of machines.values()) it.close();
      machines.clear();
    },
  };
};

/** Ends and removes every machine recorded in `directory`, and all that `openQemuMachines` made there. */
export const destroyMachines = async (options: Pick<QemuOptions, "directory" | "cgroup">): Promise<void> => {
  await using driver = await openQemuMachines({
    ...options,
    uids: { first: 0, count: 0 },
    acceleration: "tcg",
  });
  await Promise.all((await driver.list()).map((id) => driver.remove(id)));
};

const takeUid = ({ first, count }: QemuOptions["uids"], used: Set<number>): number => {
  for (let uid = first; uid < first + count; uid++) {
    if (used.has(uid)) continue;
    used.add(uid);
    return uid;
  }
  throw new Error(`all ${count} user ids for machines are taken`);
};

const ignore = (): void => {};

const TEND_MS = 1000;
