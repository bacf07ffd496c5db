import { cpus } from "node:os";
import { type CapacitySettings, defaults } from "#config.ts";
import type { BakedImage } from "#images/bake.ts";
import { transactionLimits, type Entry, type Store } from "#store/store.ts";
import { zoneLetters } from "../ec2/availability-zone/availability-zone.ts";
import { isProvided, type ImageRecord, type ProvidedImage } from "../ec2/image/image.ts";
import { providedImageIds } from "../ec2/image/provided-image.ts";
import { recordKey, type Scope } from "../ec2/records.ts";
import type { SnapshotRecord } from "../ec2/snapshot/snapshot.ts";
import type { VolumeRecord } from "../ec2/volume/volume.ts";
import type { HostRecord, HostRoom } from "./host.ts";

/** What instances may be promised: real memory less what the host keeps for its kernel, Croft's programs and page cache. */
export const promisableMiB = (totalMiB: number, { keptMemoryMiB, memoryOvercommit }: CapacitySettings) =>
  Math.max(0, Math.floor((totalMiB - keptMemoryMiB) * memoryOvercommit));

/** In steps, so that what changes all the time is not reported all the time. */
export const hostRoom = (
  { memoryMiB, diskMiB }: { readonly memoryMiB: number; readonly diskMiB: number },
  { memoryOvercommit, keptDiskMiB = defaults.keptDiskMiB }: CapacitySettings,
): HostRoom => ({
  memoryMiB: twoDigits(memoryMiB * Math.max(1, memoryOvercommit)),
  diskMiB: twoDigits(diskMiB),
  keptDiskMiB,
});

/** 19,020 is 19,000. */
function twoDigits(mib: number): number {
  const step = 10 ** Math.max(0, Math.floor(Math.log10(Math.max(1, mib))) - 1);
  return Math.floor(mib / step) * step;
}

export function hostWarnings({ diskMiB, keptDiskMiB }: HostRoom, conflict: string | undefined): string[] {
  const low = `the disk of the data directory has ${diskMiB} MiB left: nothing is launched below ${keptDiskMiB} MiB (--keep-disk)`;
  return [...(diskMiB < keptDiskMiB ? [low] : []), ...(conflict === undefined ? [] : [conflict])];
}

export function hostRecord({
  memoryMiB,
  troubles,
  ...given
}: Required<
  Pick<
    HostRecord,
    | "id"
    | "acceleration"
    | "launches"
    | "memoryMiB"
    | "troubles"
    | "room"
    | "portErrors"
    | "bursts"
    | "usedBytes"
    | "warnings"
  >
>): HostRecord {
  return {
    ...given,
    zones: zoneLetters,
    cpus: cpus().length,
    memoryMiB,
    architecture: process.arch === "arm64" ? "arm64" : "x86_64",
    troubles: troubles
      .slice(0, mostTroubles)
      .map((it) => ({ ...it, message: it.message.slice(0, longestTrouble) })),
    tags: {},
    createdAt: new Date().toISOString(),
  };
}

/** Enough to see what is wrong: a host whose disk is full cannot settle anything. */
const mostTroubles = 20;
const longestTrouble = 500;

/** Makes a baked image known to the region, once. */
export async function reportImage(image: BakedImage, scope: Scope, store: Store): Promise<void> {
  const record: ImageRecord = {
    ...providedImageIds(scope.region, image.recipe.hash),
    name: image.name,
    description: `Debian 12 baked by Croft; log in as ${image.loginUser}`,
    architecture: image.architecture,
    bootMode: image.architecture === "arm64" ? "uefi" : "legacy-bios",
    sizeGiB: image.sizeGiB,
    rootDevice: "/dev/xvda",
    cacheEntry: image.recipe.hash,
    tags: {},
    createdAt: image.bakedAt,
  };
  const key = recordKey("image", scope, record.id);
  const known = await store.get(key);
  if (!known || (known.value as ImageRecord).deregistered)
    await store.commit({
      expect: [known ? { at: [key, known.revision] } : { absent: key }],
      put: [{ key, value: record }],
    });
}

/**
 * Offers a baked image no longer, in any region of the store: from then on nothing is launched of it. Answers the records as they
 * were, for `offerAgain`.
 */
export async function withdrawImage(cacheEntry: string, store: Store): Promise<Entry<ImageRecord>[]> {
  const offered = (await offeredBaked(store)).filter(({ value }) => value.cacheEntry === cacheEntry);
  for (const some of transactions(offered))
    await store.commit({
      expect: some.map(({ key, revision }) => ({ at: [key, revision] as const })),
      put: some.map(({ key, value }) => ({ key, value: { ...value, deregistered: true } })),
    });
  return offered;
}

/** What was removed from the cache while its regions did not run. */
export async function withdrawGone(isThere: (cacheEntry: string) => boolean, store: Store): Promise<void> {
  const offered = new Set((await offeredBaked(store)).map(({ value }) => value.cacheEntry));
  for (const cacheEntry of offered) if (!isThere(cacheEntry)) await withdrawImage(cacheEntry, store);
}

const offeredBaked = async (store: Store): Promise<Entry<ProvidedImage>[]> =>
  ((await store.list("image/")).entries as Entry<ImageRecord>[]).filter(
    (it): it is Entry<ProvidedImage> => isProvided(it.value) && !it.value.deregistered,
  );

export async function offerAgain(withdrawn: readonly Entry<ImageRecord>[], store: Store): Promise<void> {
  for (const some of transactions(withdrawn))
    await store.commit({ put: some.map(({ key, value }) => ({ key, value })) });
}

/** Each account has a record of the image in each region that it has called. */
const transactions = <Item>(items: readonly Item[]): Item[][] =>
  Array.from({ length: Math.ceil(items.length / transactionLimits.entries) }, (_, n) =>
    items.slice(n * transactionLimits.entries, (n + 1) * transactionLimits.entries),
  );

/** Whether any region of the store offers this baked image, and the volumes that are, or will be, a difference to it. */
export async function usesOfBaked(
  cacheEntry: string,
  store: Store,
): Promise<{ readonly offered: boolean; readonly volumes: readonly string[] }> {
  const { entries } = await store.list("image/");
  const images = entries
    .map(({ value }) => value as ImageRecord)
    .filter((it) => isProvided(it) && it.cacheEntry === cacheEntry);
  const ids = new Set<string>(images.map(({ id }) => id));
  const lists = await Promise.all([store.list("volume/"), store.list("snapshot/")]);
  const volumes = lists
    .flatMap(({ entries: those }) => those.map(({ value }) => value as VolumeRecord | SnapshotRecord))
    .filter(({ image }) => image && ids.has(image.imageId));
  return { offered: images.some((it) => !it.deregistered), volumes: volumes.map(({ id }) => id) };
}
