import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { hostNames, layout } from "#config.ts";
import { run } from "#drivers/linux/commands.ts";

/**
 * What a region has on this host: its processes, control groups, namespaces with their links, routes, rules and nft tables,
 * its link and route, the directories of its machines and disks, its place in the cache. Sorted lines that say the same when
 * the same is there, so that two of them can be compared; empty when there is nothing.
 */
export const hostTraces = async (dataDir: string, cacheDir: string): Promise<string[]> => {
  const { prefix, tag } = hostNames(dataDir);
  const namespaces = readdirSync("/run/netns").filter((name) => name.startsWith(prefix));
  const [networks, links, routes] = await Promise.all([
    Promise.all(namespaces.map(namespaceTraces)),
    run("ip", ["-json", "link"]),
    run("ip", ["route", "show", "table", "all"]),
  ]);
  const has = (name: string) => name.includes(prefix);
  return [
    ...networks.flat(),
    ...labelled("this host's link", linksOf(links).filter(has)),
    ...labelled("this host's route", lines(routes).filter(has)),
    ...labelled("process", processes(dataDir)),
    ...labelled("control group", controlGroups(prefix)),
    ...labelled("region", existsSync(layout(dataDir).settings) ? [dataDir] : []),
    ...labelled("machine", entries(layout(dataDir).machinesDir)),
    ...labelled("disk", entries(layout(dataDir).disksDir)),
    ...labelled(
      "user of the cache",
      entries(join(cacheDir, "regions")).filter((name) => name === tag),
    ),
  ].toSorted();
};

const labelled = (label: string, names: readonly string[]): string[] =>
  names.map((name) => `${label} ${name}`);
const lines = (text: string): string[] =>
  text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
const entries = (directory: string): string[] => (existsSync(directory) ? readdirSync(directory) : []);

const linksOf = (json: string): string[] => {
  const links: { readonly ifname: string }[] = JSON.parse(json);
  return links.map(({ ifname }) => ifname);
};

const namespaceTraces = async (name: string): Promise<string[]> => {
  const [links, routes, rules, tables] = await Promise.all([
    run("ip", ["-n", name, "-json", "link"]),
    run("ip", ["-n", name, "route", "show", "table", "all"]),
    run("ip", ["-n", name, "rule"]),
    run("nft", ["list", "ruleset"], { namespace: name }),
  ]);
  return [
    `namespace ${name}`,
    ...labelled(`${name} link`, linksOf(links)),
    ...labelled(`${name} route`, lines(routes)),
    ...labelled(`${name} rule`, lines(rules)),
    ...labelled(`${name} nft`, lines(tables)),
  ];
};

const processes = (dataDir: string): string[] =>
  regionProcesses(dataDir).map(({ command }) =>
    command.filter((word) => /^(croft|i-|start)/.test(word)).join(" "),
  );

/** By the users that no other region has, and by the data directory in their commands. */
export const regionProcesses = (
  dataDir: string,
): { readonly pid: number; readonly command: readonly string[] }[] => {
  const { uids } = hostNames(dataDir);
  return readdirSync("/proc")
    .filter((pid) => /^\d+$/.test(pid) && pid !== String(process.pid))
    .flatMap((pid) => {
      const command = readProc(pid, "cmdline").split("\0");
      const status = readProc(pid, "status");
      // One that has ended is only there until its parent has heard: a container's init may never listen.
      if (/^State:\s+Z/m.test(status)) return [];
      const uid = Number(/^Uid:\s+(\d+)/m.exec(status)?.[1] ?? -1);
      const ours = (uid >= uids.croft && uid < uids.croft + 4096) || command.includes(dataDir);
      return ours ? [{ pid: Number(pid), command }] : [];
    });
};

const readProc = (pid: string, file: string): string => {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return "";
  }
};

export const controlGroups = (prefix: string): string[] =>
  ["", "memory", "pids", "cpu"]
    .map((controller) => join("/sys/fs/cgroup", controller, prefix))
    .filter(existsSync)
    .flatMap((group) => [
      group,
      ...readdirSync(group, { withFileTypes: true }).flatMap((entry) =>
        entry.isDirectory() ? [join(group, entry.name)] : [],
      ),
    ]);
