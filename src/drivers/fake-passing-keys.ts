import { PASSING, type PassingKeys } from "./passing-keys.ts";

/** For fake disks, which hold no bytes: there is nothing to open. */
export function createFakePassingKeys(): PassingKeys {
  const known = new Set<string>();
  return {
    key(diskId) {
      known.add(diskId);
      return `${PASSING}${diskId}`;
    },
    has: (diskId) => known.has(diskId),
    forget: (diskId) => void known.delete(diskId),
    openBeside: (others) => (key) => (key.startsWith(PASSING) ? "" : others(key)),
  };
}
