import { existsSync, readFileSync, readdirSync } from "node:fs";
import { chmod, copyFile, mkdir, readlink, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { architectures } from "./architecture.ts";
import { exclusively } from "./exclusively.ts";
import { run } from "./command.ts";
import { installDebian } from "./debian-root.ts";
import { buildDisk } from "./disk.ts";
import { directBootInitrd } from "./initrd.ts";
import { recipeFile, type Recipe } from "./recipe.ts";
import { openRoom } from "./room.ts";

/** A machine image, ready to be a backing file. Its files are never written again. */
export interface BakedImage {
  /** `debian-12-amd64-20260131`. */
  readonly name: string;
  readonly architecture: Recipe["architecture"];
  readonly sizeGiB: number;
  readonly loginUser: string;
  /** A qcow2 file that boots by itself through its architecture's firmware. */
  readonly disk: string;
  /** What a direct kernel boot of `disk` needs, where there is such a shortcut. */
  readonly kernel?: { readonly image: string; readonly initrd: string; readonly commandLine: string };
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
  /** Ends the bake, which then throws and leaves nothing. */
  readonly signal: AbortSignal;
  /** Goes into the image's name. */
  readonly date: Date;
}

/** The image of this very recipe, if it was baked. */
export const findBaked = (cacheDir: string, recipe: Pick<Recipe, "hash">): BakedImage | undefined => {
  const dir = join(imagesDir(cacheDir), recipe.hash);
  if (!existsSync(join(dir, "image.json"))) return undefined;
  const { kernel, ...image }: Omit<BakedImage, "disk"> = JSON.parse(
    readFileSync(join(dir, "image.json"), "utf8"),
  );
  return { ...image, disk: diskIn(dir), ...(kernel && { kernel: kernelIn(dir, kernel.commandLine) }) };
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
    const dir = join(imagesDir(cacheDir), UNFINISHED);
    // What was killed just now may still be writing.
    const clear = () => rm(dir, { recursive: true, force: true, maxRetries: 10 });
    // A bake or a removal whose program was killed left it.
    await clear();
    await mkdir(dir);
    try {
      await bakeInto(dir, recipe, options);
    } catch (error) {
      // What filled the disk must not keep it full.
      await clear();
      throw error;
    }
    await rename(dir, join(imagesDir(cacheDir), recipe.hash));
    const baked = findBaked(cacheDir, recipe);
    if (!baked) throw new Error("the baked image is gone");
    return baked;
  });
};

const imagesDir = (cacheDir: string): string => join(cacheDir, "images");
const UNFINISHED = ".baking";

const diskIn = (dir: string): string => join(dir, "disk.qcow2");

const kernelIn = (dir: string, commandLine: string) => ({
  image: join(dir, "kernel"),
  initrd: join(dir, "initrd"),
  commandLine,
});

const bakeInto = async (
  dir: string,
  recipe: Recipe,
  { progress, signal, date }: BakeOptions,
): Promise<void> => {
  const root = join(dir, "root");
  const room = await openRoom(recipe.architecture, join(dir, "emulator"), signal);
  const installing = (fraction: number) => progress(0.75 * fraction, "installing Debian");
  const { madeAt } = await installDebian(recipe, root, room, installing, signal);
  const packages = await installedPackages(root, signal);

  progress(0.75, "making the disk");
  const disk = diskIn(dir);
  await buildDisk(`${disk}.raw`, root, recipe, { room, madeAt, signal });
  const init = architectures[recipe.architecture].shortcut ? recipeFile(recipe, "initrd-init") : undefined;
  if (init !== undefined) await takeKernel(dir, root, recipe, init);

  progress(0.9, "packing the disk");
  await run("qemu-img", ["convert", "-O", "qcow2", `${disk}.raw`, disk], { signal });
  await chmod(disk, 0o444);
  for (const left of [
    `${disk}.raw`,
    root,
    ...["emulator", "started", "made-at"].map((name) => join(dir, name)),
  ])
    await rm(left, { recursive: true, force: true });

  const image: Omit<BakedImage, "disk"> = {
    name: `${recipe.name}-${date.toISOString().slice(0, 10).replaceAll("-", "")}`,
    architecture: recipe.architecture,
    sizeGiB: recipe.sizeGiB,
    loginUser: recipe.loginUser,
    ...(init !== undefined && {
      kernel: { image: "kernel", initrd: "initrd", commandLine: recipe.kernelCommandLine },
    }),
    bakedAt: date.toISOString(),
    recipe: { name: recipe.name, hash: recipe.hash },
    packages,
  };
  await writeFile(join(dir, "image.json"), `${JSON.stringify(image, undefined, 2)}\n`);
  progress(1, "done");
};

/** The kernel of the image beside it, and an initrd that boots the disk by it. */
const takeKernel = async (dir: string, root: string, recipe: Recipe, init: string): Promise<void> => {
  const { image, initrd } = kernelIn(dir, recipe.kernelCommandLine);
  const version = (await readlink(join(root, "vmlinuz"))).replace("boot/vmlinuz-", "");
  // Packed as Debian ships it: unpacked, it boots no faster, and its unpacking is what randomises the kernel's addresses.
  await copyFile(join(root, "vmlinuz"), image);
  await writeFile(initrd, await directBootInitrd(root, version, recipe.directBootModules, init));
};

const installedPackages = async (root: string, signal: AbortSignal): Promise<Record<string, string>> => {
  const list = await run(
    "dpkg-query",
    [`--admindir=${join(root, "var/lib/dpkg")}`, "--show", "--showformat", "${Package} ${Version}\n"],
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
