import { moved, type Reconciler, settled } from "#reconcile/outcome.ts";
import { isGone, type InstanceRecord } from "#services/ec2/instance/instance.ts";
import type { NatGatewayRecord } from "#services/ec2/nat-gateway/nat-gateway.ts";
import { isInUse } from "#services/ec2/network-interface/network-interface.ts";
import { parseKey } from "#services/ec2/records.ts";
import type { RegionalRecords } from "#services/ec2/regional-records.ts";
import { isCarried } from "#services/ec2/vpc/vpc-network.ts";
import { releaseInterface } from "#services/ec2/vpc/vpc-reconciler.ts";

/**
 * Stands in for the reconciler of VPCs: with no kernel to tell what a VPC holds, an interface is ready as soon as it is wanted and
 * released with its instance or NAT gateway, each by itself.
 */
export const fakeInterfaces = (regions: RegionalRecords): Reconciler => ({
  kind: "network-interface",
  async step(key) {
    const { id, scope } = parseKey(key);
    const records = regions.in(scope);
    const entry = records.entry("network-interface", id);
    if (!entry || !isInUse(entry.value)) return settled;
    const expect = [{ at: [key, entry.revision] as const }];
    if (!isCarried(entry.value, records)) {
      const release = releaseInterface(entry.value, records);
      return moved({ ...release, expect: [...expect, ...release.expect] });
    }
    if (entry.value.so.ready) return settled;
    return moved({ expect, put: [{ key, value: { ...entry.value, so: { ready: true } } }] });
  },
  affected: {
    "nat-gateway"(key, now) {
      const interfaceId = (now as NatGatewayRecord | undefined)?.interfaceId;
      return interfaceId === undefined
        ? []
        : [regions.in(parseKey(key).scope).key("network-interface", interfaceId)];
    },
    instance(key, now) {
      if (!isGone(now as InstanceRecord | undefined)) return [];
      const { id, scope } = parseKey(key);
      const records = regions.in(scope);
      return records.interfacesOf(id).map((it) => records.key("network-interface", it.id));
    },
  },
});
