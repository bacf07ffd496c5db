import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Program } from "#cli/supervise/keep-running.ts";
import { programCommand } from "#cli/supervise/program-command.ts";
import { hostNames, layout } from "#config.ts";
import { serveGuests } from "#guest/guest-feed.ts";
import { guestSockets, type GuestInterface } from "#guest/guest-snapshot.ts";
import { loopback, openLoopbackSockets, type ServicePorts } from "#guest/loopback-sockets.ts";
import { sampleInterface, sampleNetwork } from "#guest/sample-network.ts";
import { comparePairs, round } from "./pairs.ts";

/**
 * What croft-guest takes and gives with 50 networks of 20 interfaces each, against a bare node:http server on the same
 * loopback that answers every request with 19 bytes. Needs root. Clients do as real ones: a connection, PUT for a session token,
 * nine GETs with it, one after another; a session at a time from each of a thousand interfaces in turn.
 *
 * Latency belongs to a rate, not to saturation, where it says only how many clients wait: sessions arrive by chance (Poisson)
 * at 5,000 requests a second, whatever the server does, and a session's first request counts from when it was due, connecting
 * included. Clients and servers share this machine: with less than two idle cores, read the ratio only, or let nothing come
 * between them (`chrt --rr 10 node bin/croft run bench/imds.ts`).
 *
 * Promises: at 5,000 requests a second the slowest of a hundred within 5 ms; at most 80 MiB with a thousand interfaces. What load leaves
 * behind is told: compiled code and garbage that nothing presses for, some 20 MiB, and pages of Node's own file.
 */
const [networks, perNetwork, perSession] = [50, 20, 10];
const [ratePerSecond, offeredRequests, saturatingRequests] = [5_000, 15_000, 20_000];

/** What clients mostly ask for: a leaf, a listing, the identity document. */
const paths = [
  "meta-data/instance-id",
  "meta-data/placement/some-leaf-7",
  "meta-data/",
  "dynamic/instance-identity/document",
];

const dataDir = mkdtempSync(join(tmpdir(), "croft-ib-"));
await using stack = new AsyncDisposableStack();
stack.defer(() => rmSync(dataDir, { recursive: true }));
const { guestSocket, runDir } = layout(dataDir);
mkdirSync(runDir, { recursive: true });
for (const path of [dataDir, runDir]) chmodSync(path, 0o711);

const ports = new Map<string, ServicePorts>();
for (let n = 0; n < networks; n++) ports.set(`vpc-${n}`, portsFrom(20_000 + 10 * n));
const feed = await serveGuests({
  socketPath: guestSocket,
  guestUid: hostNames(dataDir).uids.guest,
  settings: { tokenKey: "a key", resolvers: [] },
  openSockets: (id) => openLoopbackSockets(ports.get(id)!),
  namespaceOf: (id) => id,
  log: console.log,
});
stack.defer(() => feed.close());

// The first start compiles its code, as the first start of a region does.
const { command, environment } = programCommand("croft-guest", { dataDir, cacheDir: dataDir });
await end(started(command), 3000);
const guest = started(command);
stack.defer(() => end(guest));
for (const [n, id] of [...ports.keys()].entries())
  feed.set(
    sampleNetwork(
      Array.from({ length: perNetwork }, (_, i) => interfaceOf(n, i)),
      id,
    ),
  );
while (!feed.connected()) await sleep(50);
await sleep(1000);
console.log(
  `croft-guest with ${networks * perNetwork} interfaces in ${networks} networks: ${memoryOf(guest)}`,
);

const bare = started([process.execPath, "-e", bareServer()]);
stack.defer(() => end(bare));
const [barePort] = bare.stdout ? await once(bare.stdout, "data") : [];

const sides: Record<"ours" | "bare", Side> = {
  ours: { program: guest, portOf: (n) => ports.get(`vpc-${n}`)?.imds ?? 0, latenciesMs: [], requests: 0 },
  bare: { program: bare, portOf: () => Number(barePort), latenciesMs: [], requests: 0 },
};
const idle = { ours: cpuMs(guest), bare: cpuMs(bare) };
await comparePairs(`IMDS, slowest of a hundred at ${ratePerSecond} requests/s`, "ms", {
  ours: () => offered(sides.ours),
  bare: () => offered(sides.bare),
});
for (const [name, { latenciesMs }] of Object.entries(sides))
  console.log(
    `${name}: median ${round(quantile(latenciesMs, 0.5))} ms, slowest of a hundred ` +
      `${round(quantile(latenciesMs, 0.99))} ms, of a thousand ${round(quantile(latenciesMs, 0.999))} ms`,
  );
console.log(`croft-guest after ${sides.ours.requests} requests at that rate: ${memoryOf(guest)}`);
await comparePairs("IMDS, 50 sessions at once without a pause", "requests/s", {
  ours: () => saturated(sides.ours),
  bare: () => saturated(sides.bare),
});
const perRequest = ({ program, requests }: Side, before: number) =>
  round(((cpuMs(program) - before) * 1000) / requests);
console.log(
  `processor time a request: ${perRequest(sides.ours, idle.ours)} µs, bare ${perRequest(sides.bare, idle.bare)} µs`,
);
console.log(`croft-guest after ${sides.ours.requests} requests: ${memoryOf(guest)}`);

