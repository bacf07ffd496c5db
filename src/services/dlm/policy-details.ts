import type { PolicyDetails, RetainRule, Schedule, Tag } from "@aws-sdk/client-dlm";
import { faultOf } from "./due.ts";
import { invalidRequest } from "./errors.ts";
import { nameOf } from "./policy.ts";

/** What a policy may say. Throws InvalidRequestException. Limits as the API reference states them. */
export function checkedDetails(details: PolicyDetails): PolicyDetails {
  const { PolicyType: type = "EBS_SNAPSHOT_MANAGEMENT", Schedules: schedules = [] } = details;
  if (type === "EVENT_BASED_POLICY") throw notServed(type);
  for (const name of unserved) if (details[name] !== undefined) throw notServed(name);
  if ((details.PolicyLanguage ?? "STANDARD") !== "STANDARD") throw notServed("default policies");
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
  for (const schedule of schedules) checkSchedule(schedule, resource);
  return { ...details, PolicyType: type, ResourceTypes: [resource] };
}

const notServed = (what: string) => invalidRequest(`Croft does not serve ${what} yet.`);

const unserved = [
  "EventSource",
  "Actions",
  "CreateInterval",
  "RetainInterval",
  "CrossRegionCopyTargets",
  "ExtendDeletion",
  "Exclusions",
  "ResourceType",
  "CopyTags",
] as const satisfies (keyof PolicyDetails)[];

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
  for (const name of [
    "FastRestoreRule",
    "CrossRegionCopyRules",
    "ShareRules",
    "DeprecateRule",
    "ArchiveRule",
  ] as const) {
    const rule = schedule[name];
    if (Array.isArray(rule) ? rule.length > 0 : rule) throw notServed(name);
  }
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
  const days = { DAYS: 1, WEEKS: 7, MONTHS: 30, YEARS: 365 }[unit ?? "DAYS"];
  if (byAge && (interval < 1 || interval * days > 36_500))
    throw invalidRequest("Interval is at least 1 day and at most 100 years.");
}

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
