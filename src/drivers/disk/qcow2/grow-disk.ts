import { chown } from "node:fs/promises";
import { jailedQemuImg } from "./jailed-qemu-img.ts";
import { withKeyFiles } from "./key-file.ts";
import { byLuks, KEY } from "./qcow2-layout.ts";

/**
 * Makes the qcow2 file of a disk that no machine has open larger; throws when one has. What its bytes lead to is followed by `uid`
 * alone, in a jail. `secret`: of one that is encrypted.
 */
export const growDisk = async (path: string, bytes: number, uid: number, secret?: string): Promise<void> => {
  const disk = {
    driver: "qcow2",
    file: { driver: "file", filename: "/disk" },
    ...(secret !== undefined && byLuks(KEY)),
    backing: null,
  };
  await chown(path, uid, uid);
  try {
    await withKeyFiles({ [KEY]: secret }, uid, ({ shows, objects }) =>
      jailedQemuImg(["resize", ...objects, `json:${JSON.stringify(disk)}`, String(bytes)], {
        uid,
        shows: [{ outside: path, inside: "/disk", writable: true }, ...shows],
        memoryBytes: 1024 ** 3,
      }),
    );
  } finally {
    await chown(path, 0, 0);
  }
};
