import type { Reconciler } from "#reconcile/outcome.ts";
import { reconcileInstance, type InstanceHost } from "./instance/instance-reconciler.ts";
import type { NetworkInterfaceRecord, PublicAddressRecord } from "./network-interface/network-interface.ts";
import { parseKey, type Ec2Records, type Scope } from "./records.ts";
import { reconcileVolume, type VolumeHost } from "./volume/volume-reconciler.ts";
import type { VolumeRecord } from "./volume/volume.ts";
import { reconcileVpc, type VpcHost } from "./vpc/vpc-reconciler.ts";

/** The reconcilers of one host's EC2 records, and which of them to look at again when another record changes. */
export function hostReconcilers(
  records: Ec2Records,
  scope: Scope,
  host: InstanceHost & VolumeHost & VpcHost,
): Reconciler[] {
  const vpc = (id: string | undefined) => (id === undefined ? [] : [records.key("vpc", id)]);
  const instance = (id: string | undefined) => (id === undefined ? [] : [records.key("instance", id)]);
  return [
    {
      kind: "volume",
      step: (key) => reconcileVolume(parseKey(key).id, records, host),
      affected(key) {
        const { kind, id } = parseKey(key);
        return kind === "instance" ? records.volumesOf(id).map((it) => records.key("volume", it.id)) : [];
      },
    },
    {
      kind: "vpc",
      step: (key) => reconcileVpc(parseKey(key).id, scope, records, host),
      affected(key, now, before) {
        const { kind, id } = parseKey(key);
        switch (kind) {
          case "network-interface":
          case "security-group":
          case "subnet":
            return vpc(((now ?? before) as { vpcId: string }).vpcId);
          case "public-address": {
            const { interfaceId } = (now ?? before) as PublicAddressRecord;
            return vpc(records.get("network-interface", interfaceId)?.vpcId);
          }
          case "instance":
            return records.interfacesOf(id).flatMap(({ vpcId }) => vpc(vpcId));
          default:
            return [];
        }
      },
    },
    {
      kind: "instance",
      step: (key) => reconcileInstance(parseKey(key).id, records, host),
      affected(key, now, before) {
        const { kind } = parseKey(key);
        if (kind !== "volume" && kind !== "network-interface") return [];
        const { attachment } = (now ?? before) as VolumeRecord | NetworkInterfaceRecord;
        return instance(attachment?.instanceId);
      },
    },
  ];
}
