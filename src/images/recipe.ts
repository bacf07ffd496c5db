import { createHash } from "node:crypto";
import { existsSync, readFileSync, readdirSync, readlinkSync, statSync } from "node:fs";
import { join, resolve } from "node:path";

/** How a machine image is made: a folder of `images/` with `recipe.json`, `customise`, `initrd-init` and `files/`. */
export interface Recipe {
  readonly name: string;
  readonly architecture: "x86_64";
  /** Debian's name of the release. */
  readonly suite: string;
  /** Of the disk, and so the least a root volume can have. */
  readonly sizeGiB: number;
  readonly loginUser: string;
  /** For a direct kernel boot; by firmware, GRUB's configuration in `files/` has its own. */
  readonly kernelCommandLine: string;
  /** Kernel modules without which the root disk cannot be mounted, or is mounted late; their dependencies are found. */
  readonly directBootModules: readonly string[];
  /** How many packages it comes to with what they depend on, roughly: the measure of the progress bar. */
  readonly expectedPackages: number;
  readonly packages: readonly string[];
  /** The folder. */
  readonly dir: string;
  /** Twelve hex digits over everything in the folder and the way images are baked. */
  readonly hash: string;
}

/** Reads the recipe in `dir`; throws when there is none. */
export const readRecipe = (dir: string): Recipe => ({
  ...JSON.parse(readFileSync(join(dir, "recipe.json"), "utf8")),
  dir: resolve(dir),
  hash: hashOf(dir),
});

/** To be raised when the code of this folder makes another image of the same recipe. */
const bakeVersion = 1;

/** Of names, contents and who may execute: what a checkout keeps. */
const hashOf = (dir: string): string => {
  const hash = createHash("sha256").update(`bake ${bakeVersion}\n`);
  const files = readdirSync(dir, { recursive: true, encoding: "utf8" }).toSorted();
  for (const name of files) {
    const path = join(dir, name);
    if (!existsSync(path)) hash.update(`${name} -> ${readlinkSync(path)}\n`);
    else if (statSync(path).isFile()) {
      const contents = readFileSync(path);
      hash.update(`${name} ${statSync(path).mode & 0o100} ${contents.length}\n`).update(contents);
    }
  }
  return hash.digest("hex").slice(0, 12);
};
