import { chmod, mkdir, rm, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type {
  DiskChange,
  DiskTraffic,
  MachineDisk,
  MachinePort,
  MachineSpec,
  MachineState,
  Picture,
} from "../machine-driver.ts";
import type { Acceleration } from "./acceleration.ts";
import { commandLine } from "./command-line.ts";
import type { OpenKey } from "../../open-key.ts";
import { accelerationOf } from "./hardware.ts";
import { confined, threadLimit } from "./confinement.ts";
import { appendConsole } from "./console-log.ts";
import type { ControlGroups } from "./control-groups.ts";
import {
  ageMs,
  bootId,
  endProcess,
  isAlive,
  isGone,
  startedWith,
  threadTimeMs,
} from "../../linux/host-process.ts";
import type { HostProcess } from "../../linux/host-process.ts";
import { giveTap, hasLostTap } from "../../linux/taps.ts";
import { netdev, plugPort, unplugPort } from "./hot-plug.ts";
import { SERVED } from "./disk-nodes.ts";
import {
  giveDisks,
  leaveServer,
  reachServer,
  serveAgain,
  usersOf,
  SERVED_DIRECTORY,
  serveDisks,
  takeDiskBack,
} from "./serve-disks.ts";
import { diskTraffic } from "./disk-traffic.ts";
import { changeDisk, isSmaller, plugDisk, shareLimits, unplugDisk } from "./hot-plug-disk.ts";
import { isLayered, layerDisks } from "./layer-disks.ts";
import { openIn } from "./file-identity.ts";
import { rebaseDisks } from "./rebase-disks.ts";
import { pictureIn } from "./picture.ts";
import { readRecord, writeRecord } from "./machine-record.ts";
import type { MachineLife, MachineRecord, Off, Running } from "./machine-record.ts";
import { QemuControl } from "./qemu-control.ts";
import { secretFiles } from "../../linux/key-files.ts";
import { lastComplaint, socketPath, startMark, startProcess, stderrPath } from "./qemu-process.ts";

/** What the machines of one host share. */
export interface MachineHost {
  readonly acceleration: Acceleration["kind"];
  readonly openKey: OpenKey;
  readonly groups: ControlGroups;
  takeUid(): number;
  giveUid(uid: number): void;
}

export interface MachineEvents {
  /** Something happened to the process: `look` what. */
  stirred(): void;
  /** The machine changed by itself. */
  changed(): void;
}

/**
 * One machine: its directory, and the process that the record there names. It remembers nothing that the next driver could
 * not find again. Its methods are to be called one at a time.
 */
export class QemuMachine {
  readonly #id: string;
  readonly #directory: string;
  readonly #host: MachineHost;
  readonly #events: MachineEvents;
  readonly #control: QemuControl;
  #record: MachineRecord | undefined;
  /** How our own child ended, in words. A process that was taken over tells its end to nobody. */
  #ending: Promise<string> | undefined;
  /** The end of what the console printed, lest a prompt come in two pieces. */
  #lastPrinted = "";
  /** Its guest was reset, or reset itself, and that has not been looked at. */
  #wasReset = false;
  /** By `performance.now()`; unknown to a driver that came later. */
  #resetAtMs: number | undefined;
  /** QEMU's descriptors of its taps, by the ports' ids; undefined: to be asked for. */
  #taps: ReadonlyMap<string, number> | undefined;
  /** The ids of ports that have lost theirs. */
  #cutOff: readonly string[] = [];
  /** Why its processors stand still, and when it was last let try again. */
  #paused: { readonly why: string; readonly triedAtMs: number } | undefined;
  /** For what is being done to its disks. */
  #standsStill = false;

  constructor(id: string, directory: string, host: MachineHost, events: MachineEvents) {
    this.#id = id;
    this.#directory = directory;
    this.#host = host;
    this.#events = events;
    this.#control = new QemuControl(
      socketPath(directory, "qmp"),
      (event) => {
        if (event === "RESET") this.#wasReset = true;
        if (event === "RESET" || event === "SHUTDOWN" || event === "STOP") events.stirred();
        if (event === "DEVICE_DELETED") events.changed();
      },
      () => void this.#hungUp(),
    );
    this.#record = readRecord(directory);
  }

  /** The user its process runs as; none when there is no such machine. */
  get uid(): number | undefined {
    return this.#record?.uid;
  }

  async ensure(spec: MachineSpec): Promise<void> {
    if ((await this.look()).state === "off") await this.#start(spec);
    else if (spec.serves) await giveDisks(await this.#control.connect(), spec.disks);
    else await this.#resume();
    if (spec.serves) serveAgain(this.#directory);
  }

  /** The ids of the machines that have disks of it, running or not. */
  get users(): readonly string[] {
    return usersOf(this.#directory);
  }

  /**
   * Until that is disposed of, its processors stand still, and all that its disks were asked for is answered. One that is off, or that
   * stands still for another reason, is left as it is. After a deadline it goes on by itself; when this program has ended, as soon as
   * another looks after it.
   */
  async standStill(): Promise<Stillness> {
    const runs = (await this.look()).state === "running" && (await this.#control.status()) === "running";
    if (!runs) return { isOver: () => false, [Symbol.asyncDispose]: async () => {} };
    this.#standsStill = true;
    const goOn = async () => {
      if (!this.#standsStill) return;
      this.#standsStill = false;
      // If QEMU does not answer now, it is told at the next look.
      await this.#control.command("cont").catch(() => {});
    };
    try {
      await (await this.#control.connect()).execute("stop", {}, { timeoutMs: STOP_MS });
    } catch (error) {
      await goOn();
      throw error;
    }
    const deadline = setTimeout(() => void goOn(), STILL_MS);
    return {
      isOver: () => !this.#standsStill,
      [Symbol.asyncDispose]: async () => {
        clearTimeout(deadline);
        await goOn();
      },
    };
  }

  async pressPower(): Promise<void> {
    if ((await this.look()).state === "running") await this.#control.command("system_powerdown");
  }

  async plug(port: MachinePort): Promise<void> {
    if ((await this.look()).state !== "running") return;
    await plugPort(await this.#control.connect(), port);
    await this.#nowHas("ports", port.id, port);
  }

  async unplug(portId: string, { force }: { readonly force: boolean }): Promise<boolean> {
    if ((await this.look()).state !== "running") return true;
    const gone = await unplugPort(await this.#control.connect(), portId, force);
    if (gone) await this.#nowHas("ports", portId);
    return gone;
  }

  async plugDisk(disk: MachineDisk): Promise<void> {
    if ((await this.look()).state !== "running") return;
    const qmp = await this.#control.connect();
    if (disk.servedBy !== undefined) {
      if (this.#record?.life.state === "running" && !this.#record.life.argv.includes(SERVED))
        throw new Error(
          "it was started by an earlier Croft: it can have the disk once it was stopped and started",
        );
      reachServer(this.#directory, disk.servedBy);
    }
    await plugDisk(qmp, disk, this.#host.openKey);
    const life = this.#record?.life;
    if (life?.state === "running") await shareLimits(qmp, [disk], life.spec?.sharedLimits);
    await this.#nowHas("disks", disk.id, disk);
  }

  async unplugDisk(diskId: string, { force }: { readonly force: boolean }): Promise<boolean> {
    if ((await this.look()).state !== "running") return true;
    const gone = await unplugDisk(await this.#control.connect(), diskId, force);
    if (!gone) return false;
    const life = this.#record?.life;
    const disk = life?.state === "running" ? life.spec?.disks.find(({ id }) => id === diskId) : undefined;
    if (disk?.servedBy !== undefined) leaveServer(this.#directory, disk.servedBy);
    await this.#nowHas("disks", diskId);
    return true;
  }

  /** `users` have disks of it, if it serves any, and look at nothing meanwhile. */
  async changeDisk(diskId: string, to: DiskChange, users: readonly QemuMachine[] = []): Promise<boolean> {
    if ((await this.look()).state !== "running") return false;
    const qmp = await this.#control.connect();
    const life = this.#record?.life;
    const serves = life?.state === "running" && life.spec?.serves;
    if (!serves || !(await isSmaller(qmp, diskId, to))) return changeDisk(qmp, diskId, to);
    await using standing = new AsyncDisposableStack();
    standing.use(await standStill(users));
    try {
      await takeDiskBack(qmp, diskId);
      return await changeDisk(qmp, diskId, to);
    } finally {
      await giveDisks(qmp, life.spec.disks);
    }
  }

  /** Whether it runs and writes any of these disks where it should already. */
  async isLayered(disks: readonly MachineDisk[]): Promise<boolean> {
    if ((await this.look()).state !== "running") return false;
    const life = this.#record?.life;
    return life?.state === "running" && isLayered(await this.#control.connect(), disks, openIn(life.process));
  }

  async layerDisks(disks: readonly MachineDisk[]): Promise<void> {
    if ((await this.look()).state !== "running") return;
    const life = this.#record?.life;
    if (life?.state !== "running") return;
    await layerDisks(await this.#control.connect(), disks, openIn(life.process));
    if (!life.spec) return;
    const now = new Map(disks.map(({ id, limits: _, ...place }) => [id, place]));
    const layered = life.spec.disks.map((it) => ({ ...it, ...now.get(it.id) }));
    await this.#become({ ...life, spec: { ...life.spec, disks: layered } });
  }

  async rebaseDisks(disks: readonly MachineDisk[]): Promise<void> {
    if ((await this.look()).state !== "running") return;
    const life = this.#record?.life;
    if (life?.state !== "running") return;
    await rebaseDisks(await this.#control.connect(), disks, openIn(life.process));
    if (!life.spec) return;
    const now = new Map(disks.map(({ path, id: _, limits: _l, ...place }) => [path, place]));
    const rebased = life.spec.disks.map((it) => ({ ...it, ...now.get(it.path) }));
    await this.#become({ ...life, spec: { ...life.spec, disks: rebased } });
  }

  async reset(): Promise<void> {
    if ((await this.look()).state === "running") await this.#control.command("system_reset");
  }

  async stop(): Promise<void> {
    const life = this.#record?.life ?? absent;
    if (life.state === "running") await this.#end(life.process);
    if (life.state === "starting") await this.#undoStart();
    if (life.state !== "off" || life.how !== "absent") await this.#become(absent);
  }

  async remove(): Promise<void> {
    const life = this.#record?.life ?? absent;
    if (life.state === "running") await this.#end(life.process);
    if (life.state === "starting") await this.#undoStart();
    await this.#host.groups.remove(this.#id);
    await rm(this.#directory, { recursive: true, force: true });
    if (this.#record !== undefined) this.#host.giveUid(this.#record.uid);
    this.#record = undefined;
  }

  /** What the machine is now. A process that ended, or whose guest powered off, is cleared away. */
  async look(): Promise<MachineState> {
    const life = this.#record?.life ?? absent;
    if (life.state === "off") return life;
    if (life.state === "starting") {
      await this.#undoStart();
      return this.#become(absent);
    }
    const off = isAlive(life.process) ? await this.#stoppedState() : died(await this.#causeOfDeath(life));
    if (off === undefined) {
      const { booted } = await this.#afterReset(life);
      return {
        state: "running",
        booted,
        ...(this.#paused && { paused: this.#paused.why }),
        ...(this.#cutOff.length > 0 && { cutOff: this.#cutOff }),
      };
    }
    const refused = off.how === "powered-off" && (await this.#control.refusesKernel());
    // Off for good or to be started again: whoever looks next may hear which.
    if (refused === undefined) return { state: "running", booted: life.booted };
    await this.#end(life.process);
    if (refused && life.spec) return this.#startByFirmware(life.spec);
    await this.#become(off);
    this.#events.changed();
    return off;
  }

  async diskTraffic(): Promise<ReadonlyMap<string, DiskTraffic>> {
    return (await this.look()).state === "running" ? diskTraffic(await this.#control.connect()) : new Map();
  }

  async processorMs(): Promise<number | undefined> {
    if ((await this.look()).state !== "running" || this.#record?.life.state !== "running") return undefined;
    return threadTimeMs(this.#record.life.process, PROCESSOR_THREAD);
  }

  async limitProcessors(processors: number | undefined): Promise<void> {
    if ((await this.look()).state === "running")
      await this.#host.groups.limitProcessors(this.#id, processors);
  }

  /** To be called every second: takes over what the console printed, and sees what nobody told us of. */
  async tend(): Promise<void> {
    if (this.#record?.life.state !== "running") return;
    const printed = await this.drainConsole();
    const { life } = this.#record;
    const bootingMs =
      this.#resetAtMs === undefined ? ageMs(life.process) : performance.now() - this.#resetAtMs;
    const boots = !life.booted && (this.#lastPrinted.includes("login:") || bootingMs > BOOT_MS);
    if (boots) await this.#become({ ...life, booted: true });
    if (printed || boots) this.#events.changed();
    await this.#keepWired(life);
    await this.#boundComplaints();
    await this.look();
  }

  /** Takes over what the console printed so far; whether that was anything. */
  async drainConsole(): Promise<boolean> {
    if (this.#record?.life.state !== "running") return false;
    const printed = await this.#control.takeConsole();
    if (printed.length === 0) return false;
    this.#lastPrinted = this.#lastPrinted.slice(-PROMPT_CHARACTERS) + printed.toString("latin1");
    await appendConsole(this.#directory, printed);
    return true;
  }

  async screenshot({ wake }: { readonly wake: boolean }): Promise<Picture | undefined> {
    if ((await this.look()).state === "off") return undefined;
    if (wake) {
      await this.#control.pressKey();
      await sleep(WAKE_MS);
    }
    return pictureIn(join(this.#directory, "screen"), (fd) => this.#control.drawScreen(fd));
  }

  /** Lets go; the machine runs on. */
  close(): void {
    this.#control.close();
  }

  async #start(spec: MachineSpec): Promise<void> {
    const { acceleration, groups, openKey } = this.#host;
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const servers = join(this.#directory, SERVED_DIRECTORY);
    await rm(servers, { recursive: true, force: true });
    await mkdir(servers);
    await chmod(servers, 0o755);
    for (const { servedBy } of spec.disks) if (servedBy !== undefined) reachServer(this.#directory, servedBy);
    const uid = this.#record?.uid ?? this.#host.takeUid();
    await this.#become({ state: "starting" }, uid);
    try {
      const boot = this.#record?.refusedKernel && spec.boot.by === "kernel" ? bios : spec.boot;
      const { argv, opens, shows, secrets } = commandLine({ ...spec, boot }, acceleration);
      const opened = secrets.map(({ key, inside }) => ({ secret: openKey(key), inside }));
      using keys = secretFiles(opened, uid);
      const command = confined(
        {
          argv,
          shows: [...shows, { outside: servers, inside: SERVED }, ...keys.shows],
        },
        {
          uid,
          cpus: spec.cpus,
          acceleration: accelerationOf(spec.architecture ?? "x86_64", acceleration),
        },
      );
      const memoryKills = await groups.memoryKills(this.#id);
      const { process, ending } = startProcess(this.#directory, command, opens);
      this.#ending = ending;
      this.#lastPrinted = "";
      this.#wasReset = false;
      this.#resetAtMs = undefined;
      this.#paused = undefined;
      this.#taps = undefined;
      this.#cutOff = [];
      const memoryBytes = (spec.memoryMiB * MEMORY_FACTOR + OVERHEAD_MIB) * 1024 * 1024;
      try {
        await groups.enter(this.#id, process.pid, { memoryBytes, threads: threadLimit(spec.cpus) });
        const qmp = await this.#control.connect(START_MS);
        await shareLimits(qmp, spec.disks, spec.sharedLimits);
        if (spec.serves) await serveDisks(qmp, this.#directory, spec.disks);
      } catch (error) {
        throw (await isGone(process, ENDING_MS))
          ? new Error(await this.#causeOfDeath({ process, memoryKills }))
          : error;
      }
      await this.#become({ state: "running", process, booted: false, argv: command, spec, memoryKills });
      if (!spec.serves) await this.#resume();
    } catch (error) {
      await this.#undoStart();
      await this.#become(absent);
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(`${this.#id} does not start: ${reason}`, { cause: error });
    }
  }

  async #startByFirmware(spec: MachineSpec): Promise<MachineState> {
    if (this.#record) this.#record = { ...this.#record, refusedKernel: true };
    await this.#start(spec);
    this.#events.changed();
    return { state: "running", booted: false };
  }

  /** Ends the process of a start that was cut short, recorded or not. */
  async #undoStart(): Promise<void> {
    this.#control.close();
    await Promise.all(startedWith(startMark(this.#directory)).map(endProcess));
  }

  /** A guest that was reset has yet to boot, and to print its prompt. */
  async #afterReset(life: Running): Promise<Running> {
    if (!this.#wasReset) return life;
    await this.drainConsole();
    this.#wasReset = false;
    this.#resetAtMs = performance.now();
    this.#lastPrinted = "";
    const booting = await this.#become({ ...life, booted: false });
    this.#events.changed();
    return booting;
  }

  async #resume(): Promise<void> {
    const status = await this.#control.status();
    // One whose guest has powered off by now is looked at next.
    const stands = status !== undefined && status !== "running" && status !== "shutdown";
    if (stands) await this.#control.command("cont");
  }

  /** Politely for a second; then not. */
  async #end(process: HostProcess): Promise<void> {
    const politely = this.drainConsole().then(() => this.#control.quit());
    await Promise.race([politely.then(() => isGone(process, QUIT_MS)), sleep(QUIT_MS)]);
    await endProcess(process);
    this.#control.close();
    await politely;
  }

  /** What a process that still lives comes to, when its guest will not run again. */
  async #stoppedState(): Promise<Off | undefined> {
    const status = await this.#control.status();
    if (status === "shutdown") return { state: "off", how: "powered-off" };
    if (status === "internal-error" || status === "guest-panicked") return died(`QEMU stopped: ${status}`);
    // A program ended while it stood still.
    if (status === "paused" && !this.#standsStill) await this.#control.command("cont");
    if (status === "io-error") await this.#tryAgain();
    else if (
      status === "running" &&
      this.#paused &&
      performance.now() - this.#paused.triedAtMs > FAILS_AGAIN_MS
    )
      this.#pause(undefined);
    return undefined;
  }

  /** What could not be written is written again once a second, until it can be. */
  async #tryAgain(): Promise<void> {
    const now = performance.now();
    if (this.#paused && now - this.#paused.triedAtMs < TRY_AGAIN_MS) return;
    const why =
      (await this.#control.diskTrouble()) === "nospace"
        ? "the disk of this host is full: there is no room for what it writes"
        : "this host cannot write to its disk";
    this.#pause({ why, triedAtMs: now });
    await this.#control.command("cont");
  }

  #pause(paused: { readonly why: string; readonly triedAtMs: number } | undefined): void {
    const same = paused?.why === this.#paused?.why;
    this.#paused = paused;
    if (!same) this.#events.changed();
  }

  async #causeOfDeath({ process, memoryKills = 0 }: Ended): Promise<string> {
    if (process.bootId !== bootId()) return "this host was restarted";
    const how = await Promise.race([this.#ending ?? "is gone", sleep(ENDING_MS, "is gone")]);
    if ((await this.#host.groups.memoryKills(this.#id)) > memoryKills)
      return "memory ran out, and the kernel ended the machine's process (OOM killer)";
    return [`QEMU ${how}`, lastComplaint(this.#directory)].filter((part) => part !== "").join(": ");
  }

  /** The process is gone a moment after it hung up. */
  async #hungUp(): Promise<void> {
    const life = this.#record?.life;
    if (life?.state !== "running") return;
    await isGone(life.process, ENDING_MS);
    this.#events.stirred();
  }

  /** It may yet be started again by its firmware, and its disks may be copied. */
  async #nowHas<Kind extends "ports" | "disks">(
    kind: Kind,
    id: string,
    part?: MachineSpec[Kind][number],
  ): Promise<void> {
    this.#taps = undefined;
    const life = this.#record?.life;
    if (life?.state !== "running" || !life.spec) return;
    const others = life.spec[kind].filter((it) => it.id !== id);
    await this.#become({ ...life, spec: { ...life.spec, [kind]: [...others, ...(part ? [part] : [])] } });
  }

  async #become<Life extends MachineLife>(life: Life, uid = this.#record?.uid): Promise<Life> {
    this.#record = { ...this.#record, uid: uid ?? this.#host.takeUid(), life };
    try {
      await writeRecord(this.#directory, this.#record);
    } catch (error) {
      // A full disk keeps no machine from ending: whoever finds the record sees that its process is gone.
      if (life.state !== "off" || !isNoSpace(error)) throw error;
    }
    return life;
  }

  /**
   * A port that has lost its tap takes the one that was made in its place, a look after that was told; the guest sees nothing but lost
   * packets.
   */
  async #keepWired({ process, spec }: Running): Promise<void> {
    this.#taps ??= await this.#control.tapDescriptors();
    const cutOff: string[] = [];
    for (const port of spec?.ports ?? []) {
      const fd = this.#taps?.get(netdev(port.id));
      if (fd === undefined || !hasLostTap(process.pid, fd, port.namespace)) continue;
      const terms = this.#cutOff.includes(port.id) && (await this.#control.tapTerms(port.id));
      if (!terms || !giveTap({ pid: process.pid, fd }, port, terms)) cutOff.push(port.id);
    }
    const same = String(cutOff) === String(this.#cutOff);
    this.#cutOff = cutOff;
    if (!same) this.#events.changed();
  }

  async #boundComplaints(): Promise<void> {
    const path = stderrPath(this.#directory);
    if ((await stat(path)).size > COMPLAINTS_BYTES) await truncate(path);
  }
}

export interface Stillness extends AsyncDisposable {
  /** It went on before that was disposed of. */
  isOver(): boolean;
}

/** All of them at the same time, or none. */
export async function standStill(machines: readonly QemuMachine[]): Promise<Stillness> {
  await using standing = new AsyncDisposableStack();
  const asked = await Promise.allSettled(machines.map((it) => it.standStill()));
  const stills = asked.flatMap((it) => (it.status === "fulfilled" ? [standing.use(it.value)] : []));
  for (const it of asked) if (it.status === "rejected") throw it.reason;
  const all = standing.move();
  return { isOver: () => stills.some((it) => it.isOver()), [Symbol.asyncDispose]: () => all.disposeAsync() };
}

const absent: Off = { state: "off", how: "absent" };
const bios: MachineSpec["boot"] = { by: "bios" };
const died = (detail: string): Off => ({ state: "off", how: "died", detail });

/** QEMU's own memory, its translated code and page tables, and room for the page cache of the disks. */
const OVERHEAD_MIB = 384;
const MEMORY_FACTOR = 1.02;

/** How QEMU names the threads that run the guest's processors (`-name …,debug-threads=on`). */
const PROCESSOR_THREAD = /^CPU \d+\//;

type Ended = Pick<Running, "process" | "memoryKills">;

const isNoSpace = (error: unknown): boolean =>
  error instanceof Error && "code" in error && error.code === "ENOSPC";

const TRY_AGAIN_MS = 1000;
/** What still cannot be written fails at once; a machine that has run for this long goes on. */
const FAILS_AGAIN_MS = 500;
const START_MS = 30_000;
/** Of a server that was just started again, a machine may ask so late what it waits for. */
const STOP_MS = 20_000;
const STILL_MS = 10_000;
const QUIT_MS = 1000;
const ENDING_MS = 1000;
/** A guest that shows no login prompt is taken to have booted after this. */
const BOOT_MS = 60_000;
/** A woken guest takes a moment to draw its screen. */
const WAKE_MS = 300;
const PROMPT_CHARACTERS = 16;
const COMPLAINTS_BYTES = 64 * 1024;
