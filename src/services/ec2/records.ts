import type { ApiError } from "#api/error.ts";
import type { Feed } from "#store/feed.ts";
import { transactionLimits, type Entry, type Expectation, type Transaction } from "#store/store.ts";
import type { DlmPolicyRecord } from "../dlm/policy.ts";
import { hostLease, type HostRecord } from "../host/host.ts";
import { IamRecords } from "../iam/records.ts";
import type { RbinRuleRecord } from "../rbin/rule.ts";
import type { DhcpOptionsRecord } from "./dhcp-options/dhcp-options.ts";
import type { ElasticIpRecord } from "./elastic-ip/elastic-ip.ts";
import type { ExportTaskRecord } from "./export-task/export-task.ts";
import type { ImageSettingsRecord } from "./image/image-settings.ts";
import type { EbsSettingsRecord } from "./volume/ebs-settings.ts";
import type { ImageRecord } from "./image/image.ts";
import type { ImportTaskRecord } from "./import-task/import-task.ts";
import type { ConsoleRecord, CreditRecord, InstanceRecord, ScreenshotRecord } from "./instance/instance.ts";
import { promisedMemory } from "./instance/promised-memory.ts";
import type { InternetGatewayRecord } from "./internet-gateway/internet-gateway.ts";
import type { KeyPairRecord } from "./key-pair/key-pair.ts";
import type { LaunchTemplateRecord, LaunchTemplateVersionRecord } from "./launch-template/launch-template.ts";
import type { NatGatewayRecord } from "./nat-gateway/nat-gateway.ts";
import type { NetworkAclRecord } from "./network-acl/network-acl.ts";
import type { NetworkInterfaceRecord } from "./network-interface/network-interface.ts";
import type { PublicAddressRecord } from "./network-interface/public-address.ts";
import type { PlacementGroupRecord } from "./placement-group/placement-group.ts";
import type { PrefixListRecord, PrefixListVersionRecord } from "./prefix-list/prefix-list.ts";
import type { RootReplacementRecord } from "./root-replacement/root-replacement.ts";
import type { RestoreTaskRecord } from "./restore-task/restore-task.ts";
import { placeOf, type RouteTableRecord } from "./route-table/route-table.ts";
import type { SecurityGroupRecord } from "./security-group/security-group.ts";
import type { CidrReservationRecord } from "./subnet/cidr-reservation.ts";
import { basisOf, everybody, volumeOf, type SnapshotRecord } from "./snapshot/snapshot.ts";
import type { SubnetRecord } from "./subnet/subnet.ts";
import type { VolumeRecord } from "./volume/volume.ts";
import { vpcsOfPeering, type VpcPeeringRecord } from "./vpc-peering/vpc-peering.ts";
import type { VpcEndpointRecord } from "./vpc-endpoint/vpc-endpoint.ts";
import type { VpcRecord } from "./vpc/vpc.ts";

/** What every record of an AWS resource has. */
export interface ResourceRecord {
  readonly id: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly createdAt: string; // ISO 8601, UTC
}

/** The kinds of record that EC2 keeps, each under `kind/account/region/id`; those shared by all without account and region. */
export interface Kinds {
  readonly "dhcp-options": DhcpOptionsRecord;
  readonly "dlm-policy": DlmPolicyRecord;
  readonly "elastic-ip": ElasticIpRecord;
  readonly "export-task": ExportTaskRecord;
  readonly host: HostRecord;
  readonly image: ImageRecord;
  readonly "ebs-settings": EbsSettingsRecord;
  readonly "image-settings": ImageSettingsRecord;
  readonly "import-task": ImportTaskRecord;
  readonly instance: InstanceRecord;
  readonly console: ConsoleRecord;
  readonly credits: CreditRecord;
  readonly "internet-gateway": InternetGatewayRecord;
  readonly "key-pair": KeyPairRecord;
  readonly "launch-template": LaunchTemplateRecord;
  readonly "launch-template-version": LaunchTemplateVersionRecord;
  readonly "nat-gateway": NatGatewayRecord;
  readonly "network-acl": NetworkAclRecord;
  readonly "network-interface": NetworkInterfaceRecord;
  readonly "placement-group": PlacementGroupRecord;
  readonly "prefix-list": PrefixListRecord;
  readonly "prefix-list-version": PrefixListVersionRecord;
  readonly "public-address": PublicAddressRecord;
  readonly "rbin-rule": RbinRuleRecord;
  readonly "replace-root-volume-task": RootReplacementRecord;
  readonly "restore-task": RestoreTaskRecord;
  readonly "route-table": RouteTableRecord;
  readonly screenshot: ScreenshotRecord;
  readonly "security-group": SecurityGroupRecord;
  readonly snapshot: SnapshotRecord;
  readonly subnet: SubnetRecord;
  readonly "subnet-cidr-reservation": CidrReservationRecord;
  readonly volume: VolumeRecord;
  readonly vpc: VpcRecord;
  readonly "vpc-endpoint": VpcEndpointRecord;
  readonly "vpc-peering-connection": VpcPeeringRecord;
}
export type Kind = keyof Kinds;

