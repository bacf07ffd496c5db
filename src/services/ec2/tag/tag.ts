import type { ResourceType, Tag, TagSpecification } from "@aws-sdk/client-ec2";
import { invalidParameter, tooManyTags } from "../errors.ts";

export type Tags = Readonly<Record<string, string>>;

/** As every Describe lists them: by key. */
export const describeTags = (tags: Tags): Tag[] =>
  Object.entries(tags)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([Key, Value]) => ({ Key, Value }));

/** The tags that a request gives to resources of `type`. Limits as in "Tag your Amazon EC2 resources". */
export function tagsFor(type: ResourceType, specifications: readonly TagSpecification[] | undefined): Tags {
  const of = (specifications ?? []).filter(({ ResourceType: it }) => it === type);
  if (of.length > 1) throw invalidParameter(`Duplicate resource type '${type}' in tag specifications`);
  if (of[0] && !of[0].Tags?.length) throw invalidParameter("Tag specification must have at least one tag");
  return withTags({}, of[0]?.Tags);
}

/** Refuses specifications for types that this request does not make. */
export function onlyTags(
  types: readonly ResourceType[],
  specifications: readonly TagSpecification[] | undefined,
) {
  for (const { ResourceType: type } of specifications ?? [])
    if (!type || !types.includes(type))
      throw invalidParameter(`'${type ?? "null"}' is not a valid taggable resource type for this operation.`);
}

const tagLimits = { perResource: 50, keyLength: 128, valueLength: 256 } as const;

/** What AWS itself writes cannot be written or taken away by others. */
export function refuseReservedKeys(tags: readonly Tag[] | undefined): void {
  for (const { Key: key } of tags ?? [])
    if (key !== undefined && isReserved(key))
      throw invalidParameter(`Value ( ${key} ) for parameter key is invalid. ${reserved}`);
}

const isReserved = (key: string) => key.toLowerCase().startsWith("aws:");
const reserved = "Tag keys starting with 'aws:' are reserved for internal use";

/** What goes along with a copy: AWS's own do not. */
export const copiedTags = (tags: Tags): Tags =>
  Object.fromEntries(Object.entries(tags).filter(([key]) => !isReserved(key)));

/** Whether any of `wanted` is among `tags`, key and value. */
export const hasAnyTag = (tags: Tags, wanted: readonly Tag[] = []): boolean =>
  wanted.some(({ Key = "", Value = "" }) => Object.hasOwn(tags, Key) && tags[Key] === Value);

/** `tags` without `less`: a tag without a value names its key alone; no `less` at all is every tag that is not AWS's own. */
export function withoutTags(tags: Tags, less: readonly Tag[] | undefined): Tags {
  const goes = ([key, value]: [string, string]) =>
    less?.length
      ? less.some(({ Key, Value }) => Key === key && (Value === undefined || Value === value))
      : !isReserved(key);
  return Object.fromEntries(Object.entries(tags).filter((tag) => !goes(tag)));
}

/** `tags` with `more` written over them. */
export function withTags(tags: Tags, more: readonly Tag[] | undefined): Tags {
  const result = new Map(Object.entries(tags));
  const seen = new Set<string>();
  for (const { Key: key, Value: value = "" } of more ?? []) {
    if (!key)
      throw invalidParameter(
        "Value ( '' ) for parameter Tag key is invalid. Tag key cannot be null or empty.",
      );
    if (characters(key) > tagLimits.keyLength)
      throw invalidParameter(`Tag key exceeds the maximum length of ${tagLimits.keyLength} characters`);
    if (characters(value) > tagLimits.valueLength)
      throw invalidParameter(`Tag value exceeds the maximum length of ${tagLimits.valueLength} characters`);
    if (isReserved(key)) throw invalidParameter(reserved);
    if (seen.has(key)) throw invalidParameter(`Duplicate tag key '${key}' specified.`);
    seen.add(key);
    result.set(key, value);
  }
  if (result.size > tagLimits.perResource) throw tooManyTags();
  return Object.fromEntries(result);
}

/** Unicode characters, not UTF-16 units. */
const characters = (text: string) => Array.from(text).length;
