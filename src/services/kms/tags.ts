import type { Tag } from "@aws-sdk/client-kms";
import type { TouchedResource } from "#api/operation.ts";
import { limitExceeded, tagError } from "./errors.ts";
import type { KeyRecord } from "./records.ts";

type Tags = KeyRecord["tags"];

/** `tags` with `more` written over them. Keys are told apart with regard to case. Throws TagException. */
export function withTags(tags: Tags, more: readonly Tag[] | undefined): Tags {
  const given = more ?? [];
  for (const { TagKey: key = "", TagValue: value = "" } of given) {
    if (!characters.test(key) || !characters.test(value))
      throw tagError("Tag keys and values hold only letters, digits, spaces and any of _.:/=+-@.");
    if (/^aws:/i.test(key)) throw tagError("Tags beginning with aws: are reserved");
  }
  if (new Set(given.map(({ TagKey }) => TagKey)).size < given.length) throw tagError("Duplicate tag keys");
  const result = { ...tags, ...Object.fromEntries(given.map((it) => [it.TagKey, it.TagValue ?? ""])) };
  if (Object.keys(result).length > mostTags) throw limitExceeded(`A key has at most ${mostTags} tags.`);
  return result;
}

export const withoutTags = (tags: Tags, keys: readonly string[]): Tags =>
  Object.fromEntries(Object.entries(tags).filter(([key]) => !keys.includes(key)));

/** What policies may ask about the tags that a call gives. */
export function requestedTags(tags: readonly Tag[] | undefined): NonNullable<TouchedResource["keys"]> {
  if (!tags?.length) return {};
  return {
    "aws:TagKeys": tags.map(({ TagKey = "" }) => TagKey),
    ...Object.fromEntries(tags.map((it) => [`aws:RequestTag/${it.TagKey}`, it.TagValue ?? ""])),
  };
}

const mostTags = 50;
const characters = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u;
