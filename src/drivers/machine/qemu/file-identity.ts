import { statSync } from "node:fs";
import type { HostProcess } from "../../linux/host-process.ts";

/** Which file it is, whatever it is called by now. */
export const fileIdentity = (path: string): string => {
  const { dev, ino } = statSync(path, { bigint: true });
  return `${dev}:${ino}`;
};

/** Which file each descriptor of a process is. */
export type OpenFiles = (fd: number) => string;
export const openIn =
  ({ pid }: HostProcess): OpenFiles =>
  (fd) =>
    fileIdentity(`/proc/${pid}/fd/${fd}`);
