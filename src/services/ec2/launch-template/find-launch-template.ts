import type { Ec2Context } from "../context.ts";
import {
  invalidCombination,
  launchTemplateIdNotFound,
  launchTemplateNameNotFound,
  launchTemplateVersionNotFound,
  missingParameter,
} from "../errors.ts";
import type { Entry } from "#store/store.ts";
import {
  launchTemplateNameClaim,
  type LaunchTemplateRecord,
  type LaunchTemplateVersionRecord,
} from "./launch-template.ts";

interface TemplateName {
  readonly LaunchTemplateId?: string | undefined;
  readonly LaunchTemplateName?: string | undefined;
}

/** By its id or its name, not both. Throws when there is none. */
export function findLaunchTemplate(
  { LaunchTemplateId: id, LaunchTemplateName: name }: TemplateName,
  { records }: Ec2Context,
): Entry<LaunchTemplateRecord> {
  if (id !== undefined && name !== undefined)
    throw invalidCombination("Specify a launch template by its ID or its name, not by both.");
  if (id !== undefined) {
    const entry = records.entry("launch-template", id);
    if (!entry) throw launchTemplateIdNotFound([id]);
    return entry;
  }
  if (name === undefined) throw missingParameter("LaunchTemplateId or LaunchTemplateName");
  const entry = records.entry("launch-template", records.claimed(launchTemplateNameClaim(name)) ?? "");
  if (!entry) throw launchTemplateNameNotFound(name);
  return entry;
}

/** `version` is a number, `$Latest` or `$Default`. */
export function findVersion(
  template: LaunchTemplateRecord,
  version: string,
  { records }: Ec2Context,
): LaunchTemplateVersionRecord {
  const number = versionNumber(template, version);
  const found =
    number === undefined ? undefined : records.get("launch-template-version", `${template.id}/${number}`);
  if (!found) throw launchTemplateVersionNotFound(template.id, version);
  return found;
}

/** Undefined when it is none. */
export function versionNumber(template: LaunchTemplateRecord, version: string): number | undefined {
  if (version === "$Latest") return template.latestVersion;
  if (version === "$Default") return template.defaultVersion;
  return /^[1-9]\d{0,8}$/.test(version) ? Number(version) : undefined;
}
