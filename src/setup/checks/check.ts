import type { CapacitySettings, RegionSettings } from "#config.ts";
import type { Host } from "./host.ts";

/** One thing that a region needs, or is better off with. `croft start` heeds some of them, `croft doctor` shows all. */
export interface Check {
  readonly name: string;
  /** Checks of the same list whose refusal says it all, so that this one is left out; by default "kernel". */
  readonly after?: readonly string[];
  /** Changes nothing that stays. */
  readonly look: (host: Host, region: RegionPlace) => Finding | Promise<Finding>;
}

/** Where a region is, or is to be. */
export interface RegionPlace {
  readonly dataDir: string;
  readonly cacheDir: string;
  /** Undefined before the first start. */
  readonly settings?: RegionSettings | undefined;
  /** What it is to promise of the host's memory. */
  readonly capacity: CapacitySettings;
}

export interface Finding {
  readonly verdict: "ok" | "warning" | "refusal";
  /** What is so. */
  readonly sentence: string;
  /** What to do about it. */
  readonly remedy?: string;
}

export type NamedFinding = Finding & { readonly name: string };

export const ok = (sentence: string): Finding => ({ verdict: "ok", sentence });
export const warning = (sentence: string, remedy: string): Finding => ({
  verdict: "warning",
  sentence,
  remedy,
});
export const refusal = (sentence: string, remedy: string): Finding => ({
  verdict: "refusal",
  sentence,
  remedy,
});

/** What they come to, in their order. */
export const lookAt = async (
  checks: readonly Check[],
  host: Host,
  region: RegionPlace,
): Promise<NamedFinding[]> => {
  const found: NamedFinding[] = [];
  const refusedOrLeftOut = new Set<string>();
  for (const { name, after = ["kernel"], look } of checks) {
    const finding = after.some((other) => refusedOrLeftOut.has(other)) ? undefined : await look(host, region);
    if (finding) found.push({ name, ...finding });
    if (!finding || finding.verdict === "refusal") refusedOrLeftOut.add(name);
  }
  return found;
};

/** "sentence: remedy", as one line says both. */
export const told = ({ sentence, remedy }: Finding): string =>
  remedy === undefined ? sentence : `${sentence}: ${remedy}`;
