import type { Metric } from "#api/exposition.ts";
import type { Clock } from "#clock.ts";
import type { Feed } from "#store/feed.ts";
import { creditBalance } from "../ec2/instance/credit-account.ts";
import {
  instanceState,
  stateCodes,
  type CreditRecord,
  type InstanceRecord,
} from "../ec2/instance/instance.ts";
import type { NatGatewayRecord } from "../ec2/nat-gateway/nat-gateway.ts";
import { parseKey } from "../ec2/records.ts";
import { burstBalance, hasBurst } from "../ec2/volume/burst-account.ts";
import { volumeLimits } from "../ec2/volume/volume-limits.ts";
import type { VolumeRecord } from "../ec2/volume/volume.ts";
import { hostLease, type HostRecord } from "./host.ts";
import { disksOf, type DiskKind } from "./region-activity.ts";

/** What is there and what is being worked on, in all regions, as the feed has it now. */
export function regionMetrics(version: string, feed: Feed, clock: Clock): Metric[] {
  const hosts = feed
    .list<HostRecord>("host/")
    .map(({ value }) => value)
    .filter(({ id }) => hostLease.isHeld(feed, id, clock.now()));
  const credits = feed.list<CreditRecord>("credits/").map(({ value }) => value);
  return [
    gauge("croft_info", "The version that runs.", [{ labels: { version }, value: 1 }]),
    {
      name: "croft_store_commits_total",
      type: "counter",
      help: "Transactions committed since the store was made.",
      samples: [{ value: feed.revision }],
    },
    gauge("croft_hosts", "Hosts that are there.", [{ value: hosts.length }]),
    gauge("croft_instances", "Instances by region and state.", instanceCounts(feed)),
    gauge(
      "croft_cpu_credit_balance",
      "CPU credits of burstable instances, recorded each five minutes.",
      credits.map(({ id, account }) => ({ labels: { instance: id }, value: creditBalance(account) })),
    ),
    gauge(
      "croft_cpu_surplus_credit_balance",
      "CPU credits that unlimited instances spent without having them.",
      credits.map(({ id, account }) => ({ labels: { instance: id }, value: account.surplus })),
    ),
    gauge(
      "croft_volume_burst_balance_percent",
      "Credits that attached volumes of types that earn them have left (BurstBalance), counted each minute.",
      burstBalances(feed, hosts),
    ),
    ...(["volume", "instance-store", "snapshot"] as const).flatMap((kind) => diskSizes(kind, feed, hosts)),
    {
      name: "croft_nat_gateway_error_port_allocation_total",
      type: "counter",
      help: "Packets that a NAT gateway had no port for (ErrorPortAllocation), since it last changed.",
      samples: portErrors(feed, hosts),
    },
    gauge(
      "croft_launches",
      "Instances whose guests are starting, and those that wait for their turn.",
      (["starting", "waiting"] as const).map((stage) => ({
        labels: { stage },
        value: hosts.reduce((sum, { launches }) => sum + launches[stage].length, 0),
      })),
    ),
  ];
}

const gauge = (name: string, help: string, samples: Metric["samples"]): Metric => ({
  name,
  type: "gauge",
  help,
  samples,
});

function diskSizes(kind: DiskKind, feed: Feed, hosts: readonly HostRecord[]): Metric[] {
  const word = kind.replace("-", "_");
  const disks = disksOf(feed, hosts, kind).map((it) => ({
    labels: { region: it.region, [word]: it.id },
    ...it,
  }));
  return [
    gauge(
      `croft_${word}_promised_bytes`,
      `What a ${kind.replace("-", " ")} may come to.`,
      disks.map(({ labels, promisedGiB }) => ({ labels, value: promisedGiB * 2 ** 30 })),
    ),
    gauge(
      `croft_${word}_used_bytes`,
      `What a ${kind.replace("-", " ")} takes beside what it is a difference to, looked at each minute.`,
      disks.flatMap(({ labels, usedBytes }) => (usedBytes === null ? [] : [{ labels, value: usedBytes }])),
    ),
  ];
}

/** What no host has an account of has spent nothing. */
function burstBalances(feed: Feed, hosts: readonly HostRecord[]): Metric["samples"] {
  const accounts = new Map(hosts.flatMap(({ bursts = {} }) => Object.entries(bursts)));
  return feed.list<VolumeRecord>("volume/").flatMap(({ key, value }) => {
    if (value.attachments.length === 0 || !hasBurst(volumeLimits(value))) return [];
    const labels = { region: parseKey(key).scope.region, volume: value.id };
    return [{ labels, value: burstBalance(accounts.get(value.id)) }];
  });
}

/** Of each gateway that a host has asked. */
function portErrors(feed: Feed, hosts: readonly HostRecord[]): Metric["samples"] {
  const counts = new Map(hosts.flatMap((host) => Object.entries(host.portErrors ?? {})));
  return feed.list<NatGatewayRecord>("nat-gateway/").flatMap(({ value: { id, interfaceId = "" } }) => {
    const value = counts.get(interfaceId);
    return value === undefined ? [] : [{ labels: { nat_gateway: id }, value }];
  });
}

/** Every state of each region with instances, so that a series falls to 0 rather than end. */
function instanceCounts(feed: Feed): Metric["samples"] {
  const byRegion = Map.groupBy(
    feed.list<InstanceRecord>("instance/"),
    ({ key }) => parseKey(key).scope.region,
  );
  return [...byRegion].flatMap(([region, entries]) => {
    const byState = Map.groupBy(entries, ({ value }) => instanceState(value));
    return Object.keys(stateCodes).map((state) => ({
      labels: { region, state },
      value: byState.get(state as keyof typeof stateCodes)?.length ?? 0,
    }));
  });
}
