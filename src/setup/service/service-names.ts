import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { defaults, hostNames } from "#config.ts";

/** What a region's service is called on this host, and all that `croft service install` makes. */
export const serviceNames = (dataDir: string) => {
  const name = resolve(dataDir) === defaults.dataDir ? "croft" : hostNames(dataDir).prefix;
  const [unit, shutdownUnit] = [`${name}.service`, `${name}-shutdown.service`];
  return {
    unit,
    unitFile: join("/etc/systemd/system", unit),
    /** What this host runs when it goes off. */
    shutdownUnit,
    shutdownUnitFile: join("/etc/systemd/system", shutdownUnit),
    /** The program as root runs it, which nobody else can change. */
    copy: join("/usr/local/lib", name),
  };
};

export const hasService = (dataDir: string): boolean => existsSync(serviceNames(dataDir).unitFile);
