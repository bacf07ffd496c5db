import { moved, settled, type Outcome } from "#reconcile/outcome.ts";
import type { Ec2Records } from "../records.ts";
import { versionKeys } from "./launch-template.ts";

/** Removes a version whose template is gone: there may be more of them than one transaction holds. */
export function reconcileLaunchTemplateVersion(id: string, records: Ec2Records): Outcome {
  const entry = records.entry("launch-template-version", id);
  if (!entry || records.get("launch-template", entry.value.templateId)) return settled;
  return moved({
    expect: [{ at: [entry.key, entry.revision] }],
    delete: versionKeys(entry.value, records),
  });
}
