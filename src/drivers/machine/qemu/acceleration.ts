import { access, constants, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CommandFailed, run } from "#drivers/linux/commands.ts";

/** How this host runs guests, and what that was concluded from. */
export interface Acceleration {
  readonly kind: "kvm" | "tcg";
  readonly reason: string;
}

/**
 * Hardware KVM where the CPU has it and a guest really ran, TCG elsewhere. An openable `/dev/kvm` proves nothing: on some
 * virtual hosts it answers, and its guests then die or crawl.
 */
export const detectAcceleration = async (): Promise<Acceleration> => {
  if (!/^flags\s*:.*\b(vmx|svm)\b/m.test(await readFile("/proc/cpuinfo", "utf8")))
    return { kind: "tcg", reason: "the CPU has neither vmx nor svm" };
  try {
    await access("/dev/kvm", constants.R_OK | constants.W_OK);
  } catch {
    return { kind: "tcg", reason: "/dev/kvm cannot be opened" };
  }
  return (await runsGuest("kvm"))
    ? { kind: "kvm", reason: "a guest ran under KVM" }
    : { kind: "tcg", reason: "the CPU has vmx or svm, but a trial guest failed under KVM" };
};

/** Whether a guest of one boot sector gets from the firmware to its own instructions, within five seconds. */
export const runsGuest = async (accelerator: "kvm" | "tcg"): Promise<boolean> => {
  const directory = await mkdtemp(join(tmpdir(), "croft-probe-"));
  try {
    const disk = join(directory, "disk");
    await writeFile(disk, bootSector);
    await truncate(disk, DISK_BYTES);
    const cpu = accelerator === "kvm" ? "host" : "max";
    const machine = [
      "-machine",
      "pc-q35-7.2",
      "-accel",
      accelerator,
      "-cpu",
      cpu,
      "-m",
      "32M",
      "-display",
      "none",
    ];
    const devices = ["-drive", `file=${disk},format=raw,if=virtio`, "-device", "isa-debug-exit,iobase=0xf4"];
    await run("qemu-system-x86_64", ["-nodefaults", ...machine, ...devices], { timeoutMs: 5000 });
    return false;
  } catch (error) {
    return error instanceof CommandFailed && error.exitCode === EXIT_CODE;
  } finally {
    await rm(directory, { recursive: true });
  }
};

/** `mov dx,0xf4; mov al,0x10; out dx,al`: QEMU's debug-exit device ends QEMU with 2 × 0x10 + 1. */
const bootSector = Buffer.alloc(512);
bootSector.set([0xba, 0xf4, 0x00, 0xb0, 0x10, 0xee]);
bootSector.set([0x55, 0xaa], 510);
/** The firmware reads no disk of less than one of its cylinders. */
const DISK_BYTES = 1024 * 1024;
const EXIT_CODE = 33;
