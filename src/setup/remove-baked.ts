import { access } from "node:fs/promises";
import { layout } from "#config.ts";
import { readRunning } from "#cli/supervise/programs-file.ts";
import { imagesOfDisks } from "#drivers/disk/qcow2/qcow2-layout.ts";
import { isAlive } from "#drivers/linux/host-process.ts";
import { listBaked, removeBakedFiles, withoutBakes, type BakedImage } from "#images/bake.ts";
import { offerAgain, usesOfBaked, withdrawImage } from "#services/host/host-reports.ts";
import { connectStore } from "#store/socket/connect-store.ts";
import type { Store } from "#store/store.ts";
import { listedRegions } from "./image-cache.ts";

/** The image stays: the message says for whose sake. */
export class BakedImageStays extends Error {
  override readonly name = "BakedImageStays";
}

/**
 * Removes a baked image from the cache, and has the regions that run offer it no longer; those that do not, see to that at their
 * next start. Throws `BakedImageStays` while a disk of any region on the cache's list is a difference to it, a region cannot be
 * looked into, runs and offers it without being in `withdrawnFrom`, or an image is being baked.
 */
export const removeBaked = (
  cacheDir: string,
  image: BakedImage,
  withdrawnFrom: (dataDir: string) => boolean = () => true,
): Promise<void> => {
  const waiting = () => {
    throw new BakedImageStays(
      "an image is being baked on this host, or removed: once that is over, run the same again",
    );
  };
  return withoutBakes(cacheDir, { waiting, signal: new AbortController().signal }, async () => {
    await using stores = new AsyncDisposableStack();
    const regions = listedRegions(cacheDir).map((listed) => ({
      ...listed,
      store: storeOf(listed.dataDir),
      mayOffer: !withdrawnFrom(listed.dataDir),
    }));
    for (const { store } of regions) if (store) stores.defer(() => store.close());

    const refuseIfUsed = async () => {
      const uses = await Promise.all(regions.map((region) => useIn(region, image)));
      if (uses.some((use) => use !== undefined))
        throw new BakedImageStays(uses.filter((use) => use !== undefined).join("\n"));
    };
    await refuseIfUsed();
    // A launch that was faster than the withdrawal is seen by the second look; after it there is none.
    await using offers = new AsyncDisposableStack();
    for (const { store } of regions) {
      if (!store) continue;
      const withdrawn = await withdrawImage(image.recipe.hash, store);
      offers.defer(() => offerAgain(withdrawn, store));
    }
    await refuseIfUsed();
    offers.move();
    await removeBakedFiles(cacheDir, image);
  });
};

/**
 * Removes what was baked of this recipe before it changed. What a disk needs stays, and what a running region offers, unless it
 * is the one at `dataDir`: its operator chose the new one.
 */
export const pruneBaked = async (
  cacheDir: string,
  { recipe }: Pick<BakedImage, "recipe">,
  dataDir?: string,
): Promise<void> => {
  for (const image of listBaked(cacheDir))
    if (image.recipe.name === recipe.name && image.recipe.hash !== recipe.hash)
      await removeBaked(cacheDir, image, (it) => it === dataDir).catch(() => {});
};

interface Region {
  readonly dataDir: string;
  /** What puts it on the list. */
  readonly file: string;
  /** While it runs. */
  readonly store: Store | undefined;
  /** That it does is reason enough. */
  readonly mayOffer: boolean;
}

/** What the region needs the image for, if it does. */
const useIn = async (
  { dataDir, file, store, mayOffer }: Region,
  { recipe: { hash } }: BakedImage,
): Promise<string | undefined> => {
  try {
    await access(layout(dataDir).settings);
    const disks = [...(await imagesOfDisks(layout(dataDir).disksDir))];
    const made = disks.filter(([, path]) => path.includes(`/${hash}/`)).map(([id]) => id);
    const uses = store && (await usesOfBaked(hash, store));
    const volumes = [...new Set([...made, ...(uses?.volumes ?? [])])];
    if (volumes.length > 0) return `the region at ${dataDir} has volumes made of it: ${volumes.join(", ")}`;
    return mayOffer && uses?.offered ? `the region at ${dataDir} offers it` : undefined;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return `whether the region at ${dataDir} needs it cannot be told (${why}); if that region is gone for good, remove ${file}`;
  }
};

/** Of a region any of whose programs run; it gives up when it was not needed to its end within ten seconds. */
const storeOf = (dataDir: string): Store | undefined => {
  const running = readRunning(dataDir);
  if (!running || ![running.supervisor, ...Object.values(running.programs)].some(isAlive)) return undefined;
  const store = connectStore(layout(dataDir).storeSocket);
  const timer = setTimeout(() => void store.close(), 10_000).unref();
  return { ...store, close: () => (clearTimeout(timer), store.close()) };
};
