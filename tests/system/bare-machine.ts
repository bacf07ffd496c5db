import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { run } from "#drivers/linux/commands.ts";
import { commandLine } from "#drivers/machine/qemu/command-line.ts";
import { controlPath, startProcess } from "#drivers/machine/qemu/qemu-process.ts";
import { Qmp } from "#drivers/machine/qemu/qmp.ts";
import type { BakedImage } from "#images/bake.ts";
import { inside } from "./bare-network.ts";
import type { BareNetwork } from "./bare-network.ts";

export interface BareMachineOptions {
  /** An empty folder of its own. */
  readonly dir: string;
  readonly network: BareNetwork;
  readonly instanceId: string;
  /** The disk to boot, read and written; and the image it is a difference to. */
  readonly disk: string;
  readonly image: BakedImage;
  readonly boot: "kernel" | "firmware";
  /** A private key's path. */
  readonly key: string;
}

/** One QEMU with the arguments the product gives it, but no jail and nobody to manage it. The shape is t3.micro's. */
export interface BareMachine extends AsyncDisposable {
  /** What `command` printed there, by ssh as the image's login user, which waits for the machine to come up. */
  ssh(command: string): Promise<string>;
  pressPower(): Promise<void>;
  /** Resolves when the guest has switched itself off. */
  readonly off: Promise<void>;
  /** The last 128 KiB the serial console printed that nobody has asked for yet. */
  console(): Promise<string>;
}

export const makeDisk = async (path: string, image: BakedImage, sizeGiB = image.sizeGiB): Promise<void> => {
  await run("qemu-img", [
    "create",
    "-q",
    "-f",
    "qcow2",
    "-b",
    image.disk,
    "-F",
    "qcow2",
    path,
    `${sizeGiB}G`,
  ]);
};

export const startBareMachine = async (options: BareMachineOptions): Promise<BareMachine> => {
  const { dir, network, instanceId, disk, image, boot } = options;
  await mkdir(dir, { recursive: true });
  const line = commandLine(
    {
      id: instanceId,
      cpus: 2,
      memoryMiB: 1024,
      identity: { uuid: uuidOf(instanceId), product: "t3.micro" },
      ...(boot === "kernel" && { kernel: image.kernel }),
      disks: [{ id: "vol-00000000000000001", path: disk, backing: image.disk }],
      ports: [{ id: "eni-00000000000000001", ...network }],
    },
    "tcg",
  );
  // Without a jail, files are where they are.
  const outside = new Map(line.shows.map((shown) => [shown.inside, shown.outside]));
  const argv = line.argv.map((argument) =>
    (outside.get(argument) ?? argument).replace(boot === "kernel" ? /,bootindex=\d+/ : "", ""),
  );
  const { process: qemu, ending } = startProcess(dir, argv, line.opens);
  const off = Promise.withResolvers<void>();
  // By its socket's path as soon as that is there, which it is before QEMU runs.
  const qmp = await Qmp.connect(controlPath(dir), AbortSignal.timeout(10_000));
  qmp.onEvent(({ event }) => event === "SHUTDOWN" && off.resolve());
  return {
    ssh: (command) => ssh(options, command),
    pressPower: async () => void (await qmp.execute("system_powerdown")),
    off: off.promise,
    console: async () =>
      String(await qmp.execute("ringbuf-read", { device: "console", size: 128 * 1024, format: "utf8" })),
    [Symbol.asyncDispose]: async () => {
      qmp.close();
      process.kill(qemu.pid, "SIGKILL");
      await ending;
    },
  };
};

/** As EC2's: begins with `ec2`. */
const uuidOf = (instanceId: string): string => {
  const digits = `ec2${createHash("sha256").update(instanceId).digest("hex").slice(0, 29)}`;
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
};

const ssh = async ({ network, key, image }: BareMachineOptions, command: string): Promise<string> => {
  const proxy = join(import.meta.dirname, "../../bench/patient-connect.ts");
  const child = inside(network, () =>
    spawn(
      "ssh",
      [
        ...sshOptions(key),
        "-o",
        `ProxyCommand=${process.execPath} ${proxy} %h %p`,
        `${image.loginUser}@${network.address}`,
        command,
      ],
      {
        stdio: ["ignore", "pipe", "pipe"],
      },
    ),
  );
  let [printed, complained] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (printed += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (complained += text));
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`ssh: exit ${String(code)}: ${complained}${printed}`);
  return printed;
};

const sshOptions = (key: string): string[] =>
  [
    "IdentityFile",
    "IdentitiesOnly=yes",
    "BatchMode=yes",
    "StrictHostKeyChecking=no",
    "UserKnownHostsFile=/dev/null",
    "LogLevel=ERROR",
  ].flatMap((option) => ["-o", option === "IdentityFile" ? `IdentityFile=${key}` : option]);
