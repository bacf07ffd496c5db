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
import { comparePairs, median, round } from "./pairs.ts";

/**
 * What croft-guest takes and gives with 50 networks of 20 interfaces each, against a bare node:http server on the same sockets'
 * loopback: a client in each network asks, one request after another. Needs root. Promises: 5,000 requests a second, the
 * slowest of a hundred within 5 ms, at most 80 MiB.
 */
const [networks, perNetwork, requests] = [50, 20, 20_000];

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
  `croft-guest with ${networks * perNetwork} interfaces in ${networks} networks: ${rssMiB(guest)} MiB`,
);

const bare = started([process.execPath, "-e", bareServer()]);
stack.defer(() => end(bare));
const [barePort] = bare.stdout ? await once(bare.stdout, "data") : [];

const latenciesMs: Record<"ours" | "bare", number[]> = { ours: [], bare: [] };
const ours = () =>
  load(
    [...ports.values()].map(({ imds }) => imds),
    latenciesMs.ours,
  );
const theirs = () =>
  load(
    Array.from({ length: networks }, () => Number(barePort)),
    latenciesMs.bare,
  );
const idle = { ours: cpuMs(guest), bare: cpuMs(bare) };
await comparePairs("IMDS", "requests/s", { ours, bare: theirs });
for (const [name, values] of Object.entries(latenciesMs)) {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (part: number) => round(sorted[Math.floor(sorted.length * part)] ?? NaN);
  console.log(
    `${name}: median ${round(median(sorted))} ms, slowest of a hundred ${at(0.99)} ms, of a thousand ${at(0.999)} ms`,
  );
}
const perRequest = (program: ChildProcess, before: number, { length }: readonly number[]) =>
  round(((cpuMs(program) - before) * 1000) / length);
console.log(
  `processor time a request: ${perRequest(guest, idle.ours, latenciesMs.ours)} µs, ` +
    `bare ${perRequest(bare, idle.bare, latenciesMs.bare)} µs`,
);
console.log(`croft-guest afterwards: ${rssMiB(guest)} MiB`);

/** Requests a second, of one client in each network at once. */
async function load(portOf: readonly number[], into: number[]): Promise<number> {
  let left = requests;
  const start = performance.now();
  await Promise.all(
    portOf.map(async (port, n) => {
      const socket = connect({ host: loopback, port, localAddress: addressOf(n, 0), noDelay: true });
      await once(socket, "connect");
      while (left-- > 0) {
        const asked = performance.now();
        await ask(socket);
        into.push(performance.now() - asked);
      }
      socket.destroy();
    }),
  );
  return (requests / (performance.now() - start)) * 1000;
}

/** All answers come in one piece here. */
function ask(socket: Socket): Promise<void> {
  socket.write("GET /latest/meta-data/instance-id HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n");
  return new Promise((resolve, reject) => {
    socket.once("data", (answer: Buffer) => {
      if (answer.includes(" 200 OK\r\n") && answer.includes("\r\n\r\ni-")) resolve();
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
/** Of the kernel's too; what else the machine does is not in it. */
function cpuMs({ pid }: ChildProcess): number {
  const [user, system] =
    readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ").slice(11, 13) ?? [];
  return (Number(user) + Number(system)) * 10;
}
function rssMiB({ pid }: ChildProcess): number {
  const [, kiB] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Math.round(Number(kiB) / 1024);
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
