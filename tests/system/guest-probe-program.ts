import { createSocket } from "node:dgram";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { apiAddress } from "#guest/aws-names.ts";
import { dhcpDiscover, dnsQuery } from "./guest-requests.ts";

/**
 * `guest-probe-program.ts MS ADDRESS MAC`: asks every service of a guest's network in turn, from inside it, and prints
 * `GuestAnswers` as JSON. What is not answered within 2 s fails.
 */
export interface GuestAnswers {
  readonly asked: number;
  readonly slowestOfAHundredMs: number;
  /** Names of services that gave no answer, or a wrong one, each time they did so. */
  readonly failed: readonly string[];
}

const [ms = "", address = "", mac = ""] = process.argv.slice(2);
const gateway = address.replace(/\d+$/, "1");
const name = `ip-${address.replaceAll(".", "-")}.ec2.internal`;
const inBytes = Buffer.from(address.split(".").map(Number));
const framed = Buffer.concat([Buffer.from([0, dnsQuery(name).length]), dnsQuery(name)]);

const services: Record<string, () => Promise<boolean>> = {
  imds: () =>
    overTcp(
      "169.254.169.254",
      80,
      "GET /latest/meta-data/instance-id HTTP/1.1\r\nHost: x\r\n\r\n",
      "\r\n\r\ni-",
    ),
  dns: () => byUdp("169.254.169.253", 53, dnsQuery(name), inBytes),
  "dns by tcp": () => overTcp("169.254.169.253", 53, framed, inBytes),
  dhcp: () => byUdp(gateway, 67, dhcpDiscover(mac), inBytes, 68),
  api: () => overTcp(apiAddress, 443, "hello", address),
};

const tookMs: number[] = [];
const failed: string[] = [];
for (const end = Date.now() + Number(ms); Date.now() < end;)
  for (const [service, ask] of Object.entries(services)) {
    const start = performance.now();
    if (!(await ask())) failed.push(service);
    tookMs.push(performance.now() - start);
    // Well below the packets a second that an interface may send.
    await sleep(15);
  }
const sorted = tookMs.toSorted((a, b) => a - b);
const slowestOfAHundredMs = sorted[Math.floor(sorted.length * 0.99)] ?? NaN;
console.log(JSON.stringify({ asked: sorted.length, slowestOfAHundredMs, failed } satisfies GuestAnswers));
process.exit(0);

function overTcp(
  host: string,
  port: number,
  text: string | Buffer,
  expected: string | Buffer,
): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host, () => socket.write(text));
    let heard = Buffer.alloc(0);
    socket.setTimeout(2000, () => socket.destroy());
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      heard = Buffer.concat([heard, chunk]);
      if (heard.includes(expected)) socket.destroy();
    });
    socket.on("close", () => resolve(heard.includes(expected)));
  });
}

function byUdp(host: string, port: number, message: Buffer, expected: Buffer, ownPort = 0): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket("udp4");
    const end = (answered: boolean) => {
      clearTimeout(patience);
      socket.close(() => resolve(answered));
    };
    const patience = setTimeout(end, 2000, false);
    socket.on("message", (answer) => {
      if (answer.includes(expected)) end(true);
    });
    socket.bind(ownPort, () => socket.send(message, port, host));
  });
}
