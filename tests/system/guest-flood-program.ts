import { createSocket } from "node:dgram";
import { connect } from "node:net";
import { constants, setPriority } from "node:os";
import { apiAddress } from "#guest/aws-names.ts";
import { dhcpDiscover, dnsQuery } from "./guest-requests.ts";

/** `guest-flood-program.ts KIND MS MAC`: what a hostile guest does to its network's services, for so long. */
const [kind = "", ms = "", mac = ""] = process.argv.slice(2);

const floods: Record<string, () => void> = {
  "DNS queries": () =>
    datagrams("169.254.169.253", 53, [
      dnsQuery("ip-10-0-1-6.ec2.internal"),
      dnsQuery("somewhere.example.com"),
      Buffer.alloc(512, 0xff),
    ]),
  "DHCP messages": () => datagrams("10.0.1.1", 67, [dhcpDiscover(mac), Buffer.alloc(576, 1)]),
  connections() {
    for (const [host, port] of services)
      for (let n = 0; n < 60; n++) {
        const again = () => {
          const socket = connect(port, host, () => socket.end("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
          socket.on("error", () => {}).on("close", () => setImmediate(again));
          socket.resume();
        };
        again();
      }
  },
  /** Where no answer to a SYN comes in, each connection stays half open at the other end. */
  "half-open connections"() {
    for (const [host, port] of services)
      for (let n = 0; n < 1000; n++) connect(port, host).on("error", () => {});
  },
  "requests that never end"() {
    for (const [host, port] of services)
      for (let n = 0; n < 300; n++) {
        const socket = connect(port, host, () => {
          // To DNS the first two bytes promise more than ever comes.
          socket.write("GET / HTTP/1.1\r\nX: ");
          setInterval(() => socket.write("x"), 200);
        });
        socket.on("error", () => {});
      }
  },
};

const services = [
  ["169.254.169.254", 80],
  ["169.254.169.253", 53],
  [apiAddress, 443],
  [apiAddress, 80],
] as const;

/** In steps, as many as the event loop lets through. */
function datagrams(host: string, port: number, messages: readonly Buffer[]): void {
  const socket = createSocket("udp4");
  socket.on("error", () => {});
  setInterval(() => {
    for (let n = 0; n < 50; n++) socket.send(messages[n % messages.length] ?? "", port, host, () => {});
  }, 5);
}

// A hostile machine has a processor of its own: here it takes none that croft-guest or the others need.
setPriority(constants.priority.PRIORITY_LOW);
const flood = floods[kind];
if (!flood) throw new Error(`KIND is one of ${Object.keys(floods).join(", ")}`);
flood();
setTimeout(() => process.exit(0), Number(ms));
