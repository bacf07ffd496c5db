import { rootCaller } from "#api/caller.ts";
import type { Reconciler } from "#reconcile/outcome.ts";
import type { Ec2Context } from "./context.ts";
import { reconcilePolicy } from "../dlm/policy-reconciler.ts";
import { reconcileExportTask, type ExportHost } from "./export-task/export-task-reconciler.ts";
import { reconcileImage, type ImageHost } from "./image/image-reconciler.ts";
import { reconcileImportTask, type ImportHost } from "./import-task/import-task-reconciler.ts";
import { isGone, type InstanceRecord } from "./instance/instance.ts";
import { reconcileInstance, type InstanceHost } from "./instance/instance-reconciler.ts";
import { reconcileScreenshot } from "./instance/screenshot-reconciler.ts";
import { reconcileLaunchTemplateVersion } from "./launch-template/launch-template-reconciler.ts";
import { reconcileNatGateway } from "./nat-gateway/nat-gateway-reconciler.ts";
import type { RoleRecord } from "../iam/records.ts";
import type { kmsContexts } from "../kms/context.ts";
import type { NetworkInterfaceRecord } from "./network-interface/network-interface.ts";
import type { PublicAddressRecord } from "./network-interface/public-address.ts";
import { parseKey } from "./records.ts";
import type { RegionalRecords } from "./regional-records.ts";
import { reconcileRestoreTask } from "./restore-task/restore-task-reconciler.ts";
import { reconcileRootReplacement } from "./root-replacement/root-replacement-reconciler.ts";
import type { RootReplacementRecord } from "./root-replacement/root-replacement.ts";
import type { SecurityGroupRecord } from "./security-group/security-group.ts";
import { reconcileSnapshot, type SnapshotHost } from "./snapshot/snapshot-reconciler.ts";
import { basisOf, isPending, volumeOf, type SnapshotRecord } from "./snapshot/snapshot.ts";
import { reconcileVolume, type VolumeHost } from "./volume/volume-reconciler.ts";
import type { VolumeRecord } from "./volume/volume.ts";
import { reconcilePeering } from "./vpc-peering/vpc-peering-reconciler.ts";
import { vpcsOfPeering, vpcsToldNames, type VpcPeeringRecord } from "./vpc-peering/vpc-peering.ts";
import { reconcileVpc, type VpcHost } from "./vpc/vpc-reconciler.ts";

