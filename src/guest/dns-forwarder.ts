import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { connect, isIPv6 } from "node:net";
import { composeAnswer, isReplyTo, SERVFAIL, withId } from "./dns-message.ts";
import type { DnsQuery, Transport } from "./dns-message.ts";
import { encodeFrame, readFrames } from "./dns-frames.ts";
import type { Resolver } from "./guest-snapshot.ts";

export interface DnsForwarder {
  /** What the resolvers say, whole; SERVFAIL when none answers in time or too much is asked at once. */
  ask(query: DnsQuery, client: string, transport: Transport): Promise<Buffer>;
}

export interface ForwarderLimits {
  /** Clients give up after 5 s: three tries fit. */
  readonly tries: number;
  readonly tryMs: number;
  readonly inFlight: number;
  /** So that one guest's flood leaves room for the others. */
  readonly inFlightPerClient: number;
}
const defaultLimits: ForwarderLimits = { tries: 3, tryMs: 1500, inFlight: 1024, inFlightPerClient: 64 };

export const dnsForwarder = (resolvers: () => readonly Resolver[], limits = defaultLimits): DnsForwarder => {
  const inFlight = new Map<string, number>();
  let total = 0;
  /** Asked first: a resolver that is down costs one question its patience, not each. */
  let lastGood = 0;

  const tryResolvers = async (query: DnsQuery, transport: Transport): Promise<Buffer | undefined> => {
    const askOne = transport === "udp" ? askByUdp : askByTcp;
    const first = lastGood;
    for (let attempt = 0; attempt < limits.tries; attempt += 1) {
      const known = resolvers();
      const index = (first + attempt) % known.length;
      const resolver = known[index];
      const reply = resolver && (await askOne(resolver, query, limits.tryMs));
      if (!reply) continue;
      lastGood = index;
      return withId(reply, query.id);
    }
    return undefined;
  };

  return {
    async ask(query, client, transport) {
      const mine = inFlight.get(client) ?? 0;
      const failure = composeAnswer(query, { code: SERVFAIL, authoritative: false });
      if (total >= limits.inFlight || mine >= limits.inFlightPerClient) return failure;
      total += 1;
      inFlight.set(client, mine + 1);
      try {
        return (await tryResolvers(query, transport)) ?? failure;
      } finally {
        total -= 1;
        const left = (inFlight.get(client) ?? 1) - 1;
        if (left === 0) inFlight.delete(client);
        else inFlight.set(client, left);
      }
    },
  };
};

/** A socket for each question: its random port, besides the random id, is what a forger would have to guess. */
const askByUdp = (resolver: Resolver, query: DnsQuery, timeoutMs: number): Promise<Buffer | undefined> => {
  const { promise, resolve } = Promise.withResolvers<Buffer | undefined>();
  const id = randomInt(0x1_0000);
  const socket = createSocket(isIPv6(resolver.address) ? "udp6" : "udp4");
  const timer = setTimeout(resolve, timeoutMs, undefined);
  socket.on("error", () => resolve(undefined));
  socket.on("message", (reply) => {
    if (isReplyTo(reply, query, id)) resolve(reply);
  });
  socket.connect(resolver.port, resolver.address, () => socket.send(withId(query.bytes, id)));
  return promise.finally(() => {
    clearTimeout(timer);
    socket.close();
  });
};

const askByTcp = (resolver: Resolver, query: DnsQuery, timeoutMs: number): Promise<Buffer | undefined> => {
  const { promise, resolve } = Promise.withResolvers<Buffer | undefined>();
  const id = randomInt(0x1_0000);
  const timer = setTimeout(resolve, timeoutMs, undefined);
  const socket = connect(resolver.port, resolver.address);
  const frames = readFrames((reply) => {
    if (isReplyTo(reply, query, id)) resolve(reply);
  });
  socket.on("error", () => resolve(undefined));
  socket.on("close", () => resolve(undefined));
  socket.on("data", frames);
  socket.write(encodeFrame(withId(query.bytes, id)));
  return promise.finally(() => {
    clearTimeout(timer);
    socket.destroy();
  });
};
