import { readFile, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { cpio } from "./cpio.ts";

/**
 * The initial RAM disk of a direct kernel boot: busybox, the modules the root disk needs, the recipe's `initrd-init`, and in
 * `baked` size and time of each file the disk boots by, from which it sees that the disk boots something else by now.
 * Uncompressed, some 3 MB: it is in memory before the kernel starts. Debian's own, which a boot by firmware uses, has 60.
 */
export const directBootInitrd = async (
  root: string,
  kernelVersion: string,
  modules: readonly string[],
  init: string,
) => {
  const modulesDir = join(root, "usr/lib/modules", kernelVersion);
  const files = inLoadingOrder(modules, await readFile(join(modulesDir, "modules.dep"), "utf8"));
  return cpio([
    ...["dev", "bin", "modules", "root"].map((path) => ({ path, mode: 0o040755 })),
    { path: "init", mode: 0o100755, contents: await readFile(init) },
    { path: "baked", mode: 0o100644, contents: await bootedFiles(root) },
    { path: "bin/busybox", mode: 0o100755, contents: await readFile(join(root, "bin/busybox")) },
    {
      path: "modules/order",
      mode: 0o100644,
      contents: Buffer.from(files.map((file) => `${basename(file)}\n`).join("")),
    },
    ...(await Promise.all(
      files.map(async (file) => ({
        path: `modules/${basename(file)}`,
        mode: 0o100644,
        contents: await readFile(join(modulesDir, file)),
      })),
    )),
  ]);
};

const bootedFiles = async (root: string): Promise<Buffer> => {
  const files = ["vmlinuz", "initrd.img", "boot/grub/grub.cfg"].map((name) => stat(join(root, name)));
  const lines = (await Promise.all(files)).map(
    ({ size, mtimeMs }) => `${size} ${Math.floor(mtimeMs / 1000)}\n`,
  );
  return Buffer.from(lines.join(""));
};

/** Files of `modules` and of what they need, each after what it needs, from the text of `modules.dep`. */
export const inLoadingOrder = (modules: readonly string[], modulesDep: string): string[] => {
  const needs = new Map(
    modulesDep.split("\n").map((line) => {
      const [file = "", needed = ""] = line.split(":");
      return [basename(file, ".ko"), { file, needed: needed.split(" ").filter(Boolean) }];
    }),
  );
  const files = modules.flatMap((module) => {
    const found = needs.get(module);
    if (!found) throw new Error(`the kernel has no module ${module}`);
    // modules.dep says first what is to be loaded last.
    return [...found.needed.toReversed(), found.file];
  });
  return [...new Set(files)];
};