/** The reconcilers of one host's EC2 records, in every region, and which of them to look at again when another changes. */
export function hostReconcilers(
  regions: RegionalRecords,
  host: ExportHost &
    ImageHost &
    ImportHost &
    InstanceHost &
    SnapshotHost &
    VolumeHost &
    VpcHost &
    LifecycleHost,
): Reconciler[] {
  const at = (key: string) => {
    const { scope, id } = parseKey(key);
    return { scope, id, records: regions.in(scope) };
  };
  /** The VPC that a record is of, and the one it was of before. */
  const vpcsOf = (key: string, ...records: readonly unknown[]): string[] => {
    const ids = records.flatMap((it) => (it as { vpcId?: string } | undefined)?.vpcId ?? []);
    return [...new Set(ids)].map((vpcId) => at(key).records.key("vpc", vpcId));
  };
  const vpcsOfInstance = (key: string): string[] => {
    const { id, records } = at(key);
    return records.interfacesOf(id).map(({ vpcId }) => records.key("vpc", vpcId));
  };
  /** The VPCs that see an interface from afar: by rules that name its groups, or by its public names. */
  const vpcsSeeing = (key: string, ...interfaces: readonly (NetworkInterfaceRecord | undefined)[]) => {
    const { records } = at(key);
    const naming = interfaces.flatMap((it) => it?.groupIds.flatMap((id) => records.groupsNaming(id)) ?? []);
    const told = interfaces.flatMap((it) => (it ? vpcsToldNames(it.vpcId, records) : []));
    const named = naming.flatMap(({ vpcId, associatedVpcs = [] }) => [vpcId, ...associatedVpcs]);
    return [...named, ...told].map((id) => records.key("vpc", id));
  };
  /** The interfaces of the instances that these are attached to. */
  const interfacesBeside = (key: string, attached: readonly (Attachable | undefined)[]) => {
    const instances = new Set(attached.flatMap(instancesWith));
    return [...instances].flatMap((id) => at(key).records.interfacesOf(id));
  };
  /** Also those of its instance's other interfaces, whose metadata tells of it. */
  const vpcsOfNeighbours: Affected = (key, ...records) => {
    const interfaces = records as readonly (NetworkInterfaceRecord | undefined)[];
    const theirs = interfacesBeside(key, interfaces);
    return [...new Set([...vpcsOf(key, ...records, ...theirs), ...vpcsSeeing(key, ...interfaces)])];
  };
  const peersOf = (key: string, ...peerings: readonly unknown[]): string[] => {
    const ids = peerings.flatMap((it) => (it ? vpcsOfPeering(it as VpcPeeringRecord) : []));
    return [...new Set(ids)].map((vpcId) => at(key).records.key("vpc", vpcId));
  };
  /** The image that a volume or snapshot was made of. */
  const imageOfGone: Affected = (_, now, before) => {
    const { image } = now === undefined ? (before as VolumeRecord | SnapshotRecord) : {};
    return image ? regions.keysOf("image", image.imageId) : [];
  };
  /** One that is attached and not ready yet has nothing to tell its instance. */
  const instanceOf: Affected = (key, now, before) => {
    const [attached, was] = [now, before] as readonly (Attachable | undefined)[];
    const instances = instancesWith(attached);
    if (instances.length > 0 && !attached?.so.ready) return [];
    const all = new Set([...instances, ...instancesWith(was)]);
    return [...all].map((id) => at(key).records.key("instance", id));
  };
  return [
    {
      kind: "volume",
      step(key) {
        const { id, records } = at(key);
        return reconcileVolume(id, records, host);
      },
      affected: {
        instance(key, now) {
          if (!isGone(now as InstanceRecord | undefined)) return [];
          const { id, records } = at(key);
          return records.volumesOf(id).map((it) => records.key("volume", it.id));
        },
        /** One that is deleted waits for its snapshots. */
        snapshot(key, now, before) {
          const volumeId = volumeOf((now ?? before) as SnapshotRecord);
          return volumeId === undefined ? [] : [at(key).records.key("volume", volumeId)];
        },
      },
    },
    {
      kind: "snapshot",
      step(key) {
        const { id, records } = at(key);
        return reconcileSnapshot(id, records, host);
      },
      affected: {
        /** Later ones of the volume wait for it, and what it is a copy of stays until it is made. */
        snapshot(key, now, before) {
          const { records } = at(key);
          const snapshot = (now ?? before) as SnapshotRecord;
          const volumeId = volumeOf(snapshot);
          const later = volumeId === undefined ? [] : records.snapshotsOf(volumeId).filter(isPending);
          const basis = basisOf(snapshot);
          const waiting = basis === undefined ? [] : regions.keysOf("snapshot", basis);
          return [...new Set([...later.map((it) => records.key("snapshot", it.together)), ...waiting])];
        },
        /** It stays until what is made of it has its bytes. */
        volume(_, now, before) {
          const { snapshotId } = (now ?? before) as VolumeRecord;
          return snapshotId === undefined ? [] : regions.keysOf("snapshot", snapshotId);
        },
      },
    },
    {
      kind: "image",
      step(key) {
        const { id, records } = at(key);
        return reconcileImage(id, records, host);
      },
      affected: {
        volume: imageOfGone,
        snapshot: imageOfGone,
      },
    },
    {
      kind: "import-task",
      step(key) {
        const { id, scope, records } = at(key);
        return reconcileImportTask(id, scope, records, host);
      },
    },
    {
      kind: "export-task",
      step(key) {
        const { id, records } = at(key);
        return reconcileExportTask(id, records, host);
      },
    },
    {
      kind: "restore-task",
      step(key) {
        const { id, scope, records } = at(key);
        return reconcileRestoreTask(id, scope, records, { ...host, newId: host.lifecycle.newId });
      },
    },
    {
      kind: "vpc",
      step(key) {
        const { id, scope, records } = at(key);
        return reconcileVpc(id, scope, records, host);
      },
      affected: {
        "internet-gateway": vpcsOf,
        "nat-gateway": vpcsOf,
        "network-acl": vpcsOf,
        "network-interface": vpcsOfNeighbours,
        "route-table": vpcsOf,
        /** Also the further VPCs it is, or was, associated with. */
        "security-group"(key, ...versions) {
          const groups = versions as (SecurityGroupRecord | undefined)[];
          const further = groups.flatMap((it) => it?.associatedVpcs ?? []).map((vpcId) => ({ vpcId }));
          return vpcsOf(key, ...groups, ...further);
        },
        subnet: vpcsOf,
        /** A peer's ranges are part of a VPC's network. */
        vpc(key) {
          const { id, records } = at(key);
          return peersOf(key, ...records.peeringsOf(id));
        },
        "vpc-peering-connection": peersOf,
        /** Its instance's metadata tells of it. */
        volume(key, now, before) {
          return vpcsOf(key, ...interfacesBeside(key, [now, before] as (VolumeRecord | undefined)[]));
        },
        "public-address"(_, now, before) {
          return ([now, before] as (PublicAddressRecord | undefined)[]).flatMap((it) => {
            const { records } = regions.find("network-interface", it?.interfaceId ?? "") ?? {};
            const vpcId = records?.get("network-interface", it?.interfaceId ?? "")?.vpcId;
            if (!records || vpcId === undefined) return [];
            return [vpcId, ...vpcsToldNames(vpcId, records)].map((id) => records.key("vpc", id));
          });
        },
        instance: vpcsOfInstance,
        /** Their instances' metadata tells of them. */
        "iam-instance-profile": (key) => regions.instancesWith(parseKey(key).id).flatMap(vpcsOfInstance),
        "iam-role"(key, now, before) {
          const [role, was] = [now, before] as (RoleRecord | undefined)[];
          if (role?.trust === was?.trust) return [];
          return regions.instancesWith(parseKey(key).id).flatMap(vpcsOfInstance);
        },
        "prefix-list"(key) {
          const { id, records } = at(key);
          const naming = records
            .dependentsOf(id)
            .map((it) => records.get("security-group", it) ?? records.get("route-table", it));
          return [...new Set(naming.flatMap((it) => it?.vpcId ?? []))].map((vpcId) =>
            records.key("vpc", vpcId),
          );
        },
      },
    },
    {
      kind: "vpc-peering-connection",
      async step(key) {
        const { id, records } = at(key);
        return reconcilePeering(id, records, host.now());
      },
      affected: {
        vpc(key, now) {
          if (now !== undefined) return [];
          const { id, records } = at(key);
          return records.peeringsOf(id).map((it) => records.key("vpc-peering-connection", it.id));
        },
      },
    },
    {
      kind: "instance",
      step(key) {
        const { id, records } = at(key);
        return reconcileInstance(id, records, host);
      },
      affected: {
        volume: instanceOf,
        "network-interface": instanceOf,
        "replace-root-volume-task"(key, now) {
          const task = now as RootReplacementRecord | undefined;
          return task ? [at(key).records.key("instance", task.instanceId)] : [];
        },
      },
    },
    {
      kind: "replace-root-volume-task",
      async step(key) {
        const { id, records } = at(key);
        return reconcileRootReplacement(id, records, host);
      },
      affected: {
        instance(key) {
          const { id, records } = at(key);
          return records.rootReplacementsOf(id).map((it) => records.key("replace-root-volume-task", it.id));
        },
        /** The replacement. */
        volume(key) {
          const { id, records } = at(key);
          return records.rootReplacementsBy(id).map((it) => records.key("replace-root-volume-task", it.id));
        },
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
      kind: "nat-gateway",
      async step(key) {
        const { id, records } = at(key);
        return reconcileNatGateway(id, records, host);
      },
      affected: {
        "network-interface"(key, now, before) {
          const { natGatewayId: id } = (now ?? before) as NetworkInterfaceRecord;
          return id === undefined ? [] : [at(key).records.key("nat-gateway", id)];
        },
      },
    },
    {
      kind: "dlm-policy",
      async step(key) {
        const { id, scope, records } = at(key);
        const { kms, ...lifecycle } = host.lifecycle;
        const caller = rootCaller(scope.accountId, "");
        return reconcilePolicy(id, {
          ...lifecycle,
          ...scope,
          records,
          ...(kms && { kms: kms(scope.region, caller) }),
        });
      },
    },
    {
      kind: "launch-template-version",
      async step(key) {
        const { id, records } = at(key);
        return reconcileLaunchTemplateVersion(id, records);
      },
      affected: {
        "launch-template"(key, now) {
          if (now !== undefined) return [];
          const { id, records } = at(key);
          return records.versionsOf(id).map((it) => records.key("launch-template-version", it.id));
        },
      },
    },
  ];
}

type Affected = NonNullable<Reconciler["affected"]>[string];
type Attachable = VolumeRecord | NetworkInterfaceRecord;

function instancesWith(attached: Attachable | undefined): string[] {
  if (!attached) return [];
  const all = "attachments" in attached ? attached.attachments : [attached.attachment];
  return all.flatMap((it) => it?.instanceId ?? []);
}

/** What Data Lifecycle Manager's policies are served with. */
export interface LifecycleHost {
  readonly lifecycle: Pick<Ec2Context, "newId" | "random" | "now" | "homeRegion" | "publicPool"> & {
    /** Absent: nothing is encrypted by them. */
    readonly kms?: ReturnType<typeof kmsContexts>;
  };
}
