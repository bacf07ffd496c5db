import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { MachineDisk, MachineDriver, MachinePort, MachineSpec, MachineState } from "./machine-driver.ts";

export interface MachineSubject {
  readonly driver: () => MachineDriver;
  /** A machine whose guest soon prints `login:`, and powers off when its button is pressed. */
  readonly specOf: (id: string) => MachineSpec;
  readonly port: () => MachinePort;
  /** The machine holds the other end of the port. */
  readonly isWired: (id: string, port: MachinePort) => Promise<boolean>;
  /** Its machines have no other use for it. */
  readonly disk: () => MachineDisk;
  /** A snapshot is made of it; where it is then. */
  readonly snapshot: () => Promise<MachineDisk>;
  /** The machine can read and write the disk. */
  readonly holds: (id: string, disk: MachineDisk) => Promise<boolean>;
  /** What a disk that was made larger has for the machine's guest. */
  readonly sizeGiB: (id: string, diskId: string) => Promise<number | undefined>;
  /** Ends the machine's process behind the driver's back. */
  readonly kill: (id: string) => Promise<void>;
}

/** What every machine driver promises. */
export const machineConformance = (
  name: string,
  { driver, specOf, port, isWired, disk, snapshot, holds, sizeGiB, kill }: MachineSubject,
): void => {
  const running = async (id: string) => (await driver().observe(id)).state === "running";
  const booted = async (id: string) => {
    const state = await driver().observe(id);
    return state.state === "running" && state.booted;
  };
  const prompts = async (id: string) =>
    (await driver().console(id)).toString("latin1").split("login:").length - 1;
  const colours = async (id: string, wake: boolean) => {
    const picture = await driver().screenshot(id, { wake });
    assert.equal(picture?.rgb.length, picture && 3 * picture.width * picture.height);
    return new Set(picture?.rgb.toString("hex").match(/.{6}/g)).size;
  };
  const ids = [
    "i-cycle",
    "i-button",
    "i-kill",
    "i-reset",
    "i-time",
    "i-port",
    "i-disk",
    "i-one",
    "i-two",
    "vol-served",
  ];

  describe(name, () => {
    after(async () => {
      for (const id of ids) await driver().remove(id);
    });

    test("a machine nobody made is absent, and every verb leaves it so", async () => {
      const id = "i-nobody";
      await driver().pressPower(id);
      await driver().reset(id);
      await driver().limitProcessors(id, 0.1);
      await driver().plug(id, port());
      assert.equal(await driver().unplug(id, port().id, { force: false }), true);
      await driver().plugDisk(id, disk());
      assert.equal(await driver().changeDisk(id, disk().id, { sizeGiB: 2, limits: {} }), false);
      assert.equal(await driver().unplugDisk(id, disk().id, { force: false }), true);
      await driver().layerDisks(id, [disk()]);
      await driver().rebaseDisks(id, [disk()]);
      assert.equal(await driver().layerTogether([{ id, disks: [disk()] }], [id]), true);
      await driver().stop(id);
      await driver().remove(id);
      assert.equal(await driver().processorMs(id), undefined);
      assert.equal((await driver().diskTraffic(id)).size, 0);
      assert.deepEqual(await driver().observe(id), off("absent"));
      assert.equal((await driver().console(id)).length, 0);
      assert.equal(await driver().screenshot(id, { wake: true }), undefined);
      assert.deepEqual(
        (await driver().list()).filter((listed) => listed === id),
        [],
      );
    });

    test("a machine runs, boots, stops and is gone; its console stays until then", async () => {
      const id = "i-cycle";
      await driver().ensure(specOf(id));
      assert.ok(await running(id));
      assert.deepEqual(await driver().list(), [id]);
      await until(() => booted(id));
      assert.equal(await prompts(id), 1);

      await driver().ensure(specOf(id));
      assert.ok(await booted(id), "a running machine is left as it is");

      await driver().stop(id);
      await driver().stop(id);
      assert.deepEqual(await driver().observe(id), off("absent"));
      assert.equal(await prompts(id), 1);
      assert.deepEqual(await driver().list(), [id]);

      await driver().ensure(specOf(id));
      assert.ok(await running(id));
      await until(async () => (await prompts(id)) === 2);

      await driver().remove(id);
      await driver().remove(id);
      assert.deepEqual(await driver().observe(id), off("absent"));
      assert.deepEqual(await driver().list(), []);
      assert.equal((await driver().console(id)).length, 0);
    });

    test("a running machine's screen shows something, and shows it again when it is woken; an ended one's, nothing", async () => {
      const id = "i-cycle";
      await driver().ensure(specOf(id));
      await until(async () => (await colours(id, false)) > 1);
      assert.ok((await colours(id, true)) > 1);
      await driver().stop(id);
      assert.equal(await driver().screenshot(id, { wake: false }), undefined);
      await driver().remove(id);
    });

    test("a running machine is given a port, once however often it is told to, and by force loses it at once", async () => {
      const id = "i-port";
      await driver().ensure(specOf(id));
      assert.equal(await driver().unplug(id, port().id, { force: false }), true, "it never had it");
      await driver().plug(id, port());
      await driver().plug(id, port());
      assert.ok(await isWired(id, port()));
      assert.ok(await running(id));
      assert.equal(await driver().unplug(id, port().id, { force: true }), true);
      assert.equal(await isWired(id, port()), false);
      assert.equal(await driver().unplug(id, port().id, { force: true }), true);
      await driver().stop(id);
      await driver().ensure({ ...specOf(id), ports: [port()] });
      assert.ok(await isWired(id, port()));
      await driver().stop(id);
      await until(async () => !(await isWired(id, port())));
    });

    test("a running machine is given a disk, once however often it is told to, and by force loses it at once", async () => {
      const id = "i-disk";
      await driver().ensure(specOf(id));
      assert.equal(await driver().unplugDisk(id, disk().id, { force: false }), true, "it never had it");
      await driver().plugDisk(id, disk());
      await driver().plugDisk(id, disk());
      assert.ok(await holds(id, disk()));
      assert.deepEqual((await driver().diskTraffic(id)).get(disk().id), { requests: 0, bytes: 0 });
      await driver().layerDisks(id, [disk()]);
      await driver().rebaseDisks(id, [disk()]);
      assert.ok(await holds(id, disk()), "a disk that is where it was is left as it is");
      assert.equal(await driver().unplugDisk(id, disk().id, { force: true }), true);
      assert.equal(await holds(id, disk()), false);
      await driver().layerDisks(id, [disk()]);
      await driver().rebaseDisks(id, [disk()]);
      assert.equal(await holds(id, disk()), false, "a disk that it does not have is not given to it");
      assert.equal(await driver().unplugDisk(id, disk().id, { force: true }), true);
      assert.ok(await running(id));
      await driver().stop(id);
      const spec = specOf(id);
      await driver().ensure({ ...spec, disks: [...spec.disks, disk()] });
      assert.ok(await holds(id, disk()));
      assert.equal(await driver().unplugDisk(id, disk().id, { force: true }), true);
      assert.equal(await holds(id, disk()), false);
      await driver().remove(id);
    });

    test("a disk that a machine serves is two others' at once, made larger and layered under both, by force no longer one's, and theirs again after that machine was killed", async () => {
      const [server, one, two] = ["vol-served", "i-one", "i-button"];
      const served = { id: disk().id, servedBy: server, path: "", below: [] };
      const serves = { ...specOf(server), serves: true as const, disks: [disk()] };
      await driver().ensure(serves);
      await driver().ensure(serves);
      await driver().ensure({ ...specOf(one), disks: [...specOf(one).disks, served] });
      await driver().ensure(specOf(two));
      await driver().plugDisk(two, served);
      await driver().plugDisk(two, served);
      for (const id of [one, two]) assert.ok(await holds(id, served));
      const to = { sizeGiB: 2, limits: {} };
      await assert.rejects(driver().changeDisk(one, disk().id, to), "it is made larger where it is served");
      for (let round = 0; round < 2; round++)
        for (const id of [server, one, two]) assert.equal(await driver().changeDisk(id, disk().id, to), true);
      for (const id of [one, two]) {
        assert.equal(await sizeGiB(id, disk().id), 2);
        assert.ok(await holds(id, served));
      }
      await driver().layerDisks(server, [disk()]);
      await driver().rebaseDisks(server, [disk()]);
      const place = [await snapshot()];
      const together = () => driver().layerTogether([{ id: server, disks: place }], [one, two, "i-nobody"]);
      assert.equal(await together(), true);
      assert.equal(await together(), false, "that was another moment");
      for (const it of place) assert.ok(await holds(server, it));
      for (const id of [one, two]) assert.ok((await running(id)) && (await holds(id, served)));
      await kill(server);
      await until(async () => !(await running(server)));
      for (const id of [one, two]) assert.ok(await running(id), "it waits");
      await driver().ensure({ ...serves, disks: place });
      for (const id of [one, two]) assert.ok(await holds(id, served));
      assert.equal(await driver().unplugDisk(one, disk().id, { force: true }), true);
      assert.equal(await holds(one, served), false);
      assert.ok(await holds(two, served));
      for (const id of [one, two, server]) await driver().remove(id);
    });

    test("a machine's processor time only grows while it runs, limited or not", async () => {
      const id = "i-time";
      await driver().ensure(specOf(id));
      await until(() => booted(id));
      const before = (await driver().processorMs(id)) ?? NaN;
      await driver().limitProcessors(id, 0.05);
      await driver().limitProcessors(id, undefined);
      assert.ok(((await driver().processorMs(id)) ?? NaN) >= before);
      await driver().stop(id);
      assert.equal(await driver().processorMs(id), undefined);
    });

    test("a guest that obeys the power button powers off, says so, and can be started again", async () => {
      const id = "i-button";
      await driver().ensure(specOf(id));
      await until(() => booted(id));
      const changes = changesOf(driver(), id);
      await driver().pressPower(id);
      await until(async () => changes() > 0 && !(await running(id)));
      assert.deepEqual(await driver().observe(id), off("powered-off"));
      await driver().ensure(specOf(id));
      assert.ok(await running(id));
      await driver().stop(id);
      assert.deepEqual(await driver().observe(id), off("absent"));
    });

    test("a machine whose process is killed died: it is told, says why, and can be started again", async () => {
      const id = "i-kill";
      await driver().ensure(specOf(id));
      const changes = changesOf(driver(), id);
      await kill(id);
      await until(async () => changes() > 0 && !(await running(id)));
      const state = await driver().observe(id);
      assert.ok(
        state.state === "off" && state.how === "died" && /kill/i.test(state.detail),
        JSON.stringify(state),
      );
      await driver().ensure(specOf(id));
      assert.ok(await running(id));
      await kill(id);
      await driver().stop(id);
      assert.deepEqual(await driver().observe(id), off("absent"), "after a stop nobody asks how it ended");
    });

    test("a reset guest has not booted until it has booted again", async () => {
      const id = "i-reset";
      await driver().ensure(specOf(id));
      await until(() => booted(id));
      const seen: boolean[] = [];
      driver().onChange(() => void booted(id).then((now) => seen.push(now)));
      await driver().reset(id);
      await until(async () => seen.includes(false) && (await booted(id)));
      assert.equal(await prompts(id), 2);
      assert.ok(await running(id));
      await driver().stop(id);
    });

    test("calls for one machine take turns, in order; those for another do not wait", async () => {
      await Promise.all([
        driver().ensure(specOf("i-one")),
        driver().ensure(specOf("i-two")),
        driver().ensure(specOf("i-one")),
        driver().stop("i-one"),
        driver().ensure(specOf("i-one")),
        driver().stop("i-two"),
      ]);
      assert.deepEqual([await running("i-one"), await running("i-two")], [true, false]);
      await driver().stop("i-one");
    });
  });
};

const off = (how: "absent" | "powered-off"): MachineState => ({ state: "off", how });

const until = async (condition: () => Promise<boolean>): Promise<void> => {
  const deadline = performance.now() + 20_000;
  while (!(await condition())) {
    assert.ok(performance.now() < deadline, `in vain: ${String(condition)}`);
    await sleep(20);
  }
};

const changesOf = (driver: MachineDriver, id: string): (() => number) => {
  let count = 0;
  driver.onChange((changed) => {
    if (changed === id) count++;
  });
  return () => count;
};
