import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { checkout } from "#checkout.ts";
import { run } from "../../linux/commands.ts";
import { ageMs, endProcess, identify, isAlive, startedWith } from "../../linux/host-process.ts";
import type { HostProcess } from "../../linux/host-process.ts";
import { hideDescriptors } from "../../linux/libc.ts";
import type { OutboundOptions } from "./edge.ts";
import { edgeNamespace, outboundEnds, outboundLink } from "./names.ts";

/**
 * The process at the far end of the edge's way out: it ends guests' connections and goes on with sockets of its own, as any
 * program of this host would. Like a machine it outlives whoever started it, and is taken up again.
 */
export class Pasta {
  readonly #prefix: string;
  readonly #options: OutboundOptions;
  readonly #onError: (error: unknown) => void;
  #process: HostProcess | undefined;
  #againInMs: number = patience.firstMs;
  #againAt = 0;
  #trouble: string | undefined;

  constructor(prefix: string, options: OutboundOptions, onError: (error: unknown) => void) {
    this.#prefix = prefix;
    this.#options = options;
    this.#onError = onError;
    this.#process = startedWith(mark(prefix)).find(isAlive);
  }

  /** Starts it when it does not run; `thorough`: also when it lost its link. Call it every now and then. */
  async look({ thorough }: { readonly thorough: boolean }): Promise<void> {
    const { complaints } = this.#options;
    if (this.#process && isAlive(this.#process)) {
      if (ageMs(this.#process) > patience.steadyMs) this.#againInMs = patience.firstMs;
      if (sizeOf(complaints) > mostComplaints) truncateSync(complaints);
      if (!thorough || ageMs(this.#process) < patience.steadyMs || (await this.#holdsLink())) return;
      await endProcess(this.#process);
    }
    if (performance.now() < this.#againAt) return;
    if (this.#process) this.#tell(lastLine(complaints));
    this.#againAt = performance.now() + this.#againInMs;
    this.#againInMs = Math.min(2 * this.#againInMs, patience.mostMs);
    this.#process = start(this.#prefix, this.#options);
  }

  async #holdsLink(): Promise<boolean> {
    const namespace = edgeNamespace(this.#prefix);
    const [link]: { readonly flags: readonly string[] }[] = JSON.parse(
      await run("ip", ["-json", "link", "show", "dev", outboundLink], { namespace }),
    );
    return link?.flags.includes("LOWER_UP") ?? false;
  }

  /** Once for each reason. */
  #tell(reason: string): void {
    if (reason === this.#trouble) return;
    this.#trouble = reason;
    this.#onError(
      `pasta ended, and instances have no way out until it runs again: ${reason || "it was killed"}`,
    );
  }
}

/** It is gone, and guests' connections to the outside with it. */
export const endPasta = async (prefix: string): Promise<undefined> => {
  for (const process of startedWith(mark(prefix))) await endProcess(process);
};

const patience = { firstMs: 200, mostMs: 30_000, steadyMs: 2_000 } as const;
const mostComplaints = 1024 * 1024;

/** What it carries in its environment. */
const mark = (prefix: string): string => `${MARK}=${prefix}`;
const MARK = "CROFT_PASTA";

const start = (prefix: string, { uid, complaints }: OutboundOptions): HostProcess | undefined => {
  const stderr = openSync(complaints, "w", 0o600);
  // Appending, so that the file can be cut short while it is written.
  const appending = openSync(complaints, "a");
  closeSync(stderr);
  hideDescriptors();
  const [file = "", ...args] = commandLine(edgeNamespace(prefix), uid);
  const child = spawn(file, args, {
    cwd: "/",
    detached: true,
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", [MARK]: prefix },
    stdio: ["ignore", "ignore", appending],
  });
  closeSync(appending);
  child.on("error", () => {});
  child.unref();
  return child.pid === undefined ? undefined : identify(child.pid);
};

const script = join(checkout, "src/drivers/network/netns/pasta.sh");

const commandLine = (namespace: string, uid: number): readonly string[] => {
  const { pasta, edge } = outboundEnds;
  return [
    ["prlimit", "--core=0", "--"],
    ["unshare", "--ipc", "--uts", "--mount", "--propagation", "private", "--"],
    ["sh", script, String(uid), `/run/netns/${namespace}`],
    ["pasta", "--foreground", "--quiet", "--ipv4-only", "--runas", `${uid}:${uid}`],
    ["--netns", "/run/user/0/netns/edge", "--no-netns-quit", "--ns-ifname", outboundLink],
    // Nothing is taken over from this host's own interfaces, so that it starts also while they are down.
    ["--interface", "lo", "--address", edge.address, "--netmask", "32"],
    ["--gateway", pasta.address, "--mac-addr", pasta.mac],
    // The gateway's address does not mean this host, nor is any port of either side forwarded to the other's loopback.
    ["--no-map-gw"],
    ["--tcp-ports", "none", "--udp-ports", "none", "--tcp-ns", "none", "--udp-ns", "none"],
    ["--no-dhcp", "--no-dhcpv6", "--no-ndp", "--no-ra", "--dns", "none"],
  ].flat();
};

const sizeOf = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0;

const lastLine = (file: string): string => {
  try {
    return readFileSync(file, "utf8").trimEnd().split("\n").at(-1) ?? "";
  } catch {
    return "";
  }
};
