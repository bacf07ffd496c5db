import { setTimeout as delay } from "node:timers/promises";
import type { NetworkDriver } from "#drivers/network/network-driver.ts";

/** As often as CloudWatch has ErrorPortAllocation, until `signal` aborts: what NAT gateways had no ports for. */
export async function watchPortErrors(
  networks: Pick<NetworkDriver, "portErrors">,
  tell: (errors: Readonly<Record<string, number>>) => void,
  signal: AbortSignal,
  log: (line: string) => void,
): Promise<void> {
  while (!signal.aborted) {
    await networks.portErrors().then(
      (errors) => tell(Object.fromEntries(errors)),
      (error: unknown) => log(`NAT gateways: ${String(error)}`),
    );
    await delay(60_000, undefined, { signal }).catch(() => {});
  }
}
