import { createHash } from "node:crypto";
import { existsSync, readFileSync, readdirSync, readlinkSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Architecture, isArchitecture } from "./architecture.ts";
import { recipesDir } from "#config.ts";

/**
 * How a machine image is made: a folder with `recipe.json` and, where it has no base, `customise` and, to be booted by its kernel
 * directly, `initrd-init`. With a base it has everything of the base's, whose `customise` runs first, and adds or replaces.
 */
export interface Recipe {
  readonly name: string;
  readonly architecture: Architecture;
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
  /** What each architecture has beside those: its kernel, its boot loaders. */
  readonly packagesFor: Readonly<Partial<Record<Architecture, readonly string[]>>>;
  /** The folders, its base's before its own. */
  readonly dirs: readonly string[];
  /** Twelve hex digits over everything in the folder and the way images are baked. */
  readonly hash: string;
}

/** Reads the recipe in `dir`; throws `RecipeRefused` when there is none, or it is not one. */
export const readRecipe = (dir: string, depth = 0): Recipe => {
  if (depth > 8) throw new RecipeRefused(`${dir}: a recipe whose bases never end`);
  const written = parse(join(dir, "recipe.json"));
  const { base: baseName, ...own } = written;
  const base = baseName === undefined ? undefined : readRecipe(baseDir(baseName, dir), depth + 1);
  const recipe = {
    ...base,
    ...own,
    packages: [...(base?.packages ?? []), ...(own.packages ?? [])],
    packagesFor: { ...base?.packagesFor, ...own.packagesFor },
  };
  for (const [key, isRight] of Object.entries(parts))
    if (!isRight(Reflect.get(recipe, key)))
      throw new RecipeRefused(`${dir}/recipe.json: wrong or no "${key}"`);
  return {
    ...(recipe as Omit<Recipe, "dirs" | "hash">),
    dirs: [...(base?.dirs ?? []), resolve(dir)],
    hash: hashOf(dir, base?.hash),
  };
};

/** A folder, or the name of one in `provided`. */
export const findRecipe = (named: string, provided: string): Recipe => {
  const dir = [named, join(provided, named)].find((it) => existsSync(join(it, "recipe.json")));
  if (dir === undefined)
    throw new RecipeRefused(
      `no recipe "${named}": neither a folder with a recipe.json nor one of ${readdirSync(provided).join(", ")}`,
    );
  return readRecipe(dir);
};

/** The recipe's own file of that name, or the nearest of its bases'. */
export const recipeFile = ({ dirs }: Recipe, name: string): string | undefined =>
  dirs
    .map((dir) => join(dir, name))
    .toReversed()
    .find((file) => existsSync(file));

export class RecipeRefused extends Error {
  override readonly name = "RecipeRefused";
}

/** As it is written: everything but `base` may come from the base. */
interface WrittenRecipe extends Partial<Omit<Recipe, "dirs" | "hash">> {
  /** A recipe beside this one by its name, or a path that begins with "/" or ".". */
  readonly base?: string;
}

const parse = (file: string): WrittenRecipe => {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw new RecipeRefused(`${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
};

const baseDir = (base: string, dir: string): string =>
  /^[./]/.test(base) ? resolve(dir, base) : join(recipesDir, base);

const isName = (value: unknown) => typeof value === "string" && /^[a-z0-9][a-z0-9.-]{0,100}$/.test(value);
const isCount = (value: unknown) => typeof value === "number" && Number.isInteger(value) && value > 0;
const isNames = (value: unknown) =>
  Array.isArray(value) && value.every((it) => typeof it === "string" && /^\w[\w.+:-]*$/.test(it));

const parts: Record<keyof Omit<Recipe, "dirs" | "hash">, (value: unknown) => boolean> = {
  name: isName,
  architecture: isArchitecture,
  suite: isName,
  sizeGiB: isCount,
  loginUser: isName,
  kernelCommandLine: (value) => typeof value === "string",
  directBootModules: isNames,
  expectedPackages: isCount,
  packages: isNames,
  packagesFor: (value) =>
    typeof value === "object" &&
    value !== null &&
    Object.entries(value).every(([key, names]) => isArchitecture(key) && isNames(names)),
};

/** To be raised when the code of this folder makes another image of the same recipe. */
const bakeVersion = 3;

/** Of names, contents and who may execute: what a checkout keeps. */
const hashOf = (dir: string, base = ""): string => {
  const hash = createHash("sha256").update(`bake ${bakeVersion}\n${base}`);
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
