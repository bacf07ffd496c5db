import type { Transaction } from "#store/store.ts";
import type { Ec2Context } from "../context.ts";
import type { ImageRecord } from "./image.ts";

const hourMs = 3_600_000;

/**
 * Notes that an image is launched, by its owner or another. AWS tells it up to a day late: here it is written once an hour at most, and a launch
 * costs nothing else. Of what Croft provides nobody may ask.
 */
export function notedLaunch(
  { id, ownerId }: Pick<ImageRecord, "id" | "ownerId">,
  { records, now }: Pick<Ec2Context, "records" | "now">,
): Required<Pick<Transaction, "expect" | "put">> {
  const entry = ownerId === undefined ? undefined : records.whosever("image", id);
  if (!entry) return { expect: [], put: [] };
  const { key, revision, value } = entry;
  const at = now();
  const last = value.lastLaunchedAt;
  if (last !== undefined && at.getTime() - Date.parse(last) < hourMs) return { expect: [], put: [] };
  return {
    expect: [{ at: [key, revision] }],
    put: [{ key, value: { ...value, lastLaunchedAt: at.toISOString() } }],
  };
}
