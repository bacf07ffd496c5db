import type { Clock } from "#clock.ts";
import type { MachineDriver } from "#drivers/machine/machine-driver.ts";
import type { Feed } from "#store/feed.ts";
import { burstAccount, hasBurst, type BurstAccount } from "../ec2/volume/burst-account.ts";
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
        const known = accounts[volume.id];
        const account = asked
          ? burstAccount(known, volumeLimits(volume), clock.now().getTime(), asked)
          : traffic === undefined && known;
        if (account) now[volume.id] = account;
      }
    }
    accounts = now;
    return Object.fromEntries(Object.entries(now).filter(([, { spent }]) => spent > 0));
  };
}
