import { wait, type Outcome } from "#reconcile/outcome.ts";
import { keeps } from "../../rbin/rule.ts";
import type { ResourceType } from "../../rbin/sdk.generated.ts";
import type { Ec2Records } from "../records.ts";
import type { Tags } from "../tag/tag.ts";

/**
 * What is deleted, and kept by a rule of the recycle bin, until when; nobody sees it but there, and it is as it was when it is restored.
 *
 *     there ⇄ in the bin → gone
 */
export interface InBin {
  readonly enteredAt: string; // ISO 8601, UTC
  readonly exitsAt: string;
}
interface Deletable {
  readonly tags: Tags;
  readonly bin?: InBin;
}

/** `resource` in the bin, for as long as the rule says that keeps it longest; undefined: none keeps it. */
export function inBin<Resource extends Deletable>(
  type: ResourceType,
  resource: Resource,
  records: Ec2Records,
  now: Date,
): (Resource & { readonly bin: InBin }) | undefined {
  const rules = records.all("rbin-rule").filter((it) => it.resourceType === type && keeps(it, resource.tags));
  if (rules.length === 0) return undefined;
  const days = Math.max(...rules.map((it) => it.days));
  const exitsAt = new Date(now.getTime() + days * DAY_MS).toISOString();
  return {
    ...resource,
    tags: { ...resource.tags, [mark]: "true" },
    bin: { enteredAt: now.toISOString(), exitsAt },
  };
}

export function outOfBin<Resource extends Deletable>({
  bin: _,
  ...resource
}: Resource): Omit<Resource, "bin"> & { readonly tags: Tags } {
  const { [mark]: _m, ...tags } = resource.tags;
  return { ...resource, tags };
}

/** What its reconciler does until it leaves the bin for good; undefined: that is now. */
export function waitInBin({ exitsAt }: InBin, now: Date): Outcome | undefined {
  const leftMs = Date.parse(exitsAt) - now.getTime();
  // Timers have a longest time.
  return leftMs > 0 ? wait(Math.min(leftMs, HOUR_MS)) : undefined;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** By which AWS tells what is in the bin. */
const mark = "aws:recycle-bin:resource-in-bin";
