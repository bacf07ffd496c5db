import { hostNames, layout } from "./config.ts";
import { startGuest } from "./guest/guest.ts";
import type { ProgramOptions } from "./main.ts";
import { dropPrivileges } from "./privileges.ts";

/** The program that hostile packets meet: it may do nothing but answer on the sockets it is handed. */
export async function croftGuest({ dataDir, signal, log }: ProgramOptions): Promise<void> {
  const serving = startGuest({ socketPath: layout(dataDir).guestSocket, signal, log });
  dropPrivileges(hostNames(dataDir).uids.guest);
  await serving;
}
