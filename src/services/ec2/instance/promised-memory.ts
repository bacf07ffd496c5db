import type { Feed } from "#store/feed.ts";
import { instanceState, type InstanceRecord } from "./instance.ts";

/** MiB promised on a host, kept current as instances come and go, start and stop: asking costs the same among many. */
export function promisedMemory(feed: Feed): (hostId: string) => number {
  const promised = new Map<string, number>();
  const count = (instance: InstanceRecord | undefined, sign: 1 | -1) => {
    if (!instance || !holdsMemory(instance)) return;
    promised.set(instance.hostId, (promised.get(instance.hostId) ?? 0) + sign * instance.memoryMiB);
  };
  for (const { value } of feed.list<InstanceRecord>("instance/")) count(value, 1);
  feed.onChange((key, now, before) => {
    if (!key.startsWith("instance/")) return;
    count(before?.value as InstanceRecord | undefined, -1);
    count(now?.value as InstanceRecord | undefined, 1);
  });
  return (hostId) => promised.get(hostId) ?? 0;
}

/** All but those stopped or terminated do. */
export const holdsMemory = (instance: InstanceRecord) =>
  !["stopped", "terminated"].includes(instanceState(instance));
