import type { Ec2Records } from "../ec2/records.ts";
import type { Tags } from "../ec2/tag/tag.ts";
import { invalidParameter, quotaExceeded } from "./errors.ts";
import type { RbinRuleRecord } from "./rule.ts";
import type { ResourceTag, ResourceType, Tag } from "./sdk.generated.ts";

/** What a rule may be. Throws ValidationException. */
export function checkRule({
  resourceType,
  days,
  description,
  resourceTags,
  excludeTags,
  lock,
}: RbinRuleRecord): void {
  const most = mostDays[resourceType];
  if (days > most)
    throw invalidParameter(`A retention rule for ${resourceType} keeps for 1 to ${most} days, not ${days}.`);
  if (!/^[\S ]{0,255}$/.test(description))
    throw invalidParameter("A description has at most 255 characters, and of white space only blanks.");
  if (resourceTags.length > 0 && excludeTags.length > 0)
    throw invalidParameter("A tag-level retention rule cannot have exclusion tags.");
  if (lock && resourceTags.length > 0) throw invalidParameter("A tag-level retention rule cannot be locked.");
  if (lock && excludeTags.length > 0)
    throw invalidParameter("A retention rule with exclusion tags cannot be locked.");
  for (const { ResourceTagKey: key = "", ResourceTagValue: value = "" } of [...resourceTags, ...excludeTags])
    if (!key || key.length > 128 || value.length > 256)
      throw invalidParameter("Tag keys have 1 to 128 characters, and values at most 256.");
  const pairs = [...resourceTags, ...excludeTags].map(pairOf);
  if (new Set(pairs).size < pairs.length) throw invalidParameter("A tag is given more than once.");
}

const mostDays = { EBS_SNAPSHOT: 365, EC2_IMAGE: 365, EBS_VOLUME: 7 } as const satisfies Record<
  ResourceType,
  number
>;

/** A tag may be in five rules. Throws ServiceQuotaExceededException. */
export function checkPairQuota({ id, resourceTags }: RbinRuleRecord, records: Ec2Records): void {
  const others = records.all("rbin-rule").filter((it) => it.id !== id);
  for (const tag of resourceTags) {
    const having = others.filter((it) => it.resourceTags.some((other) => pairOf(other) === pairOf(tag)));
    if (having.length >= MOST_RULES_OF_PAIR)
      throw quotaExceeded(`The tag ${pairOf(tag)} is in ${MOST_RULES_OF_PAIR} retention rules already.`);
  }
}

const MOST_RULES_OF_PAIR = 5;
const MOST_TAGS = 50;

const pairOf = ({ ResourceTagKey: key = "", ResourceTagValue: value = "" }: ResourceTag) =>
  JSON.stringify([key, value]);

/** A rule's own, with `more` written over them. Throws ValidationException and ServiceQuotaExceededException. */
export function checkedTags(tags: Tags, more: readonly Tag[]): Tags {
  for (const { Key: key = "", Value: value = "" } of more) {
    if (!characters.test(key) || !characters.test(value))
      throw invalidParameter("Tag keys and values hold only letters, digits, spaces and any of _.:/=+-@.");
    if (/^aws:/i.test(key)) throw invalidParameter("Tag keys that begin with aws: are reserved.");
  }
  if (new Set(more.map(({ Key }) => Key)).size < more.length)
    throw invalidParameter("A tag key is given more than once.");
  const result = {
    ...tags,
    ...Object.fromEntries(more.map(({ Key = "", Value = "" }) => [Key, Value])),
  };
  if (Object.keys(result).length > MOST_TAGS)
    throw quotaExceeded(`A retention rule has at most ${MOST_TAGS} tags.`);
  return result;
}

const characters = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u;
