/** What a host has to give, and what an instance asks of it. */
export interface Room {
  readonly hostId: string;
  readonly zones: readonly string[];
  readonly architecture: string;
  readonly freeMiB: number;
}
export interface Need {
  readonly zone: string;
  readonly architecture: string;
  readonly memoryMiB: number;
}

/** The host with the most free memory that fits, or why none does. Processors may be promised more than once; memory may not. */
export function place(rooms: readonly Room[], need: Need): { hostId: string } | { why: string } {
  const near = rooms.filter(
    (room) => room.zones.includes(need.zone) && room.architecture === need.architecture,
  );
  const best = near.toSorted((a, b) => b.freeMiB - a.freeMiB)[0];
  if (!best) return { why: `No ${need.architecture} host serves the zone.` };
  if (best.freeMiB < need.memoryMiB)
    return {
      why: `${need.memoryMiB} MiB of memory are asked for, ${Math.max(0, best.freeMiB)} MiB are free.`,
    };
  return { hostId: best.hostId };
}
