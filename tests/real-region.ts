import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach } from "node:test";
import { EC2 } from "@aws-sdk/client-ec2";
import { croftCommand } from "#checkout.ts";
import type { RegionStatus } from "#cli/status.ts";
import { defaults } from "#config.ts";
import { run } from "#drivers/linux/commands.ts";
import { freePort } from "./free-port.ts";
import { hostTraces } from "./host-traces.ts";
import { exported } from "./signed-call.ts";

/** A region as a user has one: made by `croft start`, with real machines and networks. */
export interface RealRegion {
  readonly dataDir: string;
  /** "http://127.0.0.1:PORT" */
  readonly endpoint: string;
  /** What `croft env` says to export. */
  readonly environment: Readonly<Record<string, string>>;
  /** The default image's id. */
  readonly imageId: string;
  readonly client: EC2;
  /** `croft WORD --data-dir …`: what it printed. */
  readonly croft: (word: string, ...args: string[]) => Promise<string>;
  readonly status: () => Promise<RegionStatus>;
  /**
   * Runs `croft start`, of another checkout if one is named, and resolves to what it printed once the region is ready; for a
   * region that was stopped.
   */
  readonly start: (croft?: string) => Promise<string>;
  /** Ends the supervisor by SIGTERM, as ^C or a service manager would: its exit code, and how long it took. */
  readonly stop: () => Promise<{ readonly code: number | null; readonly tookMs: number }>;
  /** What the region has on this host beside its records. */
  readonly traces: () => Promise<string[]>;
}

export interface RealRegionOptions {
  /** The command of another version, which makes the region and runs it first. */
  readonly firstCroft?: string;
  /** What `croft start` is told besides. */
  readonly more?: readonly string[];
}

/** A region for all tests of the calling file. When one fails, what the region's programs said is shown. */
export const realRegion = async (options: RealRegionOptions = {}): Promise<RealRegion> => {
  const region = await startRegion(options);
  after(() => region[Symbol.asyncDispose]());
  afterEach((context) => {
    if ("passed" in context && !context.passed) process.stderr.write(logs(region.dataDir));
  });
  return region;
};

/**
 * Starts a region in a directory of its own and on a free port; baked images are shared. Disposed of, it is destroyed, and must
 * leave nothing.
 */
export const startRegion = async ({ firstCroft, more = [] }: RealRegionOptions = {}): Promise<
  RealRegion & AsyncDisposable
> => {
  const dataDir = mkdtempSync(join(tmpdir(), "croft-test-"));
  const cacheDir = process.env["CROFT_CACHE_DIR"] ?? defaults.cacheDir;
  const places = ["--data-dir", dataDir, "--cache-dir", cacheDir];
  const port = await freePort();
  let supervisor: ChildProcess | undefined;

  const start = (croftOf = croftCommand) => {
    const options = ["--yes", "--port", String(port), ...more, ...places];
    supervisor = spawn(process.execPath, [croftOf, "start", ...options], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    return untilReady(supervisor);
  };
  const stop = async () => {
    if (!supervisor) throw new Error("the region was not started");
    const ended = once(supervisor, "exit");
    const since = performance.now();
    supervisor.kill("SIGTERM");
    const [code]: (number | null)[] = await ended;
    return { code: code ?? null, tookMs: performance.now() - since };
  };
  const traces = () => hostTraces(dataDir, cacheDir);
  const croft = (word: string, ...args: string[]) =>
    run(process.execPath, [croftCommand, word, "--data-dir", dataDir, ...args], {
      // A bake takes minutes, and one of another architecture is emulated.
      timeoutMs: word === "image" ? 3_600_000 : 300_000,
    });
  const status = async (): Promise<RegionStatus> => {
    // Its exit code says that a region is not ready; what it prints says why.
    const { stdout } = spawnSync(process.execPath, [croftCommand, "status", "--json", "--data-dir", dataDir]);
    return JSON.parse(stdout.toString());
  };

  const destroying = [croftCommand, "destroy", "--yes", "--purge", "--keep-images", ...places];
  await using ending = new AsyncDisposableStack();
  ending.defer(async () => {
    await run(process.execPath, destroying, { timeoutMs: 60_000 });
    assert.deepEqual(await traces(), [], "a destroyed region leaves nothing");
  });
  // Whoever ends the tests early must not be left with a region either.
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.once(signal, () => {
      spawnSync(process.execPath, destroying);
      process.exit(1);
    });
  }

  await start(firstCroft);
  const environment = exported(await croft("env"));
  const client = clientOf(environment);
  ending.defer(async () => client.destroy());
  const imageId = await newestImage(client);
  const ends = ending.move();
  return {
    dataDir,
    endpoint: `http://127.0.0.1:${port}`,
    environment,
    imageId,
    client,
    croft,
    status,
    start,
    stop,
    traces,
    [Symbol.asyncDispose]: () => ends.disposeAsync(),
  };
};

const clientOf = (environment: Readonly<Record<string, string>>): EC2 => {
  const { AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = environment;
  if (!AWS_ENDPOINT_URL || !AWS_REGION || !AWS_ACCESS_KEY_ID || !AWS_SECRET_ACCESS_KEY)
    throw new Error(`croft env exports too little: ${Object.keys(environment).join(" ")}`);
  return new EC2({
    endpoint: AWS_ENDPOINT_URL,
    region: AWS_REGION,
    credentials: { accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY },
    maxAttempts: 1,
  });
};

/** A shared cache may hold images of older recipes too. */
const newestImage = async (client: EC2): Promise<string> => {
  const Filters = [{ Name: "name", Values: ["debian-12-amd64-*"] }]; // others may be baked on this host
  const { Images = [] } = await client.describeImages({ Owners: ["amazon"], Filters });
  const [newest] = Images.toSorted((a, b) => (b.CreationDate ?? "").localeCompare(a.CreationDate ?? ""));
  if (newest?.ImageId === undefined) throw new Error("the region has no image");
  return newest.ImageId;
};

/** Resolves to what it printed, the line `croft: ready` last. Rejects when it ends first. */
const untilReady = (supervisor: ChildProcess): Promise<string> =>
  new Promise((resolve, reject) => {
    let said = "";
    let complained = "";
    supervisor.stdout?.setEncoding("utf8").on("data", (text: string) => {
      said += text;
      if (/^croft: ready .*$/m.test(said)) resolve(said);
    });
    supervisor.stderr?.setEncoding("utf8").on("data", (text: string) => (complained += text));
    supervisor.on("error", reject);
    supervisor.on("exit", (code) =>
      reject(new Error(`croft start ended with ${code}:\n${said}${complained}`)),
    );
  });

const logs = (dataDir: string): string => {
  const directory = join(dataDir, "log");
  if (!existsSync(directory)) return "";
  return readdirSync(directory)
    .map((name) => {
      const lines = readFileSync(join(directory, name), "utf8").split("\n").slice(-60);
      return `--- ${name}\n${lines.join("\n")}\n`;
    })
    .join("");
};
