import type { OpenKey } from "#drivers/open-key.ts";
import { fakePicture } from "./fake-picture.ts";
import type {
  DiskTraffic,
  MachineDisk,
  MachineDriver,
  MachinePort,
  MachineSpec,
  MachineState,
} from "../machine-driver.ts";

/** Machines of no hardware at all, for the tests of what stands above, with hands on their guests. */
export interface FakeMachines extends MachineDriver {
  /** The guest shuts itself down. */
  guestPowersOff(id: string): void;
  /** The machine's process ends without warning. */
  kill(id: string): void;
  /** Its processors stand still, and why; undefined: they go on. */
  pause(id: string, why: string | undefined): void;
  /** Devices of its ports are gone; none: they are there again. */
  cutOff(id: string, ports: readonly string[]): void;
  /** The guest writes to its console. */
  print(id: string, text: string): void;
  /** Its guest asks so much of a disk. */
  ask(id: string, diskId: string, traffic: DiskTraffic): void;
  /** Its processors run for so many milliseconds. */
  run(id: string, ms: number): void;
  /** What `limitProcessors` last said, since it was started. */
  limit(id: string): number | undefined;
  /** What a running machine was last started with, and with the ports and disks that it has now. */
  spec(id: string): MachineSpec | undefined;
  /** What `changeDisk` last said that a disk of a running machine has. */
  sizeOf(id: string, diskId: string): number | undefined;
}

export interface FakeOptions {
  /** A started guest shows its login prompt, soon or at once; else only what `print` says. Default true: soon. */
  readonly boots?: boolean | "at once";
  /** A guest powers off soon after its power button was pressed, and lets go of a port or disk that it is asked for. Default true. */
  readonly listens?: boolean;
  /** What a guest prints before its login prompt. Default nothing. */
  readonly says?: string;
  /** Asked where a real one would be. */
  readonly openKey?: OpenKey;
}

