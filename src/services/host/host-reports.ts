import { cpus, totalmem } from "node:os";
import type { CapacitySettings } from "#config.ts";
import type { BakedImage } from "#images/bake.ts";
import type { Store } from "#store/store.ts";
import { zoneLetters } from "../ec2/availability-zone/availability-zone.ts";
import type { ImageRecord } from "../ec2/image/image.ts";
import { providedImageIds } from "../ec2/image/provided-image.ts";
import { recordKey, type Scope } from "../ec2/records.ts";
import type { HostRecord } from "./host.ts";

/** What instances may be promised: real memory less what the host keeps for its kernel, Croft's programs and page cache. */
export const promisableMiB = ({ keptMemoryMiB, memoryOvercommit }: CapacitySettings) =>
  Math.max(0, Math.floor((totalmem() / 2 ** 20 - keptMemoryMiB) * memoryOvercommit));

export function hostRecord(
  id: string,
  acceleration: HostRecord["acceleration"],
  launches: HostRecord["launches"],
  memoryMiB: number,
): HostRecord {
  return {
    id,
    zones: zoneLetters,
    cpus: cpus().length,
    memoryMiB,
    architecture: process.arch === "arm64" ? "arm64" : "x86_64",
    acceleration,
    launches,
    tags: {},
    createdAt: new Date().toISOString(),
  };
}

/** Makes a baked image known to the region, once. */
export async function reportImage(image: BakedImage, scope: Scope, store: Store): Promise<void> {
  const record: ImageRecord = {
    ...providedImageIds(scope.region, image.recipe.hash),
    name: image.name,
    description: `Debian 12 baked by Croft; log in as ${image.loginUser}`,
    architecture: image.architecture,
    bootMode: "legacy-bios",
    sizeGiB: image.sizeGiB,
    rootDevice: "/dev/xvda",
    cacheEntry: image.recipe.hash,
    tags: {},
    createdAt: image.bakedAt,
  };
  const key = recordKey("image", scope, record.id);
  if (!(await store.get(key)))
    await store.commit({ expect: [{ absent: key }], put: [{ key, value: record }] });
}
