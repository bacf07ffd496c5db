import { volumeNotFound } from "../errors.ts";
import type { Ec2Records } from "../records.ts";
import type { VolumeRecord } from "./volume.ts";

/** Throws InvalidVolume.NotFound. */
export function findVolume(id: string, { records }: { readonly records: Ec2Records }): VolumeRecord {
  const volume = records.get("volume", id);
  if (!volume || volume.bin) throw volumeNotFound([id]);
  return volume;
}
