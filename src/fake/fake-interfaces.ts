import { moved, type Reconciler, settled } from "#reconcile/outcome.ts";
import { parseKey } from "#services/ec2/records.ts";
import type { RegionalRecords } from "#services/ec2/regional-records.ts";
import { interfaceIsReleased } from "#services/ec2/vpc/vpc-network.ts";
import { interfaceKeys } from "#services/ec2/vpc/vpc-reconciler.ts";

/**
 * Stands in for the reconciler of VPCs: with no kernel to tell what a VPC holds, an interface is ready as soon as it is wanted and
 * goes with its instance, each by itself.
 */
export const fakeInterfaces = (regions: RegionalRecords): Reconciler => ({
  kind: "network-interface",
  async step(key) {
    const { id, scope } = parseKey(key);
    const records = regions.in(scope);
    const entry = records.entry("network-interface", id);
    if (!entry) return settled;
    const expect = [{ at: [key, entry.revision] as const }];
    if (interfaceIsReleased(entry.value, records))
      return moved({ expect, delete: interfaceKeys(entry.value, records) });
    if (entry.value.so.ready) return settled;
    return moved({ expect, put: [{ key, value: { ...entry.value, so: { ready: true } } }] });
  },
  affected(key) {
    const { kind, id, scope } = parseKey(key);
    if (kind !== "instance") return [];
    const records = regions.in(scope);
    return records.interfacesOf(id).map((it) => records.key("network-interface", it.id));
  },
});
