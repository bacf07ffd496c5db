import type { Clock } from "#clock.ts";
import { creditBalance } from "../ec2/instance/credit-account.ts";
import { instanceState, type CreditRecord, type InstanceRecord } from "../ec2/instance/instance.ts";
import type { Scope } from "../ec2/records.ts";
import type { RegionalRecords } from "../ec2/regional-records.ts";
import type { Feed } from "#store/feed.ts";
import type { WireAnswer } from "#wire/protocol.ts";

/**
 * `GET /_croft/health`: 200 and "ready" once a host is there to launch on, before that 503 and "starting". Images are
 * those of the region at `home`, oldest first; instances are counted in all.
 */
export function regionHealth(
  version: string,
  home: Scope,
  regions: RegionalRecords,
  feed: Feed,
  clock: Clock,
): () => WireAnswer {
  const records = regions.in(home);
  return () => {
    const hosts = records.hosts(clock.now());
    const images = records
      .all("image")
      .toSorted((a, b) => (a.createdAt < b.createdAt ? -1 : 1))
      .map(({ id, name }) => ({ id, name }));
    const ready = hosts.length > 0 && images.length > 0;
    const instances = feed.list<InstanceRecord>("instance/").map(({ value }) => value);
    const states = Map.groupBy(instances, instanceState);
    const body = {
      status: ready ? "ready" : "starting",
      version,
      machines: hosts[0]?.acceleration.kind === "fake" ? "fake" : "qemu",
      acceleration: hosts[0]?.acceleration.kind,
      accelerationReason: hosts[0]?.acceleration.reason,
      zones: (hosts[0]?.zones ?? []).map((letter) => home.region + letter),
      images,
      // Larger than their host, so it gives them what it has.
      capped: instances.flatMap(({ id, type, cpus, memoryMiB, cappedFrom }) =>
        cappedFrom ? [{ id, type, cpus, memoryMiB, cappedFrom }] : [],
      ),
      credits: Object.fromEntries(
        feed
          .list<CreditRecord>("credits/")
          .map(({ value: { id, account, limited } }) => [
            id,
            { balance: creditBalance(account), surplus: account.surplus, limited },
          ]),
      ),
      instances: Object.fromEntries([...states].map(([state, of]) => [state, of.length])),
      starting: hosts.flatMap(({ launches }) => launches.starting),
      queue: hosts.flatMap(({ launches }) => launches.waiting).length,
    };
    return {
      status: ready ? 200 : 503,
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    };
  };
}
