import type { Ec2Context } from "./context.ts";
import { invalidParameter } from "./errors.ts";
import { isRegion } from "./region/region.ts";

/** The same caller's context in the region that something is copied from. Throws InvalidParameterValue for one that is none. */
export function sourceRegion(region: string, context: Ec2Context): Ec2Context {
  if (region === context.region) return context;
  if (!isRegion(region, context.homeRegion))
    throw invalidParameter(`Value (${region}) for parameter sourceRegion is invalid.`);
  return {
    ...context,
    region,
    records: context.records.inRegion(region),
    ...(context.kms && { kms: { ...context.kms, region } }),
  };
}
