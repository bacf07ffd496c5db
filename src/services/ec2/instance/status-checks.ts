import type { InstanceStatusSummary } from "@aws-sdk/client-ec2";
import { instanceState, type InstanceRecord } from "./instance.ts";

/** What a status check has come to. Follows "Status checks for Amazon EC2 instances". */
export type Check = "ok" | "initializing" | "not-applicable";

/** The guest: it passes once its operating system has come up. */
export const instanceCheck = (instance: InstanceRecord): Check =>
  instanceState(instance) !== "running" ? "not-applicable" : instance.so.booted ? "ok" : "initializing";

/** The host under it: it passes once the machine runs there, anew when the host itself was restarted. */
export const systemCheck = (instance: InstanceRecord): Check =>
  instanceState(instance) !== "running" ? "not-applicable" : instance.so.bootId ? "ok" : "initializing";

export const reachability = (check: Check) =>
  ({ ok: "passed", initializing: "initializing", "not-applicable": undefined } as const)[check];

export function describeCheck(check: Check): InstanceStatusSummary {
  const Status = reachability(check);
  return { Status: check, ...(Status && { Details: [{ Name: "reachability", Status }] }) };
}
