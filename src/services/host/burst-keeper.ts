import type { Clock } from "#clock.ts";
import type { MachineDriver } from "#drivers/machine/machine-driver.ts";
import type { Feed } from "#store/feed.ts";
import { burstAccount, fullAccount, hasBurst, type BurstAccount } from "../ec2/volume/burst-account.ts";
import { volumeLimits } from "../ec2/volume/volume-limits.ts";
import { machinesWith, type VolumeRecord } from "../ec2/volume/volume.ts";
import type { HostRecord } from "./host.ts";

type Accounts = NonNullable<HostRecord["bursts"]>;

/**
 * Counts what this host's volumes have spent of their credits. What is returned does it once, and answers the accounts of those that
 * have spent any, from which a later program goes on.
 */
export function burstKeeper(
  hostId: string,
  machines: Pick<MachineDriver, "diskTraffic">,
  feed: Feed,
  clock: Clock,
  before: Accounts,
): () => Promise<Accounts> {
  let accounts = before;
  let lookedAtMs: number | undefined;

  return async () => {
    const bursting = feed
      .list<VolumeRecord>("volume/")
      .map(({ value }) => value)
      .filter((it) => it.hostId === hostId && hasBurst(volumeLimits(it)));
    const pairs = bursting.flatMap((volume) => machinesWith(volume).map((machine) => ({ machine, volume })));
    const now: Record<string, BurstAccount> = {};
    for (const [machine, those] of Map.groupBy(pairs, (it) => it.machine)) {
      // One that does not answer is asked again in a minute; one that is off has none, and its volumes all their credits.
      const traffic = await machines.diskTraffic(machine).catch(() => undefined);
      for (const { volume } of those) {
        const asked = traffic?.get(volume.id);
        const limits = volumeLimits(volume);
        // What was not there a minute ago has asked for all of it since.
        const fresh = lookedAtMs === undefined ? undefined : fullAccount(limits, lookedAtMs);
        const known = accounts[volume.id] ?? fresh;
        const account = asked
          ? burstAccount(known, limits, clock.now().getTime(), asked)
          : traffic === undefined && known;
        if (account) now[volume.id] = account;
      }
    }
    accounts = now;
    lookedAtMs = clock.now().getTime();
    return Object.fromEntries(Object.entries(now).filter(([, { spent }]) => spent > 0));
  };
}