/** The account and region that records belong to. */
export interface Scope {
  readonly accountId: string;
  readonly region: string;
}

/** One machine serves every region, and an address it routes is in use in one of them only. */
const everywhere: Scope = { accountId: "*", region: "*" };
const sharedKinds: ReadonlySet<string> = new Set(["host", "public-address"] satisfies Kind[]);

export function recordKey(kind: Kind | "claim" | "member", scope: Scope, id: string): string {
  const { accountId, region } = sharedKinds.has(kind) ? everywhere : scope;
  return `${kind}/${accountId}/${region}/${id}`;
}

/** `kind/account/region/id`, where the id may hold further slashes. */
export function parseKey(key: string): { kind: string; scope: Scope; id: string } {
  const [kind = "", accountId = "", region = ""] = key.split("/", 3);
  const id = key.slice(kind.length + accountId.length + region.length + 3);
  return { kind, scope: { accountId, region }, id };
}

/** Typed reads of one account and region from the feed, and of what all of them share. */
export class Ec2Records {
  /** Of the same account. */
  readonly iam: IamRecords;
  readonly #feed: Feed;
  readonly #scope: Scope;
  readonly #indexes: Ec2Indexes;
  /** How its keys go on after their kind. */
  readonly #place: string;

  constructor(feed: Feed, scope: Scope, indexes: Ec2Indexes) {
    this.iam = new IamRecords(feed, scope.accountId);
    this.#feed = feed;
    this.#scope = scope;
    this.#indexes = indexes;
    this.#place = `/${scope.accountId}/${scope.region}/`;
  }

