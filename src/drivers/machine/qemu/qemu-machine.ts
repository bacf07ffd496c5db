import { mkdir, rm, stat, truncate } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { MachineSpec, MachineState } from "../machine-driver.ts";
import type { Acceleration } from "./acceleration.ts";
import { CONSOLE_BYTES, commandLine } from "./command-line.ts";
import { confined, threadLimit } from "./confinement.ts";
import { appendConsole } from "./console-log.ts";
import type { ControlGroups } from "./control-groups.ts";
import { ageMs, bootId, endProcess, isAlive, isGone, startedWith } from "./host-process.ts";
import type { HostProcess } from "./host-process.ts";
import { readRecord, writeRecord } from "./machine-record.ts";
import type { MachineLife, MachineRecord, Off } from "./machine-record.ts";
import { Qmp } from "./qmp.ts";
import { controlPath, lastComplaint, startMark, startProcess, stderrPath } from "./qemu-process.ts";
import type { Ending } from "./qemu-process.ts";

/** What the machines of one host share. */
export interface MachineHost {
  readonly acceleration: Acceleration["kind"];
  readonly groups: ControlGroups;
  takeUid(): number;
  giveUid(uid: number): void;
}

/**
 * One machine: its directory, and the process that the record there names. It remembers nothing that it could not find
 * again, but its connection. Its methods are called one at a time.
 */
export class QemuMachine {
  readonly #id: string;
  readonly #directory: string;
  readonly #host: MachineHost;
  /** Called when QEMU says that something happened: `look`. */
  readonly #stirred: () => void;
  /** Called when the machine changed by itself. */
  readonly #changed: () => void;
  #record: MachineRecord | undefined;
  #qmp: Qmp | undefined;
  #ending: Ending | undefined;
  /** The end of what the console printed, lest a prompt come in two pieces. */
  #lastPrinted = "";

  constructor(id: string, directory: string, host: MachineHost, stirred: () => void, changed: () => void) {
    this.#id = id;
    this.#directory = directory;
    this.#host = host;
    this.#stirred = stirred;
    this.#changed = changed;
    this.#record = readRecord(directory);
  }

  get uid(): number | undefined {
    return this.#record?.uid;
  }

  async ensure(spec: MachineSpec): Promise<void> {
    if ((await this.look()).state === "off") await this.#start(spec);
    else await this.#resume();
  }

  async pressPower(): Promise<void> {
    if ((await this.look()).state === "running") await this.#command("system_powerdown");
  }

  async reset(): Promise<void> {
    if ((await this.look()).state === "running") await this.#command("system_reset");
  }

