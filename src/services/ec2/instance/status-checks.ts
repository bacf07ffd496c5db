import type { EbsStatusSummary, InstanceStatusSummary } from "@aws-sdk/client-ec2";
import { instanceState, type InstanceRecord } from "./instance.ts";

/** What a status check has come to. Follows "Status checks for Amazon EC2 instances". */
export type Check = "ok" | "impaired" | "initializing" | "not-applicable";

/** The guest: it passes once its operating system has come up. */
export function instanceCheck(instance: InstanceRecord): Check {
  const check = systemCheck(instance) === "impaired" ? "impaired" : ebsCheck(instance);
  return check === "ok" && !instance.so.booted ? "initializing" : check;
}

/** The host under it: it passes once the machine runs there, anew when the host itself was restarted, with all its interfaces. */
export function systemCheck(instance: InstanceRecord): Check {
  if (instanceState(instance) !== "running") return "not-applicable";
  if (!instance.so.bootId) return "initializing";
  return instance.so.cutOff ? "impaired" : "ok";
}

/** Its volumes: whether they take what it writes. */
export const ebsCheck = (instance: InstanceRecord): Check =>
  instanceState(instance) !== "running" ? "not-applicable" : instance.so.paused ? "impaired" : "ok";

export const reachability = (check: Check) =>
  ({ ok: "passed", impaired: "failed", initializing: "initializing", "not-applicable": undefined } as const)[
    check
  ];

/** `since`: when it was first impaired, if it is. */
export function describeCheck(check: Check, since?: string): InstanceStatusSummary & EbsStatusSummary {
  const Status = reachability(check);
  const impaired = check === "impaired" && since !== undefined && { ImpairedSince: new Date(since) };
  return { Status: check, ...(Status && { Details: [{ Name: "reachability", Status, ...impaired }] }) };
}
