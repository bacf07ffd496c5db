import { Script } from "node:vm";
import type { Action, PolicyDetails, Schedule } from "@aws-sdk/client-dlm";
import type { Ec2Context } from "../ec2/context.ts";
import { invalidRequest } from "./errors.ts";
import type { DlmPolicyRecord } from "./policy.ts";

/** Copies the snapshots that other accounts share with its own. */
export const isEventBased = ({ PolicyType }: PolicyDetails): boolean => PolicyType === "EVENT_BASED_POLICY";

/** What an action does, as a schedule says it that is never due. */
export const actionSchedule = ({ Name, CrossRegionCopy = [] }: Action): Schedule => ({
  Name,
  CrossRegionCopyRules: CrossRegionCopy.map(({ Target, EncryptionConfiguration, RetainRule }) => ({
    Target,
    Encrypted: EncryptionConfiguration?.Encrypted ?? false,
    CmkArn: EncryptionConfiguration?.CmkArn,
    RetainRule,
  })),
});

/** Throws InvalidRequestException for what is no event-based policy; what its copies say is checked as a schedule's. */
export function checkEvents(details: PolicyDetails): void {
  const { EventSource: { Type, Parameters } = {}, Actions: [action, ...more] = [] } = details;
  for (const name of ["Schedules", "TargetTags", "ResourceTypes", "ResourceLocations", "Parameters"] as const)
    if (details[name] !== undefined) throw invalidRequest(`${name} is not for event-based policies.`);
  if (Type !== "MANAGED_CWE" || Parameters?.EventType !== "shareSnapshot")
    throw invalidRequest(
      "EventSource is of Type MANAGED_CWE, and its Parameters of EventType shareSnapshot.",
    );
  const { SnapshotOwner: owners = [], DescriptionRegex: expression } = Parameters;
  if (owners.length < 1 || owners.length > 50 || owners.some((it) => !/^\d{12}$/.test(it)))
    throw invalidRequest("SnapshotOwner has 1 to 50 accounts, each of 12 digits.");
  if (expression === undefined || expression.length > 1000 || !isExpression(expression))
    throw invalidRequest("DescriptionRegex is a regular expression of at most 1000 characters.");
  if (!action || more.length > 0) throw invalidRequest("Actions has 1 action.");
  if (!/^[0-9A-Za-z _-]{1,120}$/.test(action.Name ?? ""))
    throw invalidRequest("An action's Name has 1 to 120 letters, digits, spaces, hyphens and underscores.");
  if (!action.CrossRegionCopy?.length) throw invalidRequest("CrossRegionCopy has 1 to 3 copies.");
}

/** As a policy begins: what is shared with its account by then is no event. */
export const beginning = (
  details: PolicyDetails,
  context: Pick<Ec2Context, "records">,
): DlmPolicyRecord["so"] => ({
  done: {},
  ...(isEventBased(details) && { shared: sharedBy(details, context).map(({ id }) => id) }),
});

/** What the accounts of the policy share with its own now. */
export const sharedBy = (
  { EventSource }: PolicyDetails,
  { records }: Pick<Ec2Context, "records">,
): { readonly id: string; readonly description: string }[] =>
  records
    .shared("snapshot")
    .filter(
      ({ ownerId, value: { deleting, sharedWith = [] } }) =>
        !deleting &&
        EventSource?.Parameters?.SnapshotOwner?.includes(ownerId) &&
        sharedWith.includes(records.accountId),
    )
    .map(({ value }) => value)
    .toSorted((a, b) => (a.id < b.id ? -1 : 1));

/** Whether the description is one of the policy's. Throws InvalidRequestException when its expression takes longer than anyone waits. */
export function isDescribed({ EventSource }: PolicyDetails, description: string): boolean {
  const expression = new RegExp(EventSource?.Parameters?.DescriptionRegex ?? "");
  try {
    return searching.runInNewContext({ expression, description }, { timeout: PATIENCE_MS }) === true;
  } catch (cause) {
    // It is an error of the context's own.
    if ((cause as NodeJS.ErrnoException).code === "ERR_SCRIPT_EXECUTION_TIMEOUT")
      throw invalidRequest("DescriptionRegex takes too long.");
    throw cause;
  }
}

/** Of itself it would go on for as long as an account likes. */
const searching = new Script("expression.test(description)");
const PATIENCE_MS = 50;

function isExpression(text: string): boolean {
  try {
    return new RegExp(text) instanceof RegExp;
  } catch {
    return false;
  }
}
