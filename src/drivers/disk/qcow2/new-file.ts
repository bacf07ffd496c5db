import { chmod, rm } from "node:fs/promises";
import { run } from "#drivers/linux/commands.ts";
import { encryptFile } from "./encrypted-file.ts";
import { sync } from "./qcow2-layout.ts";

/** An empty qcow2 file of so many bytes, for root's eyes only, and whole on the disk when this returns. `secret`: what it is encrypted with. */
export async function newFile(path: string, bytes: number, secret: string | undefined): Promise<void> {
  await rm(path, { force: true });
  await run("qemu-img", ["create", "-q", "-f", "qcow2", path, String(bytes)]);
  await chmod(path, 0o600);
  if (secret !== undefined) await encryptFile(path, secret);
  await sync(path);
}
