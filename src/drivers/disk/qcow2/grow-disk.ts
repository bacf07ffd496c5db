import { chown } from "node:fs/promises";
import { jailed } from "../../linux/jail.ts";
import { run } from "../../linux/commands.ts";

/**
 * Makes the qcow2 file of a disk that no machine has open larger; throws when one has. What its bytes lead to is followed by `uid`
 * alone, in a jail.
 */
export const growDisk = async (path: string, bytes: number, uid: number): Promise<void> => {
  const disk = { driver: "qcow2", file: { driver: "file", filename: "/disk" }, backing: null };
  const command = jailed(["qemu-img", "resize", `json:${JSON.stringify(disk)}`, String(bytes)], {
    uid,
    limits: ["--nofile=64", "--nproc=64", `--as=${MEMORY_BYTES}`],
    shows: [{ outside: path, inside: "/disk", writable: true }],
  });
  await chown(path, uid, uid);
  try {
    await run("env", ["-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", ...command]);
  } finally {
    await chown(path, 0, 0);
  }
};

const MEMORY_BYTES = 1024 ** 3;