  async stop(): Promise<void> {
    if (this.#record === undefined) return;
    const { life } = this.#record;
    if (life.state === "running") await this.#end(life.process);
    await this.#killStrays();
    if (life.state !== "off" || life.how !== "absent") await this.#become(absent);
  }

  async remove(): Promise<void> {
    await this.stop();
    await this.#killStrays();
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
      await this.#killStrays();
      return this.#become(absent);
    }
    if (!isAlive(life.process))
      return this.#endedByItself({ ...died, detail: await this.#causeOfDeath(life.process) });
    const status = await this.#status();
    if (status === "shutdown" || (status !== undefined && brokenStates.has(status))) {
      await this.#end(life.process);
      return this.#endedByItself(
        status === "shutdown"
          ? { state: "off", how: "powered-off" }
          : { ...died, detail: `QEMU stopped: ${status}` },
      );
    }
    return { state: "running", booted: life.booted };
  }

  /** Called every second: takes over what the console printed, and sees what nobody told us of. */
  async tend(): Promise<void> {
    if (this.#record?.life.state !== "running") return;
    const printed = await this.#drainConsole();
    const life = this.#record.life;
    if (!life.booted && (/login:/.test(this.#lastPrinted) || ageMs(life.process) > BOOT_MS)) {
      await this.#write({ ...life, booted: true });
      this.#changed();
    } else if (printed) this.#changed();
    await this.#boundComplaints();
    await this.look();
  }

  /** Takes over what the console printed so far. */
  async drain(): Promise<void> {
    if (this.#record?.life.state === "running") await this.#drainConsole();
  }

  /** Lets go; the machine runs on. */
  close(): void {
    this.#qmp?.close();
  }

  async #start(spec: MachineSpec): Promise<void> {
    const { acceleration, groups } = this.#host;
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    await this.#become({ state: "starting" });
    try {
      const { argv, opens, shows } = commandLine(spec, acceleration);
      const uid = this.#record?.uid ?? this.#host.takeUid();
      const command = confined({ argv, shows }, { uid, cpus: spec.cpus, acceleration });
      const { process, ending } = startProcess(this.#directory, command, opens);
      this.#ending = ending;
      this.#lastPrinted = "";
      await groups.enter(this.#id, process.pid, {
        memoryBytes: (spec.memoryMiB + OVERHEAD_MIB) * 1024 * 1024,
        threads: threadLimit(spec.cpus),
      });
      await this.#connect(AbortSignal.timeout(START_MS)).catch(async (error: unknown) => {
        throw (await isGone(process, 500)) ? new Error(await this.#causeOfDeath(process)) : error;
      });
      await this.#become({ state: "running", process, booted: false, argv: command });
      await this.#resume();
    } catch (error) {
      await this.#killStrays();
      await this.#become(absent);
      throw new Error(`${this.#id} does not start: ${messageOf(error)}`, { cause: error });
    }
  }

  /** QEMU pauses a machine by itself when its disk's file system is full. */
  async #resume(): Promise<void> {
    const status = await this.#status();
    if (status !== undefined && status !== "running") await this.#command("cont");
  }

  /** Politely for a second, so that QEMU writes out what it holds of the disks' tables; then not. */
  async #end(process: HostProcess): Promise<void> {
    const politely = (async () => {
      await this.#drainConsole();
      await this.#ask("quit");
      await isGone(process, QUIT_MS);
    })();
    await Promise.race([politely, sleep(QUIT_MS)]);
    await endProcess(process);
    this.#qmp?.close();
    await politely;
  }

  async #endedByItself(off: Off): Promise<MachineState> {
    await this.#become(off);
    this.#changed();
    return off;
  }

  async #causeOfDeath(process: HostProcess): Promise<string> {
    if (process.bootId !== bootId()) return "this host was restarted";
    // An adopted process is nobody's child that would be told how it ended.
    const how = await Promise.race([this.#ending ?? "is gone", sleep(ENDING_MS, "is gone")]);
    const complaint = lastComplaint(this.#directory);
    return complaint === "" ? `QEMU ${how}` : `QEMU ${how}: ${complaint}`;
  }

  /** Processes of a start that was cut short before it was recorded. */
  async #killStrays(): Promise<void> {
    await Promise.all(startedWith(startMark(this.#directory)).map(endProcess));
  }

  async #become<Life extends MachineLife>(life: Life): Promise<Life> {
    await this.#write(life);
    return life;
  }

  async #write(life: MachineLife): Promise<void> {
    this.#record = { uid: this.#record?.uid ?? this.#host.takeUid(), life };
    await writeRecord(this.#directory, this.#record);
  }

  /** Whether it printed anything since the last time. */
  async #drainConsole(): Promise<boolean> {
    const args = { device: "console", size: CONSOLE_BYTES, format: "base64" };
    const answer = await this.#ask("ringbuf-read", args);
    const printed = Buffer.from(typeof answer === "string" ? answer : "", "base64");
    if (printed.length === 0) return false;
    this.#lastPrinted = (this.#lastPrinted + printed.toString("latin1")).slice(-CONSOLE_BYTES);
    await appendConsole(this.#directory, printed);
    return true;
  }

  async #boundComplaints(): Promise<void> {
    const path = stderrPath(this.#directory);
    if ((await stat(path)).size > COMPLAINTS_BYTES) await truncate(path);
  }

  /** QEMU's run state, or undefined when it does not answer. */
  async #status(): Promise<string | undefined> {
    const answer = await this.#ask("query-status");
    return typeof answer === "object" && answer !== null && "status" in answer
      ? String(answer.status)
      : undefined;
  }

  async #command(command: string): Promise<void> {
    const qmp = await this.#connected();
    if (qmp === undefined) throw new Error(`${this.#id}: QEMU does not answer`);
    await qmp.execute(command);
  }

  async #ask(command: string, args: object = {}): Promise<unknown> {
    try {
      const qmp = await this.#connected();
      return await qmp?.execute(command, args, ASK_MS);
    } catch {
      return undefined;
    }
  }

  async #connected(): Promise<Qmp | undefined> {
    try {
      return this.#qmp ?? (await this.#connect(AbortSignal.timeout(CONNECT_MS)));
    } catch {
      return undefined;
    }
  }

  async #connect(signal: AbortSignal): Promise<Qmp> {
    const qmp = await Qmp.connect(controlPath(this.#directory), signal);
    this.#qmp = qmp;
    qmp.onEvent(({ event }) => {
      if (event === "RESET") this.#changed();
      else if (event === "SHUTDOWN" || event === "STOP") this.#stirred();
    });
    void this.#watch(qmp);
    return qmp;
  }

  /** The end of a conversation is mostly that of the process, a moment later. */
  async #watch(qmp: Qmp): Promise<void> {
    await qmp.closed;
    if (this.#qmp === qmp) this.#qmp = undefined;
    const life = this.#record?.life;
    if (life?.state !== "running") return;
    await isGone(life.process, 1000);
    this.#stirred();
  }
}

const absent: Off = { state: "off", how: "absent" };
const died = { state: "off", how: "died" } as const;

/** Run states no command leads out of. */
const brokenStates: ReadonlySet<string> = new Set(["internal-error", "guest-panicked"]);

/** QEMU's own memory, its translated code, and room for the page cache of the disks. */
const OVERHEAD_MIB = 384;
const START_MS = 30_000;
const CONNECT_MS = 2000;
const ASK_MS = 2000;
const QUIT_MS = 1000;
const ENDING_MS = 1000;
const BOOT_MS = 60_000;
const COMPLAINTS_BYTES = 64 * 1024;

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
