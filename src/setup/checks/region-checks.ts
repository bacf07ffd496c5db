import { join } from "node:path";
import { defaults, hostNames, layout } from "#config.ts";
import { isAlive } from "#drivers/linux/host-process.ts";
import { health } from "#cli/supervise/health.ts";
import { programNames, readRunning } from "#cli/supervise/programs-file.ts";
import { apiEndpoint } from "../api-endpoint.ts";
import { debianPackages, missingPackages } from "../debian-packages.ts";
import { portTrouble } from "../free-port.ts";
import { freePools, rivalRoute, type HostRoute } from "../public-pool.ts";
import { ok, refusal, warning, type Check, type RegionPlace } from "./check.ts";
import type { Host } from "./host.ts";
import { leftovers } from "./leftovers.ts";

/** What `croft doctor` looks at besides: the region, running or not, and what starts see to by themselves. */
export const regionChecks: readonly Check[] = [
  {
    name: "packages",
    look() {
      const missing = missingPackages(debianPackages);
      return missing.length === 0
        ? ok("all Debian packages that a region needs are there")
        : warning(
            `missing are ${missing.map(({ name, why }) => `${name} (${why})`).join(", ")}`,
            `apt-get install -y --no-install-recommends ${missing.map(({ name }) => name).join(" ")}`,
          );
    },
  },
  { name: "Node", look: () => ok(`Node ${process.versions.node}`) },
  { name: "clock", look: clock },
  { name: "public addresses", look: publicAddresses },
  { name: "port", look: port },
  { name: "data directory", look: dataDirectory },
  { name: "programs", look: programs },
  { name: "programs' files", look: programFiles },
  {
    name: "leftovers",
    look(host, region) {
      const left = leftovers(host, region);
      return left.length === 0
        ? ok("nothing of regions that are gone")
        : warning(
            `of regions that are gone there are ${left.map(({ name }) => name).join(", ")}`,
            `unless a region with another --cache-dir has them: ${left.map(({ removal }) => removal).join("; ")}`,
          );
    },
  },
];

async function clock({ printed, stat, now }: Host, { dataDir }: RegionPlace) {
  const written = stat(join(layout(dataDir).storeDir))?.mtimeMs ?? 0;
  const setIt = "set it, and have it kept right: apt-get install -y systemd-timesyncd";
  if (now().getTime() < Math.max(written - 60_000, madeAt))
    return warning(
      `this host's clock says ${now().toISOString()}, which is in the past: signatures and certificates fail`,
      setIt,
    );
  const synchronised = await printed(["timedatectl", "show", "--property=NTPSynchronized", "--value"]);
  return synchronised.trim() === "no"
    ? warning("nothing keeps this host's clock right, and calls signed 5 minutes off are refused", setIt)
    : ok(now().toISOString());
}

async function publicAddresses({ printed }: Host, { dataDir, settings }: RegionPlace) {
  const routes: HostRoute[] = JSON.parse((await printed(["ip", "-j", "-4", "route"])) || "[]");
  if (settings?.machines === "fake") return ok("fake ones, routed nowhere");
  if (settings === undefined) {
    const [free] = freePools(defaults.publicPools, routes);
    return free === undefined
      ? refusal(
          `this host routes all of ${defaults.publicPools.join(", ")}`,
          "start with a --public-pool that it does not",
        )
      : ok(`${free} is free for a region`);
  }
  const rival = rivalRoute(settings.publicPool, hostNames(dataDir).prefix, routes);
  if (!rival) return ok(`${settings.publicPool} leads to the region alone`);
  const what = `the region's ${settings.publicPool} is also routed to ${rival.dev ?? "elsewhere"} (${rival.dst})`;
  return rival.dst === settings.publicPool
    ? refusal(what, "end what made that route")
    : warning(`${what}, so instances with such addresses are not reached`, "end what made that route");
}

async function port(_host: Host, { dataDir, settings }: RegionPlace) {
  const { port: number = defaults.port, listen = "127.0.0.1" } = settings ?? {};
  if (settings && isUp(dataDir)) return ok(`${number} of ${listen} is the region's`);
  const trouble = await portTrouble(number, listen);
  return trouble === undefined
    ? ok(`${number} of ${listen} is free`)
    : refusal(
        `port ${number} of ${listen} cannot be used (${trouble})`,
        "choose another --port at the start",
      );
}

function dataDirectory({ stat }: Host, { dataDir, settings }: RegionPlace) {
  if (settings === undefined) return ok(`no region is at ${dataDir} yet`);
  const { dir, credentials, masterKey, identity, sealingKey, tls, storeDir, disksDir } = layout(dataDir);
  const operator = settings.machines === "fake" ? (stat(dir)?.uid ?? 0) : 0;
  const storeOwner = settings.machines === "fake" ? operator : hostNames(dataDir).uids.croft;
  const wanted: readonly (readonly [path: string, mode: number, owner: number])[] = [
    [dir, 0o711, operator],
    ...[credentials, masterKey, identity.sealed, sealingKey, tls.caKey, tls.key, tls.awsKey].map(
      (path) => [path, 0o600, operator] as const,
    ),
    [storeDir, 0o700, storeOwner],
    [disksDir, 0o700, operator],
  ];
  const wrong = wanted.flatMap(([path, mode, owner]) => {
    const found = stat(path);
    if (!found) return [];
    return [
      ...(found.uid === owner ? [] : [`chown ${owner}:${owner} ${path}`]),
      ...((found.mode & 0o777 & ~mode) === 0 ? [] : [`chmod ${mode.toString(8)} ${path}`]),
    ];
  });
  return wrong.length === 0
    ? ok(`${dir} is its owners' alone`)
    : refusal("others may read or change what they must not", wrong.join("; "));
}

async function programs(_host: Host, { dataDir, settings }: RegionPlace) {
  const running = readRunning(dataDir);
  if (settings === undefined || !running || !isAlive(running.supervisor))
    return ok("the region does not run");
  const names = settings.machines === "fake" ? ["croft"] : programNames;
  const down = names.filter((name) => {
    const program = running.programs[name];
    return !program || !isAlive(program);
  });
  const readLog = `read why: croft logs --data-dir ${dataDir}`;
  if (down.length > 0) return refusal(`${down.join(", ")} ended and is started again`, readLog);
  const answer = await health(apiEndpoint(dataDir, settings).localUrl);
  return answer?.status === "ready"
    ? ok(`${names.join(", ")} run, and the region answers`)
    : refusal("the region's programs run, but it does not answer", readLog);
}

function programFiles({ list, read }: Host, { dataDir }: RegionPlace) {
  const crowded = Object.entries(readRunning(dataDir)?.programs ?? {}).flatMap(([name, program]) => {
    if (!isAlive(program)) return [];
    const most = Number(
      /^Max open files\s+(\d+)/m.exec(read(`/proc/${program.pid}/limits`) ?? "")?.[1] ?? Infinity,
    );
    const open = list(`/proc/${program.pid}/fd`).length;
    return open > most * 0.8 ? [`${name} has ${open} of ${most} files open`] : [];
  });
  return crowded.length === 0
    ? ok("far from their limits")
    : warning(crowded.join(", "), "raise the limit and start the region again: see open files");
}

const isUp = (dataDir: string): boolean => {
  const running = readRunning(dataDir);
  return running !== undefined && isAlive(running.supervisor);
};

/** No clock that is right shows an earlier time. */
const madeAt = Date.parse("2026-01-01T00:00:00Z");
