import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "#drivers/linux/commands.ts";
import type { BakedImage } from "#images/bake.ts";
import { makeDisk, startBareMachine } from "../tests/system/bare-machine.ts";
import { bareNetwork, tellsOf } from "../tests/system/bare-network.ts";

/**
 * Seconds from the start of a QEMU with the product's own arguments (t3.micro, direct kernel boot, a fresh disk) to the end of a
 * first `ssh … true`, with a stub of DHCP and metadata service in a namespace of its own. Needs root; leaves nothing.
 */
export const bareBoot = async (image: BakedImage): Promise<number> => {
  await using undo = new AsyncDisposableStack();
  const dir = await mkdtemp(join(tmpdir(), "croft-bare-boot-"));
  undo.defer(() => rm(dir, { recursive: true }));
  const key = join(dir, "key");
  await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key]);
  const instanceId = "i-0123456789abcdef0";
  const metadata = { instanceId, publicKey: await readFile(`${key}.pub`, "utf8") };
  const network = undo.use(await bareNetwork(`croft-bare-${process.pid}`, metadata));
  const disk = join(dir, "disk.qcow2");
  await makeDisk(disk, image);
  const start = performance.now();
  const tells = tellsOf(metadata);
  const machine = undo.use(
    await startBareMachine({ dir, network, instanceId, disk, image, boot: "kernel", key, tells }),
  );
  await machine.ssh("true");
  return (performance.now() - start) / 1000;
};
