import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Refusal } from "#cli/command.ts";
import { hostNames, layout } from "#config.ts";

/** Makes the cache. A directory that holds anything else is refused: it would go with the last region. */
export const openCache = (cacheDir: string): void => {
  if (!existsSync(registry(cacheDir)) && existsSync(cacheDir) && readdirSync(cacheDir).length > 0) {
    throw new Refusal(`${cacheDir} holds other things: --cache-dir is a directory of its own`);
  }
  mkdirSync(registry(cacheDir), { recursive: true });
};

/** Puts the region on the list of those that use the cache: `CACHE/regions/TAG` names its data directory. */
export const joinCache = (cacheDir: string, dataDir: string): void => {
  const file = join(registry(cacheDir), hostNames(dataDir).tag);
  const line = `${layout(dataDir).dir}\n`;
  if (!existsSync(file) || readFileSync(file, "utf8") !== line) writeFileSync(file, line);
};

/** Takes the region off the list, and removes the cache when no other region that still exists is on it. */
export const leaveCache = (
  cacheDir: string,
  dataDir: string,
  { keepImages }: { keepImages: boolean },
): void => {
  rmSync(join(registry(cacheDir), hostNames(dataDir).tag), { force: true });
  if (!keepImages && regionsUsing(cacheDir).length === 0) rmSync(cacheDir, { recursive: true, force: true });
};

const registry = (cacheDir: string) => join(cacheDir, "regions");

/** Data directories of the regions on the list that still exist. */
export const regionsUsing = (cacheDir: string): string[] =>
  listedRegions(cacheDir)
    .map(({ dataDir }) => dataDir)
    .filter((dataDir) => existsSync(layout(dataDir).settings));

/** Data directories of all on the list, also those that are not there, or not now; and the file that says so. */
export const listedRegions = (cacheDir: string): { readonly dataDir: string; readonly file: string }[] => {
  if (!existsSync(registry(cacheDir))) return [];
  return readdirSync(registry(cacheDir))
    .map((tag) => join(registry(cacheDir), tag))
    .map((file) => ({ dataDir: readFileSync(file, "utf8").trim(), file }));
};
