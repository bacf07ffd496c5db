import type { Tag } from "@aws-sdk/client-iam";
import { invalidInput, quotaExceeded } from "./errors.ts";
import type { Described } from "./holder.ts";
import type { Tags } from "./records.ts";

/** `tags` with `more` written over them; keys are told apart without regard to case. AWS, "Tags for IAM resources". */
export function withTags(tags: Tags, more: readonly Tag[] | undefined): Tags {
  const result = new Map(Object.entries(tags));
  const seen = new Set<string>();
  for (const { Key: key = "", Value: value = "" } of more ?? []) {
    if (!characters.test(key) || !characters.test(value))
      throw invalidInput("Tag keys and values hold only letters, digits, spaces and any of _.:/=+-@.");
    if (/^aws:/i.test(key)) throw invalidInput("Tag keys starting with 'aws:' are reserved for system use.");
    if (seen.has(key.toLowerCase()))
      throw invalidInput("Duplicate tag keys found. Please note that Tag keys are case insensitive.");
    seen.add(key.toLowerCase());
    for (const it of result.keys()) if (it.toLowerCase() === key.toLowerCase()) result.delete(it);
    result.set(key, value);
  }
  if (result.size > mostTags) throw quotaExceeded("TagsPerResource", mostTags);
  return Object.fromEntries(result);
}

export function withoutTags(tags: Tags, keys: readonly string[]): Tags {
  const gone = new Set(keys.map((key) => key.toLowerCase()));
  return Object.fromEntries(Object.entries(tags).filter(([key]) => !gone.has(key.toLowerCase())));
}

export const describeTags = (tags: Tags): Described<Tag>[] =>
  Object.entries(tags)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([Key, Value]) => ({ Key, Value }));

/** Absent when there are none, as in AWS's answers. */
export const tagsMember = (tags: Tags) => (Object.keys(tags).length > 0 ? { Tags: describeTags(tags) } : {});

const mostTags = 50;
const characters = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u;
