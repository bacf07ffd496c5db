import { chown } from "node:fs/promises";
import type { DiskPlace } from "../disk-driver.ts";
import { jailedQemuImg } from "./jailed-qemu-img.ts";
import { withKeyFiles } from "./key-file.ts";
import type { LentFiles } from "./lent-files.ts";
import { chainOf } from "./qcow2-layout.ts";

/**
 * Copies what the files at `from` hold, which nobody writes, to the new, empty and encrypted qcow2 file `to`, which is at least as large and then needs no other. What
 * their bytes lead to is followed by the user alone that they are lent to, in a jail.
 */
export const copyEncrypted = (
  { path, below, encrypted }: DiskPlace,
  to: string,
  secrets: { readonly from?: string | undefined; readonly to: string },
  lent: LentFiles,
): Promise<void> =>
  withKeyFiles(secrets, lent.uid, (keys) =>
    lent.during([path, ...below], async () => {
      const layers = [path, ...below].map((outside, n) => ({ outside, inside: `/layer${n}` }));
      const source = chainOf(
        layers.map(({ inside }) => inside),
        encrypted?.files,
        "from",
      );
      const target =
        "driver=qcow2,file.driver=file,file.filename=/copy,encrypt.format=luks,encrypt.key-secret=to";
      await chown(to, lent.uid, lent.uid);
      await jailedQemuImg(
        ["convert", ...keys.objects, "-U", "-n", "--target-is-zero", "--target-image-opts", source, target],
        {
          uid: lent.uid,
          shows: [...layers, { outside: to, inside: "/copy", writable: true }, ...keys.shows],
          memoryBytes: 2 * 1024 ** 3,
        },
        { timeoutMs: LIMIT_MS },
      );
      await chown(to, 0, 0);
    }),
  );

const LIMIT_MS = 24 * 3_600_000;
