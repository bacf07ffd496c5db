import type { Architecture, MachineBoot, MachineDisk, MachinePort, MachineSpec } from "../machine-driver.ts";
import type { Acceleration } from "./acceleration.ts";
import {
  descriptorsOf,
  diskNodes,
  layersOf,
  secret,
  throttleGroup,
  virtioBlk,
  type Layer,
} from "./disk-nodes.ts";
import { accelerationOf, hardware, type Hardware } from "./hardware.ts";
import { netdev, virtioNet } from "./hot-plug.ts";

/**
 * How QEMU is started for `spec` on a host whose own machines are accelerated so. It opens nothing by name but the firmware's code and what `shows` puts into its jail: disks,
 * taps, UEFI's variables and the sockets it listens on are handed to it open. Arguments follow QEMU 7.2's manual.
 */
export const commandLine = (spec: MachineSpec, acceleration: Acceleration["kind"]): CommandLine => {
  const { architecture = "x86_64" } = spec;
  const { program, machine, display, uefi } = hardware[architecture];
  const opens: Opened[] = [];
  const open = (what: Opened): number => FIRST_FD + opens.push(what) - 1;
  const control = open({ kind: "socket", name: "qmp" });
  const backup = open({ kind: "socket", name: "qmp-backup" });
  const slots = slotsFor(spec);
  const options: Option[] = [
    ["-name", `${spec.id},debug-threads=on`],
    ["-no-user-config"],
    ["-nodefaults"],
    ["-display", "none"],
    // The guest's power-off leaves QEMU paused, so that it can be told from a crash by whoever looks next.
    ["-no-shutdown"],
    ["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"],
    ["-machine", machine],
    ...(spec.serves ? [["-S"] satisfies Option] : []), // it never runs
    ...(spec.boot.by === "uefi" ? flash(uefi, open) : []),
    ...processor(architecture, acceleration),
    [
      "-smp",
      `${spec.cpus},sockets=1,cores=${spec.cpus / spec.threadsPerCore},threads=${spec.threadsPerCore}`,
    ],
    ["-m", `${spec.memoryMiB}M`],
    ...identity(spec),
    ["-chardev", `socket,id=control,fd=${control},server=on,wait=off`],
    ["-mon", "chardev=control,mode=control"],
    // A second one, since each has one conversation at a time: for backups, which are not the driver's.
    ["-chardev", `socket,id=backup,fd=${backup},server=on,wait=off`],
    ["-mon", "chardev=backup,mode=control"],
    ["-chardev", `ringbuf,id=console,size=${CONSOLE_BYTES}`],
    ["-serial", "chardev:console"],
    ["-object", "rng-random,id=entropy,filename=/dev/urandom"],
    ["-device", "virtio-rng-pci,rng=entropy,addr=0x3"],
    // Nobody inflates it: by it, the guest tells which of its memory is free, and this host has that back.
    ["-device", "virtio-balloon-pci,id=balloon,free-page-reporting=on,addr=0x6"],
    ["-device", `${display},addr=0x2`],
    ...slots.rootPorts,
    ...spec.disks.flatMap((disk, index) =>
      diskOptions(
        spec.serves ? { ...virtioBlk(disk), "share-rw": "on" } : virtioBlk(disk),
        disk,
        index,
        firstSetOf(spec.disks, index),
        slots.ofDisk(index),
        open,
      ),
    ),
    ...spec.ports.flatMap((port, index) => portOptions(port, slots.ofPort(index), open)),
    ...boot(spec.boot, accelerationOf(architecture, acceleration)),
  ];
  const shows =
    spec.boot.by === "kernel"
      ? [
          { outside: spec.boot.image, inside: KERNEL },
          { outside: spec.boot.initrd, inside: INITRD },
        ]
      : [];
  return {
    argv: [program, ...options.flatMap(([name, value]) => (value === undefined ? [name] : [name, value]))],
    opens,
    shows,
    secrets: spec.disks.flatMap(({ id, encrypted }) =>
      encrypted ? [{ key: encrypted.key, inside: secretFile(id) }] : [],
    ),
  };
};