  get accountId(): string {
    return this.#scope.accountId;
  }
  get region(): string {
    return this.#scope.region;
  }
  /** The same account's. */
  inRegion(region: string): Ec2Records {
    return new Ec2Records(this.#feed, { ...this.#scope, region }, this.#indexes);
  }
  key(kind: Kind | "claim" | "member", id: string): string {
    return recordKey(kind, this.#scope, id);
  }
  entry<K extends Kind>(kind: K, id: string): Entry<Kinds[K]> | undefined {
    return this.#feed.get<Kinds[K]>(this.key(kind, id));
  }
  get<K extends Kind>(kind: K, id: string): Kinds[K] | undefined {
    return this.entry(kind, id)?.value;
  }
  all<K extends Kind>(kind: K): Kinds[K][] {
    return this.#feed.list<Kinds[K]>(this.key(kind, "")).map(({ value }) => value);
  }
  /** Of whichever account: for what something of this account was made of, or of something that is shared with it. */
  whosever<K extends SharedKind>(kind: K, id: string): Entry<Kinds[K]> | undefined {
    const own = this.entry(kind, id);
    return own ?? (this.#indexes.byId[kind](id) as Entry<Kinds[K]>[]).find((it) => this.#isInRegion(it));
  }
  /** As a copy, which may be of another region's, needs it. */
  anywhere<K extends SharedKind>(kind: K, id: string): Kinds[K] | undefined {
    return (this.whosever(kind, id) ?? (this.#indexes.byId[kind](id) as Entry<Kinds[K]>[])[0])?.value;
  }
  /** Those that other accounts share with this one, or with everybody. */
  shared<K extends SharedKind>(kind: K): { readonly ownerId: string; readonly value: Kinds[K] }[] {
    const sharedWith = this.#indexes.sharedWith[kind];
    const found = [...sharedWith(this.#scope.accountId), ...sharedWith(everybody)] as Entry<Kinds[K]>[];
    return [...new Set(found)]
      .filter((it) => this.#isInRegion(it) && !this.#isOwn(it))
      .map(({ key, value }) => ({ ownerId: parseKey(key).scope.accountId, value }));
  }
  /** Those of the ids that are there, or all when none is named; in key order. Named ones cost what they are. */
  named<K extends Kind>(kind: K, ids: readonly string[] | undefined): Kinds[K][] {
    if (!ids?.length) return this.all(kind);
    return [...new Set(ids)].toSorted().flatMap((id) => this.get(kind, id) ?? []);
  }
  /** Which of two looks at these kinds came later; the same while nothing of them has changed in between. */
  changedAt(kinds: readonly Kind[]): number {
    return Math.max(...kinds.map((kind) => this.#feed.changedAt(kind)));
  }
  /** A transaction that writes `record` in place of what was read; another that came first wins. */
  rewrite<K extends Kind>(kind: K, record: Kinds[K]): Required<Pick<Transaction, "expect" | "put">> {
    const key = this.key(kind, record.id);
    return {
      expect: [{ at: [key, this.entry(kind, record.id)?.revision ?? 0] }],
      put: [{ key, value: record }],
    };
  }
  /** Holds at a commit while those that are there of the ids are as they were read. */
  unchanged(kind: Kind, ids: readonly string[]): Expectation[] {
    return [...new Set(ids)].flatMap((id) => {
      const revision = this.entry(kind, id)?.revision;
      return revision === undefined ? [] : { at: [this.key(kind, id), revision] as const };
    });
  }
  /** Room for one more of the kind in its quota, also at the commit, whoever makes some meanwhile. */
  roomFor(kind: Kind, most: number, refusal: () => ApiError): Expectation {
    if (this.all(kind).length >= most) throw refusal();
    return this.fewer(kind, most);
  }
  /** Holds at a commit while there are fewer of the kind. */
  fewer(kind: Kind, than: number): Expectation {
    return { fewer: [this.key(kind, ""), than] };
  }
  /** Of those that go with `id`, their own ids beginning with `prefix`. */
  fewerOf(id: string, prefix: string, than: number): Expectation {
    return { fewer: [this.key("member", `${id}/${prefix}`), than] };
  }
  /** What a claim key holds: mostly the id of the record that won the name. */
  claimed(name: string): string | undefined {
    return this.claim<string>(name);
  }
  claim<Value>(name: string): Value | undefined {
    return this.#feed.get<Value>(this.key("claim", name))?.value;
  }

  /** Resolves at the next change of any record. */
  async changed(): Promise<void> {
    await this.#feed.reached(this.#feed.revision + 1);
  }
  /** The hosts that are there: something may be placed on them. */
  hosts(now: Date): HostRecord[] {
    return this.all("host").filter(({ id }) => hostLease.isHeld(this.#feed, id, now));
  }
  /**
   * Those of `ids` that are prefix lists are as they were read, with the size that rules and routes count them by: the first ones, as
   * many as leave a transaction room for as much else.
   */
  sameLists(ids: readonly string[]): Expectation[] {
    return this.unchanged("prefix-list", ids).slice(0, transactionLimits.entries / 2);
  }
  /** What must go before this does: each has a `member/ID/ITS-ID` of its own. */
  dependentsOf(id: string): string[] {
    const prefix = this.key("member", `${id}/`);
    return this.#feed.list(prefix).map(({ key }) => key.slice(prefix.length));
  }

  /** Oldest first. */
  versionsOf(templateId: string): LaunchTemplateVersionRecord[] {
    const prefix = this.key("launch-template-version", `${templateId}/`);
    return values(this.#feed.list<LaunchTemplateVersionRecord>(prefix)).toSorted(
      (a, b) => a.number - b.number,
    );
  }

  /** Of every account and region, in MiB. */
  promisedOn = (hostId: string) => this.#indexes.promisedOnHost(hostId);
  /** Of every account and region. */
  instancesOn = (hostId: string) => values(this.#indexes.instancesOfHost(hostId));
  interfacesOf = (instanceId: string) => this.#own(this.#indexes.interfacesOfInstance(instanceId));
  interfaceAttachedBy = (attachmentId: string) =>
    this.#own(this.#indexes.interfacesOfAttachment(attachmentId))[0];
  volumesOf = (instanceId: string) => this.#own(this.#indexes.volumesOfInstance(instanceId));
  rootReplacementsOf = (instanceId: string) =>
    this.#own(this.#indexes.rootReplacementsOfInstance(instanceId));
  rootReplacementsBy = (volumeId: string) => this.#own(this.#indexes.rootReplacementsByVolume(volumeId));
  /** Of every account and region, as the next three: what images and snapshots are needed for. */
  volumesMadeOf = (imageId: string) => values(this.#indexes.volumesOfImage(imageId));
  snapshotsMadeOf = (imageId: string) => values(this.#indexes.snapshotsOfImage(imageId));
  volumesFrom = (snapshotId: string) => values(this.#indexes.volumesOfSnapshot(snapshotId));
  /** Copies of it, and those that are written over it. */
  snapshotsOn = (snapshotId: string) => values(this.#indexes.snapshotsBasedOn(snapshotId));
  snapshotsOf = (volumeId: string) => this.#own(this.#indexes.snapshotsOfVolume(volumeId));
  /** With the first one's id. */
  snapshotsTogether = (id: string) => this.#indexes.snapshotsTogether(id);
  interfacesIn = (vpcId: string) => this.#own(this.#indexes.interfacesOfVpc(vpcId));
  cidrReservationsOf = (subnetId: string) => this.#own(this.#indexes.cidrReservationsOfSubnet(subnetId));
  subnetsIn = (vpcId: string) => this.#own(this.#indexes.subnetsOfVpc(vpcId));
  /** A rule lives in its group's record. */
  groupOfRule = (ruleId: string) => this.#indexes.groupsOfRule(ruleId).find((it) => this.#isOwn(it));
  routeTablesIn = (vpcId: string) => this.#own(this.#indexes.routeTablesOfVpc(vpcId));
  aclsIn = (vpcId: string) => this.#own(this.#indexes.aclsOfVpc(vpcId));
  /** Of a subnet or an internet gateway. */
  ownRouteTableOf = (placeId: string) => this.#own(this.#indexes.routeTablesOfPlace(placeId))[0];
  /** Its own, or its VPC's main one. */
  routeTableOf = ({ id, vpcId }: SubnetRecord) =>
    this.ownRouteTableOf(id) ??
    this.routeTablesIn(vpcId).find((it) => it.associations.some((association) => "main" in association));
  aclOf = (subnetId: string) => this.#own(this.#indexes.aclsOfSubnet(subnetId))[0];
  internetGatewayOf = (vpcId: string) => this.#own(this.#indexes.internetGatewaysOfVpc(vpcId))[0];
  peeringsOf = (vpcId: string) => this.#own(this.#indexes.peeringsOfVpc(vpcId));
  /** Of other VPCs, whose rules name this one as a peer's. */
  groupsNaming = (groupId: string) => this.#own(this.#indexes.groupsNamingPeers(groupId));
  groupsIn = (vpcId: string) => this.#own(this.#indexes.groupsOfVpc(vpcId));
  /** Those that interfaces of the VPC may be in: its own, and others' that are associated with it. */
  groupsUsableIn = (vpcId: string) => [
    ...this.groupsIn(vpcId),
    ...this.#own(this.#indexes.groupsAssociatedWithVpc(vpcId)),
  ];
  publicAddressesOf = (interfaceId: string) => values(this.#indexes.publicAddressesOf(interfaceId));
  /** Of the interface's primary address, or of a secondary one. */
  publicAddressOf = (interfaceId: string, secondary?: string) =>
    this.publicAddressesOf(interfaceId).find((it) => it.secondary === secondary);
  instanceAssociatedBy = (associationId: string) =>
    this.#own(this.#indexes.instancesOfProfileAssociation(associationId))[0];
  instancesOfReservation = (reservationId: string) =>
    this.#own(this.#indexes.instancesOfReservation(reservationId));

  /** The indexes are of all accounts and regions: whoever names an id of another finds nothing by it. */
  #own<Value>(entries: readonly Entry<Value>[]): Value[] {
    return entries.flatMap((it) => (this.#isOwn(it) ? [it.value] : []));
  }
  #isInRegion({ key }: { readonly key: string }): boolean {
    return parseKey(key).scope.region === this.#scope.region;
  }
  #isOwn({ key }: { readonly key: string }): boolean {
    return key.startsWith(this.#place, key.indexOf("/"));
  }
}

/** What one account may let others use. */
type SharedKind = "image" | "snapshot";

const values = <Value>(entries: readonly Entry<Value>[]) => entries.map(({ value }) => value);

/** Declared once per feed, for all accounts and regions. */
export const ec2Indexes = (feed: Feed) => ({
  /** Of provided images each account has one. */
  byId: {
    image: feed.index<ImageRecord>("image", ({ id }) => [id]),
    instance: feed.index<InstanceRecord>("instance", ({ id }) => [id]),
    "network-interface": feed.index<NetworkInterfaceRecord>("network-interface", ({ id }) => [id]),
    snapshot: feed.index<SnapshotRecord>("snapshot", ({ id }) => [id]),
    volume: feed.index<VolumeRecord>("volume", ({ id }) => [id]),
    vpc: feed.index<VpcRecord>("vpc", ({ id }) => [id]),
  },
  /** By account, or `everybody`. */
  sharedWith: {
    image: feed.index<ImageRecord>("image", ({ launchPermissions = [] }) =>
      launchPermissions.flatMap(({ UserId, Group }) => UserId ?? Group ?? []),
    ),
    snapshot: feed.index<SnapshotRecord>("snapshot", ({ sharedWith = [] }) => sharedWith),
  },
  promisedOnHost: promisedMemory(feed),
  instancesOfHost: feed.index<InstanceRecord>("instance", (it) => [it.hostId]),
  interfacesOfInstance: feed.index<NetworkInterfaceRecord>("network-interface", (it) =>
    it.attachment ? [it.attachment.instanceId] : [],
  ),
  interfacesOfAttachment: feed.index<NetworkInterfaceRecord>("network-interface", (it) =>
    it.attachment ? [it.attachment.id] : [],
  ),
  interfacesOfVpc: feed.index<NetworkInterfaceRecord>("network-interface", (it) => [it.vpcId]),
  volumesOfInstance: feed.index<VolumeRecord>("volume", (it) =>
    it.attachments.map(({ instanceId }) => instanceId),
  ),
  rootReplacementsOfInstance: feed.index<RootReplacementRecord>("replace-root-volume-task", (it) => [
    it.instanceId,
  ]),
  rootReplacementsByVolume: feed.index<RootReplacementRecord>("replace-root-volume-task", (it) => [
    it.to.volumeId,
  ]),
  volumesOfImage: feed.index<VolumeRecord>("volume", (it) => (it.image ? [it.image.imageId] : [])),
  volumesOfSnapshot: feed.index<VolumeRecord>("volume", (it) => (it.snapshotId ? [it.snapshotId] : [])),
  snapshotsOfImage: feed.index<SnapshotRecord>("snapshot", (it) => (it.image ? [it.image.imageId] : [])),
  snapshotsBasedOn: feed.index<SnapshotRecord>("snapshot", (it) => {
    const basis = basisOf(it);
    return basis === undefined ? [] : [basis];
  }),
  snapshotsOfVolume: feed.index<SnapshotRecord>("snapshot", (it) => {
    const volumeId = volumeOf(it);
    return volumeId === undefined ? [] : [volumeId];
  }),
  snapshotsTogether: feed.index<SnapshotRecord>("snapshot", (it) => [it.together]),
  cidrReservationsOfSubnet: feed.index<CidrReservationRecord>("subnet-cidr-reservation", (it) => [
    it.subnetId,
  ]),
  subnetsOfVpc: feed.index<SubnetRecord>("subnet", (it) => [it.vpcId]),
  routeTablesOfVpc: feed.index<RouteTableRecord>("route-table", (it) => [it.vpcId]),
  routeTablesOfPlace: feed.index<RouteTableRecord>("route-table", (it) =>
    it.associations.flatMap((association) => placeOf(association) ?? []),
  ),
  aclsOfVpc: feed.index<NetworkAclRecord>("network-acl", (it) => [it.vpcId]),
  aclsOfSubnet: feed.index<NetworkAclRecord>("network-acl", (it) =>
    it.associations.map(({ subnetId }) => subnetId),
  ),
  internetGatewaysOfVpc: feed.index<InternetGatewayRecord>("internet-gateway", (it) =>
    it.vpcId ? [it.vpcId] : [],
  ),
  peeringsOfVpc: feed.index<VpcPeeringRecord>("vpc-peering-connection", vpcsOfPeering),
  groupsOfVpc: feed.index<SecurityGroupRecord>("security-group", (it) => [it.vpcId]),
  groupsAssociatedWithVpc: feed.index<SecurityGroupRecord>("security-group", (it) => it.associatedVpcs ?? []),
  groupsOfRule: feed.index<SecurityGroupRecord>("security-group", (it) => it.rules.map(({ id }) => id)),
  groupsNamingPeers: feed.index<SecurityGroupRecord>("security-group", (it) => [
    ...new Set(it.rules.flatMap(({ peer }) => ("vpcId" in peer ? [peer.groupId] : []))),
  ]),
  publicAddressesOf: feed.index<PublicAddressRecord>("public-address", (it) =>
    it.interfaceId ? [it.interfaceId] : [],
  ),
  instancesOfProfileAssociation: feed.index<InstanceRecord>("instance", ({ profile }) =>
    profile ? [profile.id] : [],
  ),
  instancesOfReservation: feed.index<InstanceRecord>("instance", (it) => [it.reservationId]),
});
export type Ec2Indexes = ReturnType<typeof ec2Indexes>;
