import type { Reconciler } from "#reconcile/outcome.ts";
import { reconcileImage, type ImageHost } from "./image/image-reconciler.ts";
import { reconcileInstance, type InstanceHost } from "./instance/instance-reconciler.ts";
import { reconcileScreenshot } from "./instance/screenshot-reconciler.ts";
import { reconcileLaunchTemplateVersion } from "./launch-template/launch-template-reconciler.ts";
import type { NetworkInterfaceRecord, PublicAddressRecord } from "./network-interface/network-interface.ts";
import { parseKey } from "./records.ts";
import type { RegionalRecords } from "./regional-records.ts";
import { reconcileVolume, type VolumeHost } from "./volume/volume-reconciler.ts";
import type { VolumeRecord } from "./volume/volume.ts";
import { reconcileVpc, type VpcHost } from "./vpc/vpc-reconciler.ts";

/** The reconcilers of one host's EC2 records, in every region, and which of them to look at again when another changes. */
export function hostReconcilers(
  regions: RegionalRecords,
  host: ImageHost & InstanceHost & VolumeHost & VpcHost,
): Reconciler[] {
  const at = (key: string) => {
    const { kind, scope, id } = parseKey(key);
    return { kind, scope, id, records: regions.in(scope) };
  };
  return [
    {
      kind: "volume",
      step(key) {
        const { id, records } = at(key);
        return reconcileVolume(id, records, host);
      },
      affected(key) {
        const { kind, id, records } = at(key);
        return kind === "instance" ? records.volumesOf(id).map((it) => records.key("volume", it.id)) : [];
      },
    },
    {
      kind: "image",
      step(key) {
        const { id, records } = at(key);
        return reconcileImage(id, records, host);
      },
      affected(key, now, before) {
        const { kind, records } = at(key);
        const image = kind === "volume" && now === undefined ? (before as VolumeRecord).image : undefined;
        return image ? [records.key("image", image.imageId)] : [];
      },
    },
    {
      kind: "vpc",
      step(key) {
        const { id, scope, records } = at(key);
        return reconcileVpc(id, scope, records, host);
      },
      affected(key, now, before) {
        const { kind, id, records } = at(key);
        switch (kind) {
          case "internet-gateway":
          case "network-acl":
          case "network-interface":
          case "route-table":
          case "security-group":
          case "subnet":
            return vpcsOf(now, before).map((vpcId) => records.key("vpc", vpcId));
          case "public-address": {
            const { interfaceId } = (now ?? before) as PublicAddressRecord;
            const nic = regions.find("network-interface", interfaceId)?.records;
            const vpcId = nic?.get("network-interface", interfaceId)?.vpcId;
            return nic && vpcId !== undefined ? [nic.key("vpc", vpcId)] : [];
          }
          case "instance":
            return records.interfacesOf(id).map(({ vpcId }) => records.key("vpc", vpcId));
          default:
            return [];
        }
      },
    },
    {
      kind: "instance",
      step(key) {
        const { id, records } = at(key);
        return reconcileInstance(id, records, host);
      },
      affected(key, now, before) {
        const { kind, records } = at(key);
        if (kind !== "volume" && kind !== "network-interface") return [];
        const attached = ([now, before] as (VolumeRecord | NetworkInterfaceRecord | undefined)[]).find(
          (it) => it?.attachment,
        );
        return attached?.attachment ? [records.key("instance", attached.attachment.instanceId)] : [];
      },
    },
    {
      kind: "screenshot",
      async step(key) {
        const { id, records } = at(key);
        return reconcileScreenshot(id, records, host);
      },
    },
    {
      kind: "launch-template-version",
      async step(key) {
        const { id, records } = at(key);
        return reconcileLaunchTemplateVersion(id, records);
      },
      affected(key, now) {
        const { kind, id, records } = at(key);
        if (kind !== "launch-template" || now !== undefined) return [];
        return records.versionsOf(id).map((it) => records.key("launch-template-version", it.id));
      },
    },
  ];
}

/** The VPC that a record is of, and the one it was of before. */
const vpcsOf = (...records: readonly unknown[]): string[] => [
  ...new Set((records as ({ vpcId?: string } | undefined)[]).flatMap((it) => it?.vpcId ?? [])),
];
