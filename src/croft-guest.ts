import { existsSync, readFileSync } from "node:fs";
import { hostNames, layout } from "./config.ts";
import { startGuest } from "./guest/guest.ts";
import type { ProgramOptions } from "./main.ts";
import { dropPrivileges } from "./privileges.ts";
import { readSettings } from "./setup/region-settings.ts";

/** The program that hostile packets meet: it may do nothing but answer on the sockets it is handed. */
export async function croftGuest({ dataDir, signal, log }: ProgramOptions): Promise<void> {
  const { guestSocket, apiSocket, tls } = layout(dataDir);
  const serving = startGuest({
    socketPath: guestSocket,
    apiSocket,
    ca: existsSync(tls.ca) ? readFileSync(tls.ca, "utf8") : undefined,
    realAws: readSettings(dataDir)?.realAws ?? false,
    signal,
    log,
  });
  dropPrivileges(hostNames(dataDir).uids.guest);
  await serving;
}
