/** Virtual machines of this host. Every verb may be repeated; specs and answers are serialisable. */
export interface MachineDriver {
  /** The machine exists and its CPUs run when this returns. A machine already running is left as it is. */
  ensure(spec: MachineSpec): Promise<void>;
  /** Presses the power button; returns at once. A guest that listens powers off some seconds later. */
  pressPower(id: string): Promise<void>;
  /** A running machine has this port when it returns; one that is off is left as it is. */
  plug(id: string, port: MachinePort): Promise<void>;
  /**
   * Asks a running guest to let go of a port, and tells whether it has: one that listens does so a moment after it was first
   * asked. By `force` nothing passes the port any more, but a guest that does not listen keeps a dead device until it is off.
   */
  unplug(id: string, portId: string, options: { readonly force: boolean }): Promise<boolean>;
  /** A running machine has this disk when it returns; one that is off is left as it is. */
  plugDisk(id: string, disk: MachineDisk): Promise<void>;
  /**
   * Asks a running guest to let go of a disk, as `unplug` does, and tells whether it has: whether nobody writes its bytes any more.
   * By `force` a guest that does not listen keeps a dead device, which cannot be read, until it is off.
   */
  unplugDisk(id: string, diskId: string, options: { readonly force: boolean }): Promise<boolean>;
  /**
   * Whether a running machine has the disk; then it is at least this large from now on, and its guest is shown so, and has these
   * limits. One that others have is made larger by the machine that serves it, while they stand still for a moment; then each of them
   * is to be told.
   */
  changeDisk(id: string, diskId: string, to: DiskChange): Promise<boolean>;
  /**
   * From one moment on, a running machine writes to the places that these of its disks have now; what it wrote before is in the file
   * below. What it was asked to write by then is there, as a power cut would leave it. Others than its disks, and disks that are where
   * they were, are left as they are.
   */
  layerDisks(id: string, disks: readonly MachineDisk[]): Promise<void>;
  /**
   * `layerDisks` of several machines. Those of `still` that run stand still meanwhile, when all that they asked of their disks is answered:
   * so it is one moment of each of them. False, and nothing is done, when one that runs writes any of the disks where it should already:
   * that was another moment.
   */
  layerTogether(layers: readonly MachineLayers[], still: readonly string[]): Promise<boolean>;
  /**
   * A running machine reads what these of its disks are differences to from the places that those have now, which hold the same, and
   * lets go of the others. It writes on where it writes, though the disk may have another place by now.
   */
  rebaseDisks(id: string, disks: readonly MachineDisk[]): Promise<void>;
  /** A hard reset: the guest boots again in the same process. */
  reset(id: string): Promise<void>;
  /** Ends the machine's process; its directory, with the console, stays for the next `ensure`. */
  stop(id: string): Promise<void>;
  /** Ends the process and removes everything the machine had here but its disks. */
  remove(id: string): Promise<void>;
  observe(id: string): Promise<MachineState>;
  /** Every machine that has a process or a directory here. */
  list(): Promise<string[]>;
  /** The last bytes the serial console printed, at most 64 KiB. */
  console(id: string): Promise<Buffer>;
  /** What its screen shows, or nothing while it is off. To wake the guest, a key is pressed a moment before. */
  screenshot(id: string, options: { readonly wake: boolean }): Promise<Picture | undefined>;
  /** What its guest asked of its disks since it has them, by their ids; none while it is off. */
  diskTraffic(id: string): Promise<ReadonlyMap<string, DiskTraffic>>;
  /** Milliseconds that its processors have run, added up, since its process started; undefined when there is none. */
  processorMs(id: string): Promise<number | undefined>;
  /** From now on it uses at most this many of the host's processors (0.2: a fifth of one); undefined: as many as it has. */
  limitProcessors(id: string, processors: number | undefined): Promise<void>;
  /** Called when a machine changed by itself: powered off, was reset, died, printed, let go of a port or disk. */
  onChange(listener: (id: string) => void): void;
}

export type Architecture = "x86_64" | "arm64";