const secretFile = (diskId: string): string => `/${secret(diskId)}`;

export interface CommandLine {
  readonly argv: readonly string[];
  /** What the process finds open as descriptors 3, 4, 5, … */
  readonly opens: readonly Opened[];
  /** Files of this host the jail shows, read-only, and where. They must be readable by everyone. */
  readonly shows: readonly { readonly outside: string; readonly inside: string }[];
  /** The keys whose secrets the process finds in files of these names in its jail, readable by it alone, until it answers. */
  readonly secrets: readonly { readonly key: string; readonly inside: string }[];
}

/** `socket`: one that QEMU answers QMP on, in the machine's directory. `variables`: the machine's own of UEFI, to be written;
 * at first a copy of `from`. */
export type Opened =
  | { readonly kind: "socket"; readonly name: SocketName }
  | { readonly kind: "variables"; readonly from: string }
  | { readonly kind: "file"; readonly path: string; readonly mode: "r" | "r+" }
  | { readonly kind: "tap"; readonly namespace: string; readonly device: string };

/** For the driver, and for backups. */
export type SocketName = "qmp" | "qmp-backup";

/**
 * How much of the serial console QEMU keeps until it is read. A ring, since a file would grow as fast as a guest likes
 * whenever nobody is there to cut it short, and a pipe would stop the guest.
 */
export const CONSOLE_BYTES = 128 * 1024;

const FIRST_FD = 3;
const KERNEL = "/boot/kernel";
const INITRD = "/boot/initrd";

/** One option of QEMU's with its value, if it takes one. */
type Option = readonly [name: string, value?: string];

/** Below 64 MiB of translated code a Linux boot translates the same code again and again; above, it gains nothing. */
const processor = (architecture: Architecture, acceleration: Acceleration["kind"]): Option[] =>
  accelerationOf(architecture, acceleration) === "kvm"
    ? [
        ["-accel", "kvm"],
        ["-cpu", "host"],
      ]
    : [
        ["-accel", "tcg,thread=multi,tb-size=64"],
        ["-cpu", hardware[architecture].emulatedCpu],
      ];

/** The firmware tables by which cloud-init, and our own first-boot agent, know an EC2 instance and its id. */
const identity = ({ id, identity: { uuid, product, tells = [] } }: MachineSpec): Option[] => [
  ["-uuid", uuid],
  ["-smbios", "type=0,vendor=Amazon EC2,version=1.0"],
  ["-smbios", `type=1,manufacturer=Amazon EC2,product=${product},serial=${uuid},uuid=${uuid}`],
  ["-smbios", `type=2,manufacturer=Amazon EC2,asset=${id}`],
  ["-smbios", "type=3,manufacturer=Amazon EC2,asset=Amazon EC2"],
  // The first string is behind the table's header: who takes it for text does not find where it begins. Each ends in a line's end,
  // since a shell that reads the tables passes over the zeros.
  ...(tells.length > 0 ? [oemStrings(["croft", ...tells])] : []),
];

const oemStrings = (texts: readonly string[]): Option => [
  "-smbios",
  ["type=11", ...texts.map((text) => `value=${text.replaceAll(",", ",,")}\n`)].join(","),
];

/**
 * Where devices sit. The boot disk and the first interface are on the root bus, as slots 4 and 5 (so Linux calls the
 * interface `enp0s5`, and the baked image `ens5`, as EC2 does); everything else has a root port of its own, since only there
 * can it be unplugged: first those that interfaces have or may have, then those of disks; some stay free.
 */