interface Side {
  readonly program: ChildProcess;
  readonly portOf: (network: number) => number;
  /** At the offered rate. */
  readonly latenciesMs: number[];
  /** Answered in all. */
  requests: number;
}

/** Answers the slowest of a hundred, in ms. */
async function offered(side: Side): Promise<number> {
  const latenciesMs: number[] = [];
  const sessions: Promise<void>[] = [];
  let due = performance.now();
  for (let n = 0; n < offeredRequests / perSession; n++) {
    due += (-Math.log(1 - Math.random()) * 1000 * perSession) / ratePerSecond;
    while (performance.now() < due) await sleep(1);
    sessions.push(session(side, n, due, latenciesMs));
  }
  await Promise.all(sessions);
  side.latenciesMs.push(...latenciesMs);
  return quantile(latenciesMs, 0.99);
}

/** Answers requests a second. */
async function saturated(side: Side): Promise<number> {
  const start = performance.now();
  let sessions = 0;
  const client = async () => {
    while (sessions < saturatingRequests / perSession) await session(side, sessions++, performance.now(), []);
  };
  await Promise.all(Array.from({ length: networks }, client));
  return (saturatingRequests / (performance.now() - start)) * 1000;
}

/** The `n`th session, by one of the interfaces in turn; its latencies go into `latenciesMs`. */
async function session(side: Side, n: number, due: number, latenciesMs: number[]): Promise<void> {
  const network = n % networks;
  const localAddress = addressOf(network, Math.floor(n / networks) % perNetwork);
  const socket = connect({ host: loopback, port: side.portOf(network), localAddress, noDelay: true });
  await once(socket, "connect");
  const token = await ask(socket, "PUT /latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds: 21600");
  latenciesMs.push(performance.now() - due);
  for (let get = 1; get < perSession; get++) {
    const asked = performance.now();
    const path = paths[get % paths.length];
    await ask(socket, `GET /latest/${path}`, `X-aws-ec2-metadata-token: ${token}`);
    latenciesMs.push(performance.now() - asked);
  }
  socket.destroy();
  side.requests += perSession;
}

/** The answer's body. All answers come in one piece here. */
function ask(socket: Socket, request: string, header: string): Promise<string> {
  socket.write(
    `${request} HTTP/1.1\r\nHost: 169.254.169.254\r\nUser-Agent: a client of some sort\r\nAccept: */*\r\n${header}\r\n\r\n`,
  );
  return new Promise((resolve, reject) => {
    socket.once("data", (answer: Buffer) => {
      const [head = "", body] = answer.toString().split("\r\n\r\n");
      if (head.includes(" 200 OK\r\n") && body !== undefined) resolve(body);
      else reject(new Error(answer.toString()));
    });
  });
}

/** With as many leaves, of such lengths, as an instance's metadata has. */
function interfaceOf(network: number, n: number): GuestInterface {
  const address = addressOf(network, n);
  const mac = `02:00:00:00:${hex(network)}:${hex(n)}`;
  const id = `${hex(network)}${hex(n)}`.padStart(17, "0");
  const tree: Record<string, string> = {
    "instance-id": `i-${id}`,
    "public-keys/0=key/openssh-key": "k".repeat(400),
  };
  for (let leaf = 0; leaf < 28; leaf++) tree[`placement/some-leaf-${leaf}`] = `${id} ${leaf}`;
  for (let leaf = 0; leaf < 16; leaf++) tree[`network/interfaces/macs/${mac}/leaf-${leaf}`] = `${id} ${leaf}`;
  const dynamic = Object.fromEntries(
    [
      ["document", 480],
      ["signature", 348],
      ["pkcs7", 1280],
      ["rsa2048", 1280],
    ].map(([leaf, length]) => [`instance-identity/${leaf}`, id.padEnd(Number(length), "x")]),
  );
  return { ...sampleInterface(address, { tree, dynamic }), id: `eni-${id}`, mac };
}

/** Nobody else uses this process's own loopback address. */
function portsFrom(first: number): ServicePorts {
  return Object.fromEntries(guestSockets.map(({ name }, n) => [name, first + n])) as ServicePorts;
}
function addressOf(network: number, n: number): string {
  return `127.90.${network}.${n + 4}`;
}
function hex(n: number): string {
  return n.toString(16).padStart(2, "0");
}
function quantile(values: readonly number[], part: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * part)] ?? NaN;
}
/** Of the kernel's too; what else the machine does is not in it. */
function cpuMs({ pid }: ChildProcess): number {
  const [user, system] =
    readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ").slice(11, 13) ?? [];
  return (Number(user) + Number(system)) * 10;
}
/** Pages of Node's own file, which all programs share, are in it as they are touched. */
function memoryOf({ pid }: ChildProcess): string {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const mib = (name: string) =>
    Math.round(Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]) / 1024);
  return `${mib("VmRSS")} MiB, of files ${mib("RssFile")}`;
}

function bareServer(): string {
  return `require("node:http")
    .createServer((request, response) => response.end("i-00000000000000000"))
    .listen(0, "${loopback}", function () { console.log(this.address().port); });`;
}
function started([file, ...args]: Program["command"]): ChildProcess {
  return spawn(file, args, { stdio: ["pipe", "pipe", "inherit"], env: { ...process.env, ...environment } });
}
async function end(program: ChildProcess, afterMs = 0): Promise<void> {
  await sleep(afterMs);
  program.kill();
  await once(program, "exit");
}
