import { chown } from "node:fs/promises";
import { jailedQemuImg } from "./jailed-qemu-img.ts";

/**
 * Makes the qcow2 file of a disk that no machine has open larger; throws when one has. What its bytes lead to is followed by `uid`
 * alone, in a jail.
 */
export const growDisk = async (path: string, bytes: number, uid: number): Promise<void> => {
  const disk = { driver: "qcow2", file: { driver: "file", filename: "/disk" }, backing: null };
  await chown(path, uid, uid);
  try {
    await jailedQemuImg(["resize", `json:${JSON.stringify(disk)}`, String(bytes)], {
      uid,
      shows: [{ outside: path, inside: "/disk", writable: true }],
      memoryBytes: 1024 ** 3,
    });
  } finally {
    await chown(path, 0, 0);
  }
};
