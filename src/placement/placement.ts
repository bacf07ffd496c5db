/** What a host has to give, and what instances of one type ask of it. */
export interface Room {
  readonly hostId: string;
  readonly zones: readonly string[];
  readonly architectures: readonly string[];
  /** All that it can promise, and what of that it has not promised yet. */
  readonly memoryMiB: number;
  readonly freeMiB: number;
}
export interface Need {
  readonly zone: string;
  readonly architecture: string;
  /** Of each; a host that has less in all gives an instance all it has. */
  readonly memoryMiB: number;
  readonly count: number;
}

/**
 * The host for them all: one that gives them what they ask, before one that gives less; of these the one with the most free
 * memory. Or why there is none. Processors may be promised more than once; memory may not.
 */
export function place(rooms: readonly Room[], need: Need): { hostId: string } | { why: string } {
  const near = rooms.filter(
    (room) => room.zones.includes(need.zone) && room.architectures.includes(need.architecture),
  );
  const given = (room: Room) => Math.min(need.memoryMiB, room.memoryMiB);
  const byWorth = near.toSorted((a, b) => given(b) - given(a) || b.freeMiB - a.freeMiB);
  const best = byWorth.find((room) => room.freeMiB >= given(room) * need.count);
  if (best) return { hostId: best.hostId };
  const [nearest] = byWorth;
  if (!nearest) return { why: `No ${need.architecture} host serves the zone.` };
  const asked = given(nearest) * need.count;
  return { why: `${asked} MiB of memory are asked for, ${Math.max(0, nearest.freeMiB)} MiB are free.` };
}
