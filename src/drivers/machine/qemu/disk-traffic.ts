import type { DiskTraffic } from "../machine-driver.ts";
import { diskOfDevice } from "./hot-plug-disk.ts";
import type { Qmp } from "./qmp.ts";

/** What was asked of each disk's device, by the disk's id, as its limits count it: requests that QEMU joined are one. */
export async function diskTraffic(qmp: Qmp): Promise<ReadonlyMap<string, DiskTraffic>> {
  const devices = (await qmp.execute("query-blockstats")) as {
    readonly qdev?: string;
    readonly stats: Readonly<Record<string, number>>;
  }[];
  return new Map(
    devices.flatMap(({ qdev, stats }) => {
      const id = diskOfDevice(qdev);
      const sum = (what: string) => WAYS.reduce((all, way) => all + (stats[`${way}_${what}`] ?? 0), 0);
      const traffic = { requests: sum("operations") - sum("merged"), bytes: sum("bytes") };
      return id === undefined ? [] : [[id, traffic] as const];
    }),
  );
}

/** Flushes have no limit. */
const WAYS = ["rd", "wr", "unmap"] as const;