export const createFakeMachines = ({
  boots = true,
  listens = true,
  says = "",
  openKey = (key) => key,
}: FakeOptions = {}): FakeMachines => {
  const machines = new Map<string, FakeMachine>();
  const listeners: ((id: string) => void)[] = [];
  const changed = (id: string) => {
    for (const listener of listeners) listener(id);
  };
  const running = (id: string): Running | undefined => {
    const life = machines.get(id)?.life;
    return life?.state === "running" ? life : undefined;
  };
  /** By itself, from `life`; too late when someone was faster. */
  const end = (id: string, life: Running | undefined, off: Off) => {
    const machine = machines.get(id);
    if (machine === undefined || life === undefined || machine.life !== life) return;
    machine.life = off;
    changed(id);
  };
  const print = (id: string, life: Running | undefined, text: string) => {
    const machine = machines.get(id);
    if (machine === undefined || life === undefined || machine.life !== life) return;
    machine.console += text;
    life.booted ||= text.includes("login:");
    changed(id);
  };
  const boot = (id: string) => {
    const life = running(id);
    const shown = () => print(id, life, `${says}fake login: `);
    if (boots === "at once") shown();
    else if (boots) setImmediate(shown);
  };

  const plug = (id: string, kind: Pluggable, part: MachinePort | MachineDisk) => {
    const life = running(id);
    if (life === undefined || life.spec[kind].some((it) => it.id === part.id)) return;
    life.spec = { ...life.spec, [kind]: [...life.spec[kind], part] };
  };
  const layer = (id: string, disks: readonly MachineDisk[]) => {
    const life = running(id);
    if (life === undefined) return;
    const now = new Map(disks.map(({ id: disk, limits: _, ...place }) => [disk, place]));
    life.spec = { ...life.spec, disks: life.spec.disks.map((it) => ({ ...it, ...now.get(it.id) })) };
  };
  const needServer = ({ servedBy }: MachineDisk) => {
    if (servedBy !== undefined && !running(servedBy)?.spec.serves)
      throw new Error(`${servedBy} serves nothing`);
  };
  const unplug = (id: string, kind: Pluggable, partId: string, force: boolean): boolean => {
    const life = running(id);
    const letGo = () => {
      if (life === undefined || running(id) !== life) return;
      life.spec = { ...life.spec, [kind]: life.spec[kind].filter((it) => it.id !== partId) };
      changed(id);
    };
    if (!life?.spec[kind].some((it) => it.id === partId)) return true;
    if (force) letGo();
    else if (listens) setImmediate(letGo);
    return force;
  };

  return {
    ensure: async (spec) => {
      const machine = machines.get(spec.id) ?? { console: "", life: absent };
      machines.set(spec.id, machine);
      if (machine.life.state === "running") return;
      for (const disk of spec.disks) {
        needServer(disk);
        if (disk.encrypted) openKey(disk.encrypted.key);
      }
      machine.life = {
        state: "running",
        booted: false,
        processorMs: 0,
        limit: undefined,
        asked: new Map(),
        sizes: new Map(),
        spec,
      };
      if (!spec.serves) boot(spec.id);
    },
    pressPower: async (id) => {
      const life = running(id);
      if (listens && !life?.spec.serves) setImmediate(() => end(id, life, poweredOff));
    },
    plug: async (id, port) => plug(id, "ports", port),
    unplug: async (id, portId, { force }) => unplug(id, "ports", portId, force),
    plugDisk: async (id, disk) => {
      if (running(id)) needServer(disk);
      if (running(id) && disk.encrypted) openKey(disk.encrypted.key);
      plug(id, "disks", disk);
    },
    unplugDisk: async (id, diskId, { force }) => unplug(id, "disks", diskId, force),
    changeDisk: async (id, diskId, { sizeGiB, limits }) => {
      const life = running(id);
      const change = (it: MachineDisk) => (it.id === diskId ? { ...it, limits } : it);
      const has = life?.spec.disks.find((it) => it.id === diskId);
      if (!life || !has) return false;
      if (has.servedBy !== undefined && running(has.servedBy)?.sizes.get(diskId) !== sizeGiB)
        throw new Error(`${has.servedBy} serves another size`);
      life.sizes.set(diskId, sizeGiB);
      life.spec = { ...life.spec, disks: life.spec.disks.map(change) };
      return true;
    },
    layerDisks: async (id, disks) => layer(id, disks),
    layerTogether: async (layers) => {
      const isThere = (id: string, { id: diskId, path }: MachineDisk) =>
        running(id)?.spec.disks.some((it) => it.id === diskId && it.path === path);
      if (layers.some(({ id, disks }) => disks.some((it) => isThere(id, it)))) return false;
      for (const { id, disks } of layers) layer(id, disks);
      return true;
    },
    rebaseDisks: async (id, disks) => {
      const life = running(id);
      if (life === undefined) return;
      const now = new Map(disks.map(({ path, id: _, limits: _l, ...place }) => [path, place]));
      life.spec = { ...life.spec, disks: life.spec.disks.map((it) => ({ ...it, ...now.get(it.path) })) };
    },
    reset: async (id) => {
      const life = running(id);
      if (life === undefined) return;
      life.booted = false;
      changed(id);
      boot(id);
    },
    stop: async (id) => {
      const machine = machines.get(id);
      if (machine !== undefined) machine.life = absent;
    },
    remove: async (id) => void machines.delete(id),
    observe: async (id) => {
      const life = machines.get(id)?.life ?? absent;
      if (life.state === "off") return life;
      const { booted, paused, cutOff = [] } = life;
      return {
        state: "running",
        booted,
        ...(paused !== undefined && { paused }),
        ...(cutOff.length > 0 && { cutOff }),
      };
    },
    list: async () => [...machines.keys()],
    console: async (id) => Buffer.from(machines.get(id)?.console ?? "").subarray(-64 * 1024),
    screenshot: async (id) => (running(id) === undefined ? undefined : fakePicture()),
    diskTraffic: async (id) => {
      const life = running(id);
      return new Map(life?.spec.disks.map((disk) => [disk.id, life.asked.get(disk.id) ?? nothing]));
    },
    processorMs: async (id) => running(id)?.processorMs,
    limitProcessors: async (id, processors) => {
      const life = running(id);
      if (life !== undefined) life.limit = processors;
    },
    onChange: (listener) => void listeners.push(listener),
    guestPowersOff: (id) => end(id, running(id), poweredOff),
    kill: (id) => end(id, running(id), { state: "off", how: "died", detail: "killed" }),
    pause: (id, why) => {
      const life = running(id);
      if (life === undefined) return;
      life.paused = why;
      changed(id);
    },
    cutOff: (id, ports) => {
      const life = running(id);
      if (life === undefined) return;
      life.cutOff = ports;
      changed(id);
    },
    print: (id, text) => print(id, running(id), text),
    ask: (id, diskId, { requests, bytes }) => {
      const asked = running(id)?.asked;
      const before = asked?.get(diskId) ?? nothing;
      asked?.set(diskId, { requests: before.requests + requests, bytes: before.bytes + bytes });
    },
    run: (id, ms) => {
      const life = running(id);
      if (life !== undefined) life.processorMs += ms;
    },
    limit: (id) => running(id)?.limit,
    spec: (id) => running(id)?.spec,
    sizeOf: (id, diskId) => running(id)?.sizes.get(diskId),
  };
};

type Pluggable = "ports" | "disks";

interface FakeMachine {
  life: Running | Off;
  console: string;
}
interface Running {
  readonly state: "running";
  spec: MachineSpec;
  booted: boolean;
  paused?: string | undefined;
  cutOff?: readonly string[];
  processorMs: number;
  limit: number | undefined;
  readonly asked: Map<string, DiskTraffic>;
  /** In GiB, of the disks that were changed. */
  readonly sizes: Map<string, number>;
}
type Off = Extract<MachineState, { state: "off" }>;

const nothing: DiskTraffic = { requests: 0, bytes: 0 };
const absent: Off = { state: "off", how: "absent" };
const poweredOff: Off = { state: "off", how: "powered-off" };