const slotsFor = ({ disks, ports, mostPorts = 1, mostDisks = 1 }: MachineSpec) => {
  const forPorts = Math.max(ports.length, mostPorts, 1) - 1;
  const forDisks = Math.max(disks.length, mostDisks, 1) - 1;
  const count = forPorts + forDisks + SPARE_ROOT_PORTS;
  const rootPorts = Array.from({ length: count }, (_, n): Option => {
    const address = `0x${(0x10 + Math.floor(n / 8)).toString(16)}.${n % 8}`;
    const multifunction = n % 8 === 0 ? ",multifunction=on" : "";
    return ["-device", `pcie-root-port,id=slot${n},chassis=${n + 1},addr=${address}${multifunction}`];
  });
  return {
    rootPorts,
    ofDisk: (index: number) => (index === 0 ? "addr=0x4" : `bus=slot${forPorts + index - 1}`),
    ofPort: (index: number) => (index === 0 ? "addr=0x5" : `bus=slot${index - 1}`),
  };
};

const SPARE_ROOT_PORTS = 4;

const diskOptions = (
  hasDevice: object,
  disk: MachineDisk,
  index: number,
  firstSet: number,
  slot: string,
  open: (what: Opened) => number,
): Option[] => {
  const layers = layersOf(disk);
  const device = Object.entries({ ...hasDevice, bootindex: index + 1 });
  const setOf = ({ height }: Pick<Layer, "height">) => firstSet + height;
  return [
    ...layers.flatMap((layer) =>
      descriptorsOf(disk.id, layer).map(({ mode, opaque }): Option => [
        "-add-fd",
        `fd=${open({ kind: "file", path: layer.path, mode })},set=${setOf(layer)},opaque=${opaque}`,
      ]),
    ),
    ["-object", JSON.stringify(throttleGroup(disk))],
    ...(disk.encrypted
      ? [
          [
            "-object",
            JSON.stringify({ "qom-type": "secret", id: secret(disk.id), file: secretFile(disk.id) }),
          ] satisfies Option,
        ]
      : []),
    ...diskNodes(disk, setOf).map((node): Option => ["-blockdev", JSON.stringify(node)]),
    [
      "-device",
      [...device.map(([name, value]) => `${name}=${value}`), slot].join(",").replace("driver=", ""),
    ],
  ];
};

const portOptions = (port: MachinePort, slot: string, open: (what: Opened) => number): Option[] => {
  const fd = open({ kind: "tap", namespace: port.namespace, device: port.device });
  const device = Object.entries(virtioNet(port)).map(([name, value]) => `${name}=${value}`);
  return [
    ["-netdev", `tap,id=${netdev(port.id)},fd=${fd}`],
    ["-device", [...device, slot].join(",").replace("driver=", "")],
  ];
};

/**
 * The emulator may go on running what a kernel has patched on another processor, and the ciphers' own tests run beside such a
 * patch at every boot: one guest hung there for good (`alg_test`, QEMU 7.2). Emulated kernels go without these tests.
 */
const boot = (how: MachineBoot, accelerated: Acceleration["kind"]): Option[] =>
  how.by === "kernel"
    ? [
        ["-kernel", KERNEL],
        ["-initrd", INITRD],
        ["-append", accelerated === "tcg" ? `${how.commandLine} cryptomgr.notests` : how.commandLine],
        ["-chardev", "ringbuf,id=refusal,size=16"],
        ["-device", "isa-serial,index=1,chardev=refusal"],
      ]
    : [["-boot", "strict=on"]];

/** Without it, QEMU brings a PC's BIOS. */
const flash = ({ code, variables }: Hardware["uefi"], open: (what: Opened) => number): Option[] => {
  const chip = (node: string, filename: string, flags: object): Option => [
    "-blockdev",
    JSON.stringify({
      driver: "raw",
      "node-name": node,
      ...flags,
      file: { driver: "file", filename, ...flags },
    }),
  ];
  return [
    chip("firmware", code, { "read-only": true }),
    ["-add-fd", `fd=${open({ kind: "variables", from: variables })},set=${VARIABLES_SET}`],
    chip("variables", `/dev/fdset/${VARIABLES_SET}`, {}),
    ["-machine", "pflash0=firmware,pflash1=variables"],
  ];
};

/** Disks have the sets from 1 on, each as many as it has files. */
const firstSetOf = (disks: readonly MachineDisk[], index: number): number =>
  disks.slice(0, index).reduce((set, disk) => set + layersOf(disk).length, 1);
const VARIABLES_SET = 1000;