export interface MachineSpec {
  /** Also what the process is called (`-name`). */
  readonly id: string;
  /** Of its processors; x86_64 unless it says another. */
  readonly architecture?: Architecture;
  /** Hardware threads, in cores of one socket: divisible by `threadsPerCore`. */
  readonly cpus: number;
  readonly threadsPerCore: number;
  readonly memoryMiB: number;
  /** What the guest's firmware tables say it is. */
  readonly identity: {
    readonly uuid: string;
    readonly product: string;
    /** What is not in the fields of an EC2 instance: `NAME=TEXT` each, of printable ASCII. */
    readonly tells?: readonly string[];
  };
  readonly boot: MachineBoot;
  /** The first is the one it boots from, and stays. */
  readonly disks: readonly MachineDisk[];
  /** How many it is to have room for while it runs; absent: those. */
  readonly mostDisks?: number;
  /** What those of its disks that have limits are held to together, beside their own. */
  readonly sharedLimits?: DiskLimits;
  readonly ports: readonly MachinePort[];
  /** How many it is to have room for while it runs; absent: those. */
  readonly mostPorts?: number;
  /**
   * It has no guest: while it is there, other machines have its disks (`MachineDisk.servedBy`), all of them at once. A write that is
   * answered is on the disk, and stays there when the process is killed; the others wait until it runs again. `ensure` lets those
   * that had its disks have them again.
   */
  readonly serves?: true;
}

/**
 * A kernel of this host's, without firmware; or firmware, which finds the boot loader on the first disk. Only PCs (x86_64) have a
 * BIOS, and boot by a kernel. A kernel's initrd may find that the disk boots something else by now: it writes to the second serial
 * port and powers off, and the machine starts again, from then on by its BIOS.
 */
export type MachineBoot =
  | {
      readonly by: "kernel";
      readonly image: string;
      readonly initrd: string;
      readonly commandLine: string;
    }
  | { readonly by: "bios" }
  /** What the guest lets it remember (boot entries, keys) stays with the machine until that is removed. */
  | { readonly by: "uefi" };

export interface Picture {
  readonly width: number;
  readonly height: number;
  /** Rows from the top, each pixel as three bytes: red, green, blue. */
  readonly rgb: Buffer;
}

/** Paths are the disk driver's. */
export interface MachineDisk {
  readonly id: string;
  /** The id of a machine that has the disk's files and `serves` it; then there is no path, and nothing is below. */
  readonly servedBy?: string;
  readonly path: string;
  /** Read-only files that it is a difference to, each to the next. */
  readonly below: readonly string[];
  /** So many of its files, from `path` on, are encrypted with this key; absent: none is. */
  readonly encrypted?: { readonly key: string; readonly files: number };
  /** Absent: as fast as it goes. */
  readonly limits?: DiskLimits;
}

export interface MachineLayers {
  /** The machine's. */
  readonly id: string;
  readonly disks: readonly MachineDisk[];
}

export interface DiskChange {
  readonly sizeGiB: number;
  readonly limits: DiskLimits;
}

/** What a disk reads and writes in a second, at most; a member that is absent is not limited. */
export interface DiskLimits {
  /** A request of more than `bytes` counts as several. */
  readonly requests?: DiskRate & { readonly bytes: number };
  readonly bytes?: DiskRate;
}

/** Reads, writes and discards, added up. */
export interface DiskTraffic {
  readonly requests: number;
  readonly bytes: number;
}

export interface DiskRate {
  readonly rate: number;
  /** For so long, when it did nothing before: it earns it back by doing less than its rate. */
  readonly burst?: { readonly rate: number; readonly seconds: number };
}

/** A network interface: the far end of the tap device that the network driver made. */
export interface MachinePort {
  readonly id: string;
  readonly mac: string;
  readonly mtu: number;
  readonly namespace: string;
  readonly device: string;
}

/**
 * `off` says how it got there: `absent` (no process was ever seen for it since it was made or stopped), `powered-off` (the
 * guest shut itself down) or `died` (the process ended any other way; `detail` says what is known).
 */
export type MachineState =
  /**
   * `paused`: its processors stand still, and why, until its disks take what it writes; it goes on by itself. `cutOff`: the ids of
   * ports whose devices someone removed; each takes the next one of its name by itself.
   */
  | {
      readonly state: "running";
      readonly booted: boolean;
      readonly paused?: string;
      readonly cutOff?: readonly string[];
    }
  | { readonly state: "off"; readonly how: "absent" | "powered-off" }
  | { readonly state: "off"; readonly how: "died"; readonly detail: string };
