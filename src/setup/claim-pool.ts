import { execFileSync, spawnSync } from "node:child_process";
import { Refusal } from "#cli/command.ts";
import { say } from "#cli/terminal.ts";
import { defaults } from "#config.ts";
import { claim, freePools, rivalRoute } from "./public-pool.ts";
import type { HostRoute } from "./public-pool.ts";

/**
 * A new region's public addresses: those asked for, or the first of the usual ones that this host does not route. From now on
 * a route claims them, so that two regions made at the same time cannot come to the same; the region's own replaces it.
 */
export const claimPool = (asked: string | undefined): string => {
  const candidates = asked === undefined ? defaults.publicPools : [asked];
  // The kernel refuses a route that is already there: of two claims one fails.
  const claimed = freePools(candidates, hostRoutes()).find(
    (pool) => spawnSync("ip", ["route", "add", claim, pool]).status === 0,
  );
  if (claimed === undefined) {
    throw new Refusal(
      `this host already routes ${candidates.join(", ")}: choose a --public-pool it does not`,
    );
  }
  return claimed;
};

/**
 * For a region that was made before, when its own route may be gone (a reboot). Throws `Refusal` when another has taken its
 * pool: the region's route would replace that one. A route over a part of it only hides some addresses, and is warned of.
 */
export const requireOwnPool = (pool: string, ownLink: string): void => {
  const rival = rivalRoute(pool, ownLink, hostRoutes());
  if (!rival) return;
  const what = `this region's public addresses ${pool} are now routed to ${rival.dev ?? "elsewhere"} (${rival.dst})`;
  if (rival.dst !== pool) return say(`${what}: instances with such addresses cannot be reached`);
  throw new Refusal(
    `${what}: end what made that route, or destroy this region and make it anew with another --public-pool`,
  );
};

/** For a region that goes before its own route took the claim's place. */
export const releasePool = (pool: string): void => {
  spawnSync("ip", ["route", "del", claim, pool]);
};

const hostRoutes = (): HostRoute[] =>
  JSON.parse(execFileSync("ip", ["-j", "-4", "route"], { encoding: "utf8" }));
