import { moved, settled, type Outcome } from "#reconcile/outcome.ts";
import type { Ec2Records } from "../records.ts";
import { waitInBin } from "../recycle-bin/recycle-bin.ts";
import { gone } from "./image-in-bin.ts";

export interface ImageHost {
  /** Removes the files of an imported image from this host. May be repeated. */
  readonly removeImage: (cacheEntry: string) => Promise<void>;
  readonly now: () => Date;
}

/** Lets an image go when its time in the recycle bin is over, and its files once no volume and no snapshot is a difference to them. */
export async function reconcileImage(id: string, records: Ec2Records, host: ImageHost): Promise<Outcome> {
  const entry = records.entry("image", id);
  if (entry?.value.bin) return waitInBin(entry.value.bin, host.now()) ?? moved(gone(entry.value, records));
  if (!entry?.value.deregistered || entry.value.cacheEntry === undefined) return settled;
  if (records.volumesMadeOf(id).length + records.snapshotsMadeOf(id).length > 0) return settled;
  await host.removeImage(entry.value.cacheEntry);
  return moved({ expect: [{ at: [entry.key, entry.revision] }], delete: [entry.key] });
}
