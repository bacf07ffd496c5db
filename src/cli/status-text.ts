import type { RegionActivity } from "#services/host/region-activity.ts";
import type { RegionStatus } from "./status.ts";
import { columns } from "./columns.ts";

/** What `croft status` prints: what there is to say, one thing a line, and last the instances and their disks. */
export const statusText = ({ api, programs, processes, health, activity, disk }: RegionStatus): string => {
  const { status = "does not answer", acceleration, accelerationReason, capped, credits } = health ?? {};
  const rows: string[][] = [
    ["API", `${api} ${status}`],
    ...Object.entries(programs).map(([name, pid]) => [name, programText(pid, processes[name])]),
  ];
  if (health)
    rows.push(["machines", `${String(acceleration)}${accelerationReason ? ` (${accelerationReason})` : ""}`]);
  for (const { id, name } of health?.images ?? []) rows.push(["image", `${id} ${name}`]);
  if (activity) rows.push(...activityRows(activity));
  rows.push(["disk", diskText(activity, disk)]);
  for (const it of capped ?? [])
    rows.push([
      "capped",
      `${it.id} has ${it.cpus} vCPU and ${it.memoryMiB} MiB of ${it.type}'s ${it.cappedFrom.cpus} and ${it.cappedFrom.memoryMiB}`,
    ]);
  for (const [id, { balance, surplus, limited }] of Object.entries(credits ?? {}))
    rows.push([
      "CPU credits",
      `${id} ${balance.toFixed(1)}${surplus > 0 ? `, ${surplus.toFixed(1)} surplus spent` : ""}${limited ? ", runs at its baseline" : ""}`,
    ]);
  for (const warning of activity?.warnings ?? []) rows.push(["warning", warning]);
  for (const { id, paused } of activity?.machines ?? [])
    if (paused !== null) rows.push(["paused", `${id}: ${paused}`]);
  for (const { key, message, since } of activity?.troubles ?? [])
    rows.push(["cannot settle", `${key} since ${since}: ${message}`]);
  return columns(rows) + machinesText(activity) + disksText(activity);
};

const programText = (pid: number | null, process: RegionStatus["processes"][string] | undefined): string => {
  if (pid === null || !process) return "down";
  const { since, memoryMiB, openFiles, lastEnd } = process;
  return [
    `up since ${since}, process ${pid}`,
    ...(memoryMiB === null ? [] : [`${memoryMiB} MiB`]),
    ...(openFiles === null ? [] : [`${openFiles} open files`]),
    ...(lastEnd ? [`ended ${lastEnd.at} (${lastEnd.how})`] : []),
  ].join(", ");
};

const activityRows = ({ launches, memoryMiB, cpus }: RegionActivity): string[][] => [
  ["launches", [`${launches.starting.length} starting`, `${launches.waiting.length} waiting`].join(", ")],
  ["memory", `${memoryMiB.promised} of ${memoryMiB.promisable} MiB promised`],
  ["vCPU", `${cpus.promised} promised, on ${cpus.real} processors`],
];

const diskText = (activity: RegionActivity | null, { usedBytes, freeBytes }: RegionStatus["disk"]): string =>
  [
    ...(activity
      ? [`${activity.volumes.promisedGiB} GiB promised to ${activity.volumes.count} volumes`]
      : []),
    ...(activity && activity.instanceStores.count > 0
      ? [
          `${Math.ceil(activity.instanceStores.promisedGiB)} GiB to ${activity.instanceStores.count} instance stores`,
        ]
      : []),
    ...(usedBytes === null ? [] : [`${gib(usedBytes)} used`]),
    `${gib(freeBytes)} free`,
  ].join(", ");

const disksText = (activity: RegionActivity | null): string =>
  activity === null || activity.disks.length === 0
    ? ""
    : `\n${columns(
        activity.disks.map((it) => [
          it.id,
          it.region,
          `${Math.ceil(it.promisedGiB)} GiB promised`,
          it.usedBytes === null ? "-" : `${gib(it.usedBytes)} used`,
        ]),
      )}`;

const gib = (bytes: number): string =>
  bytes < 2 ** 30 ? `${Math.ceil(bytes / 2 ** 20)} MiB` : `${(bytes / 2 ** 30).toFixed(1)} GiB`;

const machinesText = (activity: RegionActivity | null): string =>
  activity === null || activity.machines.length === 0
    ? ""
    : `\n${columns(
        activity.machines.map((it) => [
          it.id,
          it.region,
          it.type,
          it.state,
          it.publicAddress ?? it.privateAddress ?? "-",
          `since ${it.since}`,
        ]),
      )}`;
