import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";

/** The name by which the store's records know this machine; made once. */
export function ownHostId(file: string): string {
  if (!existsSync(file))
    writeFileSync(file, `host-0${randomBytes(8).toString("hex")}\n`, { flag: "wx", flush: true });
  return readFileSync(file, "utf8").trim();
}
