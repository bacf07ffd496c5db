import type { Clock } from "#clock.ts";
import { instanceState } from "../ec2/instance/instance.ts";
import type { Ec2Records } from "../ec2/records.ts";
import type { WireAnswer } from "#wire/protocol.ts";

/**
 * `GET /_croft/health`: 200 and "ready" once a host is there to launch on, before that 503 and "starting". Images are
 * listed oldest first.
 */
export function regionHealth(version: string, records: Ec2Records, clock: Clock): () => WireAnswer {
  return () => {
    const hosts = records.hosts(clock.now());
    const images = records
      .all("image")
      .toSorted((a, b) => (a.createdAt < b.createdAt ? -1 : 1))
      .map(({ id, name }) => ({ id, name }));
    const ready = hosts.length > 0 && images.length > 0;
    const states = Map.groupBy(records.all("instance"), instanceState);
    const body = {
      status: ready ? "ready" : "starting",
      version,
      acceleration: hosts[0]?.acceleration.kind,
      accelerationReason: hosts[0]?.acceleration.reason,
      zones: hosts[0]?.zones ?? [],
      images,
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
