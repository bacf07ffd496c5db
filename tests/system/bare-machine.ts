import { createHash } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { run } from "#drivers/linux/commands.ts";
import type { MachineBoot } from "#drivers/machine/machine-driver.ts";
import { commandLine } from "#drivers/machine/qemu/command-line.ts";
import { socketPath, startProcess } from "#drivers/machine/qemu/qemu-process.ts";
import { Qmp } from "#drivers/machine/qemu/qmp.ts";
import type { BakedImage } from "#images/bake.ts";
import { patientSsh } from "../../bench/patient-ssh.ts";
import { inside } from "./bare-network.ts";
import type { BareNetwork } from "./bare-network.ts";

export interface BareMachineOptions {
  /** A folder of its own. */
  readonly dir: string;
  readonly network: BareNetwork;
  readonly instanceId: string;
  /** The disk to boot, read and written; and the image it is a difference to. */
  readonly disk: string;
  readonly image: BakedImage;
  readonly boot: MachineBoot["by"];
  /** A private key's path. */
  readonly key: string;
  /** As in a machine's identity. */
  readonly tells?: readonly string[];
}

/** One QEMU with the arguments the product gives it, but no jail and nobody to manage it. The shape is t3.micro's. */
export interface BareMachine extends AsyncDisposable {
  readonly pid: number;
  /** What `command` printed there, by ssh as the image's login user (or another), which waits for the machine to come up. */
  ssh(command: string, login?: { readonly user?: string; readonly key?: string }): Promise<string>;
  pressPower(): Promise<void>;
  /** What its initrd wrote to say that it does not boot the disk; for a machine that boots by a kernel. */
  refusal(): Promise<string>;
  /** Resolves when the guest has switched itself off. */
  readonly off: Promise<void>;
  /** What the serial console printed since this was last asked, at most 128 KiB. */
  console(): Promise<string>;
}

export const makeDisk = async (path: string, image: BakedImage): Promise<void> => {
  await run("qemu-img", ["create", "-q", "-f", "qcow2", "-b", image.disk, "-F", "qcow2", path]);
};

export const startBareMachine = async (options: BareMachineOptions): Promise<BareMachine> => {
  const { dir, network, instanceId, disk, image, boot, key, tells = [] } = options;
  await mkdir(dir, { recursive: true });
  const line = commandLine(
    {
      id: instanceId,
      architecture: image.architecture,
      cpus: 2,
      threadsPerCore: 2,
      memoryMiB: 1024,
      identity: { uuid: uuidOf(instanceId), product: "t3.micro", tells },
      boot: bootOf(image, boot),
      disks: [{ id: "vol-00000000000000001", path: disk, below: [image.disk] }],
      ports: [{ id: "eni-00000000000000001", ...network }],
    },
    "tcg",
  );
  // Without a jail, files are where they are.
  const outside = new Map(line.shows.map((shown) => [shown.inside, shown.outside]));
  const argv = line.argv.map((argument) => outside.get(argument) ?? argument);
  const { process: qemu, ending } = startProcess(dir, argv, line.opens);
  const qmp = await Qmp.connect(socketPath(dir, "qmp"), AbortSignal.timeout(10_000));
  const off = Promise.withResolvers<void>();
  qmp.onEvent(({ event }) => {
    if (event === "SHUTDOWN") off.resolve();
  });
  return {
    pid: qemu.pid,
    ssh: (command, login = {}) =>
      patientSsh({ user: image.loginUser, address: network.address, key, ...login }, command, (start) =>
        inside(network, start),
      ),
    pressPower: async () => void (await qmp.execute("system_powerdown")),
    off: off.promise,
    refusal: async () =>
      String(await qmp.execute("ringbuf-read", { device: "refusal", size: 16, format: "utf8" })),
    console: async () =>
      String(await qmp.execute("ringbuf-read", { device: "console", size: 128 * 1024, format: "utf8" })),
    [Symbol.asyncDispose]: async () => {
      qmp.close();
      process.kill(qemu.pid, "SIGKILL");
      await ending;
    },
  };
};

const bootOf = ({ name, kernel }: BakedImage, by: MachineBoot["by"]): MachineBoot => {
  if (by !== "kernel") return { by };
  if (!kernel) throw new Error(`${name} boots by firmware only`);
  return { by, ...kernel };
};

/** As EC2's: begins with `ec2`. */
const uuidOf = (instanceId: string): string => {
  const digits = `ec2${createHash("sha256").update(instanceId).digest("hex").slice(0, 29)}`;
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
};
