import { ApiError } from "#api/error.ts";
import { moved, settled, wait, type Outcome } from "#reconcile/outcome.ts";
import type { Transaction } from "#store/store.ts";
import type { Schedule } from "@aws-sdk/client-dlm";
import type { Ec2Context } from "../ec2/context.ts";
import { byArn } from "../iam/holder.ts";
import { isGone } from "../ec2/instance/instance.ts";
import { hasAnyTag, type Tags } from "../ec2/tag/tag.ts";
import { together } from "../ec2/together.ts";
import { volumeState, volumesThere } from "../ec2/volume/volume.ts";
import { defaultTargets, isDefault } from "./default-policy.ts";
import { lastDue } from "./due.ts";
import { deprecationOf, expiryOf, unsharingOf } from "./expiry.ts";
import { isEventBased } from "./event-policy.ts";
import { followedUp, followUpsOf, noticed } from "./follow-up.ts";
import { madeOf } from "./made-of.ts";
import { nameOf, schedulesOf, type DlmPolicyRecord } from "./policy.ts";

const MINUTE_MS = 60_000;
/** What a copy is to be made of, or that is to be shared, is not complete yet. */
const SOON_MS = 2000;

/**
 * One step of a policy. A time that is due is written down with its targets, then each target is served and struck off in one transaction,
 * so a crash makes nothing twice, as what others share is written down with where it is to go; what was made is shared and copied once it is complete, each struck off too; then what is too much or too
 * old goes, one by one. Times that were missed are one.
 */
export async function reconcilePolicy(id: string, context: Ec2Context): Promise<Outcome> {
  const { records } = context;
  const policy = records.get("dlm-policy", id);
  if (!policy?.enabled) return settled;
  const now = context.now();
  const later = wait(MINUTE_MS - (now.getTime() % MINUTE_MS));
  const schedules = schedulesOf(policy);
  const write = (so: DlmPolicyRecord["so"]): Transaction => records.rewrite("dlm-policy", { ...policy, so });
  if (!byArn("iam-role", policy.roleArn, records.iam)) {
    const error = `The role ${policy.roleArn} does not exist.`;
    return error === policy.so.error ? later : moved(write({ ...policy.so, error }));
  }
  const { run, error, ...rest } = policy.so;
  if (run) {
    const schedule = schedules.find((it) => nameOf(it) === run.schedule);
    const [target, ...targets] = run.targets;
    if (!schedule || target === undefined)
      return moved(write({ ...rest, ...(error !== undefined && { error }) }));
    const next = { ...policy.so, run: { ...run, targets } };
    return moved(served(target, schedule, policy, next, write, context));
  }
  const event = noticed(policy, write, context);
  if (event) return moved(event);
  const followed = followedUp(policy, write, context);
  if (followed) return moved(followed);
  for (const schedule of schedules) {
    const gone =
      expiryOf(policy, schedule, context) ??
      deprecationOf(policy, schedule, context) ??
      unsharingOf(policy, schedule, context);
    if (gone) return moved(gone);
  }
  const timed = isEventBased(policy.details) ? [] : schedules;
  for (const schedule of timed) {
    const name = nameOf(schedule);
    const at = lastDue(
      schedule.CreateRule ?? {},
      new Date(policy.so.done[name] ?? policy.from),
      now,
    )?.toISOString();
    if (at === undefined) continue;
    // What was wrong is over when nothing of this time is.
    const done = { ...rest.done, [name]: at };
    return moved(write({ ...rest, done, run: { schedule: name, at, targets: targetsOf(policy, context) } }));
  }
  return policy.so.pending ? wait(SOON_MS) : later;
}

/** A target that cannot be served is struck off too, and the policy says why. */
function served(
  target: string,
  schedule: Schedule,
  policy: DlmPolicyRecord,
  so: DlmPolicyRecord["so"],
  write: (so: DlmPolicyRecord["so"]) => Transaction,
  context: Ec2Context,
): Transaction {
  try {
    const made = madeOf(target, schedule, policy, context);
    const pending = [...(so.pending ?? []), ...followUpsOf(made, schedule, policy)];
    return together(made, write({ ...so, ...(pending.length > 0 && { pending }) }));
  } catch (cause) {
    if (!(cause instanceof ApiError)) throw cause;
    return write({ ...so, error: `${target}: ${cause.code}: ${cause.message}` });
  }
}

/** Whatever has any of the tags, and is there. */
function targetsOf({ details }: DlmPolicyRecord, context: Ec2Context): string[] {
  if (isDefault(details)) return defaultTargets(details, context);
  const { records } = context;
  const isTarget = ({ tags }: { readonly tags: Tags }) => hasAnyTag(tags, details.TargetTags);
  if (details.ResourceTypes?.includes("INSTANCE"))
    return records
      .all("instance")
      .filter((it) => !isGone(it) && isTarget(it))
      .map(({ id }) => id);
  return volumesThere(records)
    .filter((it) => ["available", "in-use"].includes(volumeState(it)) && isTarget(it))
    .map(({ id }) => id);
}
