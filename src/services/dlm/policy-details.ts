import type { PolicyDetails, RetainRule, Schedule, Tag } from "@aws-sdk/client-dlm";
import type { Ec2Context } from "../ec2/context.ts";
import { isRegion } from "../ec2/region/region.ts";
import { checkedDefault, isDefault, simplified } from "./default-policy.ts";
import { faultOf } from "./due.ts";
import { actionSchedule, checkEvents, isEventBased } from "./event-policy.ts";
import { invalidRequest, notAnotherRegion } from "./errors.ts";
import { nameOf, targetRegion } from "./policy.ts";

/** Where the policy is, and which regions there are. */
type Place = Pick<Ec2Context, "region" | "homeRegion">;

/** What a policy may say. Throws InvalidRequestException. Limits as the API reference states them. */
export function checkedDetails(details: PolicyDetails, place: Place): PolicyDetails {
  const { PolicyType: type = "EBS_SNAPSHOT_MANAGEMENT", Schedules: schedules = [] } = details;
  if (isEventBased(details)) return checkedEvents(details, place);
  if (isDefault(details)) return checkedDefault(details, place);
  for (const name of ["EventSource", "Actions"] as const)
    if (details[name] !== undefined) throw invalidRequest(`${name} is for event-based policies.`);
  refuseDefaults(details);
  if ((details.ResourceLocations ?? ["CLOUD"]).join() !== "CLOUD") throw notServed("ResourceLocations");
  const [resource, ...more] = details.ResourceTypes ?? [];
  if (more.length > 0 || (resource !== "VOLUME" && resource !== "INSTANCE"))
    throw invalidRequest("ResourceTypes is VOLUME or INSTANCE.");
  if (type === "IMAGE_MANAGEMENT" && resource !== "INSTANCE")
    throw invalidRequest("ResourceTypes is INSTANCE for IMAGE_MANAGEMENT.");
  checkParameters(details, resource);
  if (!details.TargetTags?.length || details.TargetTags.length > 50)
    throw invalidRequest("TargetTags has 1 to 50 tags.");
  checkTags("TargetTags", details.TargetTags);
  if (schedules.length < 1 || schedules.length > 4) throw invalidRequest("Schedules has 1 to 4 schedules.");
  if (new Set(schedules.map(nameOf)).size < schedules.length)
    throw invalidRequest("Each schedule has a name of its own.");
  for (const schedule of schedules) {
    checkSchedule(schedule, resource);
    checkCopies(schedule, type === "IMAGE_MANAGEMENT", place);
    checkSharing(schedule, type === "IMAGE_MANAGEMENT");
    checkDeprecation(schedule, type === "IMAGE_MANAGEMENT");
  }
  return { ...details, PolicyType: type, ResourceTypes: [resource] };
}

function checkedEvents(details: PolicyDetails, place: Place): PolicyDetails {
  refuseDefaults(details);
  checkEvents(details);
  // What others share is copied within the region too.
  for (const action of details.Actions ?? [])
    checkCopies(actionSchedule(action), false, { ...place, region: "" });
  return details;
}

function refuseDefaults(details: PolicyDetails): void {
  for (const name of [...simplified, "ResourceType"] as const)
    if (details[name] !== undefined) throw invalidRequest(`${name} is for default policies.`);
}

const notServed = (what: string) => invalidRequest(`Croft does not serve ${what} yet.`);

function checkParameters({ PolicyType, Parameters: given }: PolicyDetails, resource: string): void {
  if (!given) return;
  if (resource !== "INSTANCE") throw invalidRequest("Parameters is for INSTANCE.");
  const image = PolicyType === "IMAGE_MANAGEMENT";
  if (image && (given.ExcludeBootVolume !== undefined || given.ExcludeDataVolumeTags?.length))
    throw invalidRequest("Volumes are not excluded from images.");
  if (!image && given.NoReboot !== undefined) throw invalidRequest("NoReboot is for IMAGE_MANAGEMENT.");
}

function checkSchedule(schedule: Schedule, resource: string): void {
  const { CreateRule: create, RetainRule: retain } = schedule;
  for (const name of ["FastRestoreRule", "ArchiveRule"] as const) if (schedule[name]) throw notServed(name);
  if (nameOf(schedule).length > 120) throw invalidRequest("A schedule's name has at most 120 characters.");
  if (!create) throw invalidRequest("A schedule has a CreateRule.");
  if ((create.Location ?? "CLOUD") !== "CLOUD") throw notServed(`Location ${create.Location}`);
  if (create.Scripts?.length) throw notServed("Scripts");
  const fault = faultOf(create);
  if (fault) throw invalidRequest(`${fault}.`);
  checkRetention(retain);
  checkTags("TagsToAdd", schedule.TagsToAdd);
  checkTags("VariableTags", schedule.VariableTags);
  for (const { Value: value = "" } of schedule.VariableTags ?? [])
    if (resource !== "INSTANCE" || !["$(instance-id)", "$(timestamp)"].includes(value))
      throw invalidRequest("VariableTags are $(instance-id) and $(timestamp), for INSTANCE.");
}

