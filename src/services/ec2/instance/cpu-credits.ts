import { invalidCombination } from "../errors.ts";
import { instanceTypes } from "../instance-type/instance-type.ts";
import type { CpuCredits, InstanceRecord } from "./instance.ts";
import { oneOf } from "./launch-parameters.ts";

/** What an instance may do when its credits are used up; undefined for types that have none. */
export const cpuCredits = ({ type, cpuCredits: chosen }: Pick<InstanceRecord, "type" | "cpuCredits">) =>
  isBurstable(type) ? (chosen ?? defaultCredits(type)) : undefined;

export const isBurstable = (type: string) => instanceTypes.get(type)?.burstable === true;

const defaultCredits = (type: string): CpuCredits => (/^t[12]\./.test(type) ? "standard" : "unlimited");

export const creditsNamed = (value: string): CpuCredits =>
  oneOf<CpuCredits>(["standard", "unlimited"], value, "CpuCredits");

/** For a launch. */
export function chosenCredits(
  given: { readonly CpuCredits?: string | undefined } | undefined,
  type: string,
): { cpuCredits?: CpuCredits } {
  if (given?.CpuCredits === undefined) return {};
  if (!isBurstable(type))
    throw invalidCombination(
      `The parameter CreditSpecification is not supported for the instance type '${type}'.`,
    );
  return { cpuCredits: creditsNamed(given.CpuCredits) };
}
