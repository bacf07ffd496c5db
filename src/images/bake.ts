import { existsSync, readFileSync, readdirSync } from "node:fs";
import { chmod, copyFile, mkdir, readlink, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { exclusively } from "./exclusively.ts";
import { run } from "./command.ts";
import { installDebian } from "./debian-root.ts";
import { buildDisk } from "./disk.ts";
import { directBootInitrd } from "./initrd.ts";
import { recipeFile, type Recipe } from "./recipe.ts";

/** A machine image, ready to be a backing file. Its files are never written again. */
export interface BakedImage {
  /** `debian-12-amd64-20260131`. */
  readonly name: string;
  readonly architecture: Recipe["architecture"];
  readonly sizeGiB: number;
  readonly loginUser: string;
  /** A qcow2 file that boots by itself through a BIOS. */
  readonly disk: string;
  /** What a direct kernel boot of `disk` needs. */
  readonly kernel: { readonly image: string; readonly initrd: string; readonly commandLine: string };
  readonly bakedAt: string;
  /** The recipe's name and hash. */
  readonly recipe: { readonly name: string; readonly hash: string };
  /** Installed Debian packages and their versions. */
  readonly packages: Readonly<Record<string, string>>;
}

export interface BakeOptions {
  /** Images are kept in its `images/`, each in a folder named by its recipe's hash. */
  readonly cacheDir: string;
  /** Told how far the bake is, 0 to 1, and what it is at. */
  readonly progress: (fraction: number, what: string) => void;
  /** Ends the bake, which then throws; the next one clears away what it left. */
  readonly signal: AbortSignal;
  /** Goes into the image's name. */
  readonly date: Date;
}

/** The image of this very recipe, if it was baked. */
export const findBaked = (cacheDir: string, recipe: Pick<Recipe, "hash">): BakedImage | undefined => {
  const dir = join(imagesDir(cacheDir), recipe.hash);
  if (!existsSync(join(dir, "image.json"))) return undefined;
  const image: Omit<BakedImage, "disk"> = JSON.parse(readFileSync(join(dir, "image.json"), "utf8"));
  return { ...image, ...filesIn(dir, image.kernel.commandLine) };
};

/** All that are in the cache. */
export const listBaked = (cacheDir: string): BakedImage[] => {
  const hashes = existsSync(imagesDir(cacheDir)) ? readdirSync(imagesDir(cacheDir)) : [];
  return hashes.filter((name) => name !== UNFINISHED).flatMap((hash) => findBaked(cacheDir, { hash }) ?? []);
};

/** Runs `work` while nothing is baked into the cache or removed from it; `waiting` is called when that is to be waited for. */
export const withoutBakes = <T>(
  cacheDir: string,
  options: { readonly waiting: () => void; readonly signal: AbortSignal },
  work: () => Promise<T>,
): Promise<T> => exclusively(`croft-bake:${imagesDir(cacheDir)}`, options, work);

/** Removes an image from the cache, within `withoutBakes`. */
export const removeBakedFiles = async (cacheDir: string, { recipe }: Pick<BakedImage, "recipe">) => {
  const unfinished = join(imagesDir(cacheDir), UNFINISHED);
  await rm(unfinished, { recursive: true, force: true });
  await rename(join(imagesDir(cacheDir), recipe.hash), unfinished);
  await rm(unfinished, { recursive: true, force: true });
};

/**
 * The image of `recipe`: the one in the cache, or a new one. Needs root, mmdebstrap, mke2fs, sfdisk and qemu-img; about a minute.
 * Of several callers at once, in whatever process, one bakes and the others wait for its image.
 */
export const bakeImage = async (recipe: Recipe, options: BakeOptions): Promise<BakedImage> => {
  const { cacheDir, progress, signal } = options;
  await mkdir(imagesDir(cacheDir), { recursive: true });
  const waiting = () => progress(0, "waiting for another bake");
  return withoutBakes(cacheDir, { waiting, signal }, async () => {
    const found = findBaked(cacheDir, recipe);
    if (found) return found;
    // A bake or a removal that was interrupted left it.
    const dir = join(imagesDir(cacheDir), UNFINISHED);
    await rm(dir, { recursive: true, force: true });
    await mkdir(dir);
    await bakeInto(dir, recipe, options);
    await rename(dir, join(imagesDir(cacheDir), recipe.hash));
    const baked = findBaked(cacheDir, recipe);
    if (!baked) throw new Error("the baked image is gone");
    return baked;
  });
};

const imagesDir = (cacheDir: string): string => join(cacheDir, "images");
const UNFINISHED = ".baking";

const filesIn = (dir: string, commandLine: string): Pick<BakedImage, "disk" | "kernel"> => ({
  disk: join(dir, "disk.qcow2"),
  kernel: { image: join(dir, "kernel"), initrd: join(dir, "initrd"), commandLine },
});

const bakeInto = async (
  dir: string,
  recipe: Recipe,
  { progress, signal, date }: BakeOptions,
): Promise<void> => {
  const root = join(dir, "root");
  const { disk, kernel } = filesIn(dir, recipe.kernelCommandLine);
  await installDebian(recipe, root, (fraction) => progress(0.75 * fraction, "installing Debian"), signal);

  progress(0.75, "preparing the kernel");
  const version = (await readlink(join(root, "vmlinuz"))).replace("boot/vmlinuz-", "");
  // Packed as Debian ships it: unpacked, it boots no faster, and its unpacking is what randomises the kernel's addresses.
  await copyFile(join(root, "vmlinuz"), kernel.image);
  const init = recipeFile(recipe, "initrd-init");
  if (init === undefined) throw new Error(`the recipe ${recipe.name} has no initrd-init`);
  await writeFile(kernel.initrd, await directBootInitrd(root, version, recipe.directBootModules, init));
  const packages = await installedPackages(root, signal);

  progress(0.8, "making the disk");
  await buildDisk(`${disk}.raw`, root, recipe.sizeGiB, signal);

  progress(0.9, "packing the disk");
  await run("qemu-img", ["convert", "-O", "qcow2", `${disk}.raw`, disk], { signal });
  await chmod(disk, 0o444);
  await rm(`${disk}.raw`);
  await rm(root, { recursive: true });

  const image: Omit<BakedImage, "disk"> = {
    name: `${recipe.name}-${date.toISOString().slice(0, 10).replaceAll("-", "")}`,
    architecture: recipe.architecture,
    sizeGiB: recipe.sizeGiB,
    loginUser: recipe.loginUser,
    kernel: { image: "kernel", initrd: "initrd", commandLine: recipe.kernelCommandLine },
    bakedAt: date.toISOString(),
    recipe: { name: recipe.name, hash: recipe.hash },
    packages,
  };
  await writeFile(join(dir, "image.json"), `${JSON.stringify(image, undefined, 2)}\n`);
  progress(1, "done");
};

const installedPackages = async (root: string, signal: AbortSignal): Promise<Record<string, string>> => {
  const list = await run(
    "chroot",
    [root, "dpkg-query", "--show", "--showformat", "${Package} ${Version}\n"],
    { signal },
  );
  return Object.fromEntries(
    list
      .toString()
      .trim()
      .split("\n")
      .map((line) => line.split(" ")),
  );
};