function checkRetention({ Count: count, Interval: interval, IntervalUnit: unit }: RetainRule = {}): void {
  const byAge = interval !== undefined && unit !== undefined;
  if ((count === undefined) === !byAge)
    throw invalidRequest("RetainRule is a Count, or an Interval with its IntervalUnit.");
  if (count !== undefined && (interval !== undefined || count < 1 || count > 1000))
    throw invalidRequest("Count is from 1 to 1000.");
  if (byAge) daysOf({ Interval: interval, IntervalUnit: unit });
}

/** Throws InvalidRequestException for an interval without its unit, or one that is too short or too long. */
function daysOf({
  Interval: interval,
  IntervalUnit: unit,
}: Pick<RetainRule, "Interval" | "IntervalUnit">): number {
  if (interval === undefined || unit === undefined)
    throw invalidRequest("Interval and IntervalUnit go together.");
  const days = interval * { DAYS: 1, WEEKS: 7, MONTHS: 30, YEARS: 365 }[unit];
  if (interval < 1 || days > 36_500)
    throw invalidRequest("Interval is at least 1 day and at most 100 years.");
  return days;
}

/** A copy is of another region, and each region has one of a schedule. */
function checkCopies(
  { CrossRegionCopyRules: rules = [] }: Schedule,
  ofImages: boolean,
  { region, homeRegion }: Place,
): void {
  if (rules.length > 3) throw invalidRequest("CrossRegionCopyRules has at most 3 rules.");
  if (new Set(rules.map(targetRegion)).size < rules.length)
    throw invalidRequest("CrossRegionCopyRules names a target twice.");
  for (const rule of rules) {
    const [to, { CmkArn: key, RetainRule: retain, DeprecateRule: deprecate }] = [targetRegion(rule), rule];
    if (rule.Target !== undefined && rule.TargetRegion !== undefined)
      throw invalidRequest("A rule names its Target or its TargetRegion.");
    if (ofImages && rule.Target !== undefined)
      throw invalidRequest("Target is for snapshots: use TargetRegion.");
    if (to.startsWith("arn:")) throw notServed("Outposts");
    if (to === region || !isRegion(to, homeRegion)) throw notAnotherRegion(to);
    if (key !== undefined && !new RegExp(`^arn:aws:kms:${to}:\\d{12}:key/[0-9a-f-]+$`).test(key))
      throw invalidRequest(`Invalid CmkArn: ${key}. It is the ARN of a key of ${to}.`);
    const keptDays = retain && daysOf(retain);
    if (!deprecate) continue;
    if (!ofImages) throw invalidRequest("DeprecateRule is for IMAGE_MANAGEMENT.");
    if (keptDays !== undefined && daysOf(deprecate) > keptDays) throw deprecatedTooLate();
  }
}

function checkSharing({ ShareRules: rules = [] }: Schedule, ofImages: boolean): void {
  if (rules.length === 0) return;
  if (ofImages) throw invalidRequest("ShareRules is for EBS_SNAPSHOT_MANAGEMENT.");
  if (rules.length > 1) throw invalidRequest("ShareRules has at most 1 rule.");
  for (const { TargetAccounts: accounts = [], UnshareInterval, UnshareIntervalUnit } of rules) {
    if (accounts.length === 0 || accounts.some((it) => !/^\d{12}$/.test(it)))
      throw invalidRequest("TargetAccounts has at least 1 account, each of 12 digits.");
    if (UnshareInterval !== undefined || UnshareIntervalUnit !== undefined)
      daysOf({ Interval: UnshareInterval, IntervalUnit: UnshareIntervalUnit });
  }
}

/** By count where images are kept by count, by age where by age, and not after they are gone. */
function checkDeprecation({ DeprecateRule: rule, RetainRule: retain }: Schedule, ofImages: boolean): void {
  if (!rule) return;
  if (!ofImages) throw invalidRequest("DeprecateRule is for IMAGE_MANAGEMENT.");
  if (retain?.Count === undefined) {
    if (rule.Count !== undefined)
      throw invalidRequest("DeprecateRule has an Interval where RetainRule has one.");
    if (daysOf(rule) > daysOf(retain ?? {})) throw deprecatedTooLate();
    return;
  }
  if (rule.Count === undefined || rule.Interval !== undefined)
    throw invalidRequest("DeprecateRule has a Count where RetainRule has one.");
  if (rule.Count < 1 || rule.Count > retain.Count) throw deprecatedTooLate();
}

const deprecatedTooLate = () =>
  invalidRequest("DeprecateRule is at least 1 and at most what RetainRule keeps.");

function checkTags(what: string, tags: readonly Tag[] = []): void {
  if (tags.length > 50) throw invalidRequest(`${what} has at most 50 tags.`);
  if (new Set(tags.map(({ Key }) => Key)).size < tags.length && what !== "TargetTags")
    throw invalidRequest(`${what} names a key twice.`);
  for (const { Key: key = "", Value: value = "" } of tags) {
    if (!key || key.length > 128 || value.length > 256)
      throw invalidRequest(`${what} has keys of 1 to 128 and values of at most 256 characters.`);
    if (what !== "TargetTags" && key.toLowerCase().startsWith("aws:"))
      throw invalidRequest("Tag keys starting with 'aws:' are reserved for internal use.");
  }
}
