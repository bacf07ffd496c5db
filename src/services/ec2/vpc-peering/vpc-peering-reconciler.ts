import { moved, settled, wait, type Outcome } from "#reconcile/outcome.ts";
import type { Ec2Records } from "../records.ts";
import { endedPeering } from "./ended-peering.ts";
import { endOf, isLive } from "./vpc-peering.ts";

/** Ends what waited too long for an answer, or lost a VPC, and forgets what ended long ago. */
export function reconcilePeering(id: string, records: Ec2Records, now: Date): Outcome {
  const entry = records.entry("vpc-peering-connection", id);
  if (!entry) return settled;
  const { value: peering } = entry;
  const since = now.toISOString();
  const bothThere = [peering.requester, peering.accepter].every(({ vpcId }) => records.get("vpc", vpcId));
  if (isLive(peering) && !bothThere) return moved(endedPeering(peering, "deleted", since, records));
  const end = endOf(peering);
  if (!end) return settled;
  const left = end.at.getTime() - now.getTime();
  if (left > 0) return wait(Math.min(left, longestWaitMs));
  return moved(
    end.next === undefined
      ? { expect: [{ at: [entry.key, entry.revision] }], delete: [entry.key] }
      : endedPeering(peering, end.next, end.at.toISOString(), records),
  );
}

/** A timer holds 24 days at most, and the clock may be set. */
const longestWaitMs = 3_600_000;
