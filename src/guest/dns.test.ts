import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import type { RemoteInfo } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { damaged } from "./damaged.ts";
import { encodeFrame, readFrames } from "./dns-frames.ts";
import { dnsForwarder } from "./dns-forwarder.ts";
import type { DnsForwarder, ForwarderLimits } from "./dns-forwarder.ts";
import { encodeName, parseQuery } from "./dns-message.ts";
import type { Transport } from "./dns-message.ts";
import { answerDns } from "./dns.ts";
import type { Resolver } from "./guest-snapshot.ts";
import { loopback } from "./loopback-sockets.ts";
import { networkView } from "./network-view.ts";
import { sampleInterface, sampleNetwork } from "./sample-network.ts";

const network = networkView({
  peers: { "198.18.0.8": "10.2.0.8" },
  ...sampleNetwork([
    {
      ...sampleInterface("10.0.1.5"),
      publicAddress: "198.18.0.5",
      foundBy: ["ip-10-0-1-5", "i-0123"],
      secondary: [{ address: "10.0.1.7", hostName: "ip-10-0-1-7", publicAddress: "198.18.0.7" }],
    },
  ]),
});
const [A, NS, PTR, TXT, AAAA, ANY] = [1, 2, 12, 16, 28, 255];

describe("DNS of a network's own names", () => {
  test("is answered with authority, byte for byte", async () => {
    const asked = query("IP-10-0-1-5.ec2.internal", A, { edns: 1232 });
    assert.equal(
      (await ask(asked, silent))?.toString("hex"),
      "abcd8580" +
        "0001000100000001" + // id, flags, counts
        asked.subarray(12, -11).toString("hex") + // the question as it was written
        "c00c00010001" +
        "0000003c" +
        "0004" +
        "0a000105" +
        "00" +
        "0029" +
        "1000" +
        "00000000" +
        "0000", // OPT
    );
  });

  // Name, type, code, the one answer's data.
  const cases: [string, number, number, string | undefined][] = [
    ["ip-10-0-1-5.ec2.internal", A, 0, "0a000105"],
    ["ip-10-0-1-5.ec2.internal", ANY, 0, "0a000105"],
    ["ip-10-0-1-5.ec2.internal", AAAA, 0, undefined],
    ["ip-10-0-1-5.ec2.internal", TXT, 0, undefined],
    ["ip-10-0-1-6.ec2.internal", A, 3, undefined],
    ["ip-10-0-1-6.ec2.internal", AAAA, 3, undefined],
    ["x.ip-10-0-1-5.ec2.internal", A, 3, undefined],
    ["ec2.internal", NS, 0, undefined],
    ["5.1.0.10.in-addr.arpa", PTR, 0, encodeName("ip-10-0-1-5.ec2.internal").toString("hex")],
    ["5.1.0.10.in-addr.arpa", A, 0, undefined],
    ["ip-10-0-1-7.ec2.internal", A, 0, "0a000107"],
    ["7.1.0.10.in-addr.arpa", PTR, 0, encodeName("ip-10-0-1-7.ec2.internal").toString("hex")],
    ["i-0123.ec2.internal", A, 0, "0a000105"],
    ["STS.amazonaws.com", A, 0, "a9fea9f0"],
    ["ec2.eu-west-1.api.aws", AAAA, 0, undefined],
    ["bucket.s3.amazonaws.com", A, 0, "a9fea9f0"],
    ["ec2-198-18-0-5.compute-1.amazonaws.com", A, 0, "0a000105"],
    ["ec2-198-18-0-7.compute-1.amazonaws.com", A, 0, "0a000107"],
    ["ec2-198-18-0-8.compute-1.amazonaws.com", A, 0, "0a020008"],
    ["ec2-198-18-0-9.compute-1.amazonaws.com", A, 0, "c6120009"],
    ["compute-1.amazonaws.com", A, 3, undefined],
  ];
  for (const [name, type, code, data] of cases)
    test(`answers type ${type} of ${name} with ${data ?? `code ${code} and no record`}`, async () => {
      const asked = query(name, type);
      const answer = await ask(asked, silent);
      assert.deepEqual(
        [
          answer?.readUInt16BE(2),
          answer?.readUInt16BE(6),
          answer?.subarray(asked.length + 12).toString("hex"),
        ],
        [0x8580 | code, data === undefined ? 0 : 1, data ?? ""],
      );
    });

  test("is refused, as everything is, where the network's resolver is switched off", async () => {
    const off = networkView({ ...sampleNetwork([sampleInterface("10.0.1.5")]), resolves: false });
    const about = {
      network: off,
      client: "10.0.1.5",
      transport: "udp",
      forwarder: silent,
      realAws: false,
    } as const;
    for (const name of ["ip-10-0-1-5.ec2.internal", "sts.amazonaws.com", "example.com"]) {
      const answer = await answerDns(query(name, A), about);
      assert.deepEqual([answer?.readUInt16BE(2), answer?.readUInt16BE(6)], [0x8185, 0], name);
    }
  });

  test("leads to the real AWS, where that is let in, by all names but those of what the region serves", async () => {
    const forwarded: string[] = [];
    const forwarder: DnsForwarder = {
      async ask(asked) {
        forwarded.push(asked.name);
        return asked.bytes;
      },
    };
    for (const name of ["s3.amazonaws.com", "sts.amazonaws.com"])
      await ask(query(name, A), forwarder, "udp", { realAws: true });
    assert.deepEqual(forwarded, ["s3.amazonaws.com"]);
  });

  test("says nothing to what is no query with one whole question", async () => {
    const whole = query("ip-10-0-1-5.ec2.internal", A);
    const with16 = (at: number, value: number) => {
      const copy = Buffer.from(whole);
      copy.writeUInt16BE(value, at);
      return copy;
    };
    const reply = with16(2, 0x8100);
    const notify = with16(2, 0x2000);
    const twoQuestions = with16(4, 2);
    const pointer = with16(12, 0xc00c);
    const tooLong = query(Array.from({ length: 5 }, () => "x".repeat(60)).join("."), A);
    for (const bytes of [
      reply,
      notify,
      twoQuestions,
      pointer,
      tooLong,
      whole.subarray(0, -1),
      whole.subarray(0, 11),
    ])
      assert.equal(await ask(bytes, silent), undefined, bytes.toString("hex"));
  });

  test("answers whatever arrives with silence or one reply to it, no longer than its sender takes", async () => {
    const upstream = { ask: () => Promise.resolve(Buffer.alloc(600)) };
    const arrives = damaged(query("ip-10-0-1-5.ec2.internal", A, { edns: 1232 }));
    await fc.assert(
      fc.asyncProperty(arrives, async (bytes) => {
        const reply = await ask(bytes, upstream);
        assert.ok((reply?.length ?? 0) <= (parseQuery(bytes)?.udpSize ?? 0));
        if (reply?.some((byte) => byte !== 0))
          assert.deepEqual([reply.readUInt16BE(0), reply[2]! & 0x80], [bytes.readUInt16BE(0), 0x80]);
      }),
      { numRuns: 5_000 },
    );
  });
});

describe("DNS of everything else", () => {
  test("is what the host's resolver says, whole, under the id that was asked with", async () => {
    await using upstream = await fakeResolver((asked) => replyTo(asked, "5db8d822"));
    const forwarder = dnsForwarder(() => [upstream.resolver]);
    for (const transport of ["udp", "tcp"] as const) {
      const asked = query("example.com", A, { edns: 1232 });
      const answer = await ask(asked, forwarder, transport);
      assert.deepEqual([answer?.readUInt16BE(0), answer?.subarray(-4).toString("hex")], [0xabcd, "5db8d822"]);
      assert.deepEqual(upstream.asked.at(-1)?.subarray(2), asked.subarray(2), "passed on as it was written");
    }
    assert.deepEqual(upstream.transports, ["udp", "tcp"]);
    assert.notEqual(upstream.asked[0]?.readUInt16BE(0), upstream.asked[1]?.readUInt16BE(0));
  });

  test("is cut to the bare question with the truncation flag when it is more than the client takes by UDP", async () => {
    await using upstream = await fakeResolver((asked) =>
      Buffer.concat([replyTo(asked, "5db8d822"), Buffer.alloc(700)]),
    );
    const forwarder = dnsForwarder(() => [upstream.resolver]);
    const small = await ask(query("example.com", A), forwarder);
    assert.deepEqual(
      small,
      Buffer.concat([Buffer.from("abcd83800001000000000000", "hex"), small?.subarray(12) ?? Buffer.of()]),
    );
    assert.equal(small?.length, query("example.com", A).length);
    for (const roomy of [
      ask(query("example.com", A, { edns: 1232 }), forwarder),
      ask(query("example.com", A), forwarder, "tcp"),
    ])
      assert.ok(((await roomy)?.length ?? 0) > 700);
    const tiny = await ask(query("example.com", A, { edns: 100 }), forwarder);
    assert.equal(
      tiny?.subarray(-11).toString("hex"),
      "0000291000000000000000",
      "who speaks EDNS is answered in kind",
    );
    assert.equal(tiny?.readUInt16BE(2), 0x8380, "a size below 512 means 512");
  });

  test("comes from the next resolver when one is silent, and fails when all are", async () => {
    await using dead = await fakeResolver(() => undefined);
    await using upstream = await fakeResolver((asked) => replyTo(asked, "5db8d822"));
    const both = dnsForwarder(() => [dead.resolver, upstream.resolver], { ...limits, tryMs: 30 });
    assert.equal((await ask(query("example.com", A), both))?.subarray(-4).toString("hex"), "5db8d822");
    const none = dnsForwarder(() => [dead.resolver], { ...limits, tryMs: 10 });
    for (const forwarder of [
      none,
      dnsForwarder(() => [], limits),
      dnsForwarder(() => [{ address: "127.0.0.1", port: 1 }], limits),
    ])
      for (const transport of ["udp", "tcp"] as const)
        assert.equal((await ask(query("example.com", A), forwarder, transport))?.readUInt16BE(2), 0x8182);
  });

  test("is asked first of the resolver that answered last, and of others once there are others", async () => {
    await using dead = await fakeResolver(() => undefined);
    await using upstream = await fakeResolver((asked) => replyTo(asked, "5db8d822"));
    await using later = await fakeResolver((asked) => replyTo(asked, "5db8d823"));
    let resolvers = [dead.resolver, upstream.resolver];
    const forwarder = dnsForwarder(() => resolvers, { ...limits, tryMs: 30 });
    for (let round = 0; round < 3; round += 1) await ask(query("example.com", A), forwarder);
    assert.deepEqual([dead.asked.length, upstream.asked.length], [1, 3]);
    resolvers = [later.resolver];
    assert.equal((await ask(query("example.com", A), forwarder))?.subarray(-4).toString("hex"), "5db8d823");
  });

  test("is not believed from a reply to another question or id", async () => {
    await using forger = await fakeResolver((asked) => {
      const wrongId = Buffer.from(replyTo(asked, "06060606"));
      wrongId.writeUInt16BE(asked.readUInt16BE(0) ^ 1, 0);
      const other = query("example.org", A);
      other.writeUInt16BE(asked.readUInt16BE(0), 0);
      return [wrongId, replyTo(other, "07070707"), asked, Buffer.of(1), replyTo(asked, "5db8d822")];
    });
    const answer = await ask(
      query("example.com", A),
      dnsForwarder(() => [forger.resolver], limits),
    );
    assert.equal(answer?.subarray(-4).toString("hex"), "5db8d822");
  });

  test("is not believed from anyone but the resolver, though they know question, id and port", async () => {
    for (const from of [loopback, "127.0.0.9"]) {
      const forger = createSocket("udp4").bind(0, from);
      await once(forger, "listening");
      await using upstream = await fakeResolver((asked, { port, address }) => {
        forger.send(replyTo(asked, "06060606"), port ?? 0, address);
        return undefined;
      });
      const answer = await ask(
        query("example.com", A),
        dnsForwarder(() => [upstream.resolver], { ...limits, tries: 1, tryMs: 100 }),
      );
      forger.close();
      assert.equal(answer?.readUInt16BE(2), 0x8182, "the resolver itself said nothing");
    }
  });

  test("is asked for from ports and with ids that nobody off the path can guess, and never kept", async () => {
    const seen: { port: number; id: number }[] = [];
    await using upstream = await fakeResolver((asked, { port = 0 }) => {
      seen.push({ port, id: asked.readUInt16BE(0) });
      return replyTo(asked, "5db8d822");
    });
    const forwarder = dnsForwarder(() => [upstream.resolver], limits);
    for (let round = 0; round < 64; round += 1) await ask(query("example.com", A), forwarder);
    assert.equal(seen.length, 64, "a forged answer that got through would serve one question");
    for (const part of ["port", "id"] as const) {
      const values = seen.map((one) => one[part]);
      const steps = values.slice(1).map((value, n) => value - (values[n] ?? 0));
      assert.ok(new Set(values).size > 56, `${part}s: ${String(values)}`);
      assert.ok(new Set(steps).size > 48, `${part}s: ${String(values)}`);
    }
  });

  test("is refused to a client that asks too much at once, and to nobody else", async () => {
    await using dead = await fakeResolver(() => undefined);
    const forwarder = dnsForwarder(() => [dead.resolver], {
      ...limits,
      tryMs: 200,
      tries: 1,
      inFlightPerClient: 2,
    });
    const asked = parsed(query("example.com", A));
    const greedy = Array.from({ length: 3 }, () => forwarder.ask(asked, "10.0.1.5", "udp"));
    const other = forwarder.ask(asked, "10.0.1.6", "udp");
    assert.equal((await greedy[2])?.readUInt16BE(2), 0x8182, "refused at once");
    await Promise.all([...greedy, other]);
    assert.equal(dead.asked.length, 3);
    await forwarder.ask(asked, "10.0.1.5", "udp");
    assert.equal(dead.asked.length, 4, "and may ask again afterwards");
  });
});

describe("DNS over TCP", () => {
  test("finds messages in whatever pieces they come", () => {
    const messages = [Buffer.from("one"), Buffer.alloc(0), Buffer.alloc(300, "x"), Buffer.from("last")];
    const stream = Buffer.concat(messages.map(encodeFrame));
    for (const size of [1, 2, 3, 7, stream.length]) {
      const found: Buffer[] = [];
      const read = readFrames((message) => found.push(Buffer.from(message)));
      for (let at = 0; at < stream.length; at += size) read(stream.subarray(at, at + size));
      assert.deepEqual(found, messages);
    }
  });
});

const limits: ForwarderLimits = { tries: 2, tryMs: 500, inFlight: 10, inFlightPerClient: 10 };
const silent: DnsForwarder = { ask: () => Promise.reject(new Error("nothing here is to be forwarded")) };

const ask = (
  message: Buffer,
  forwarder: DnsForwarder,
  transport: Transport = "udp",
  { realAws = false } = {},
) => answerDns(message, { network, client: "10.0.1.5", transport, forwarder, realAws });

const query = (name: string, type: number | undefined, { edns }: { edns?: number } = {}): Buffer => {
  const size = (edns ?? 0).toString(16).padStart(4, "0");
  return Buffer.concat([
    Buffer.from(`abcd010000010000000000${edns === undefined ? "00" : "01"}`, "hex"),
    encodeName(name),
    Buffer.from([0, type ?? 0, 0, 1]),
    Buffer.from(edns === undefined ? "" : `000029${size}000000000000`, "hex"),
  ]);
};

const parsed = (message: Buffer) => parseQuery(message) ?? assert.fail("a good query");

/** One A record. */
const replyTo = (asked: Buffer, address: string): Buffer => {
  const { question, id } = parsed(asked);
  const header = Buffer.from("000081800001000100000000", "hex");
  header.writeUInt16BE(id, 0);
  return Buffer.concat([header, question, Buffer.from(`c00c000100010000003c0004${address}`, "hex")]);
};

/** A resolver on loopback, by UDP and TCP, that answers as told: nothing, one message, or several. */
const fakeResolver = async (
  answer: (asked: Buffer, by: Partial<RemoteInfo>) => Buffer | Buffer[] | undefined,
) => {
  const asked: Buffer[] = [];
  const transports: Transport[] = [];
  const answersTo = (message: Buffer, transport: Transport, by: Partial<RemoteInfo> = {}) => {
    asked.push(Buffer.from(message));
    transports.push(transport);
    return [answer(message, by) ?? []].flat();
  };
  const udp = createSocket("udp4", (message: Buffer, from: RemoteInfo) => {
    for (const reply of answersTo(message, "udp", from)) udp.send(reply, from.port, from.address);
  }).bind(0, loopback);
  await once(udp, "listening");
  const { port } = udp.address();
  const tcp = createServer((socket) => {
    socket.on("error", () => {});
    socket.on(
      "data",
      readFrames((message) => {
        for (const reply of answersTo(message, "tcp")) socket.write(encodeFrame(reply));
      }),
    );
  }).listen(port, loopback);
  await once(tcp, "listening");
  const resolver: Resolver = { address: loopback, port };
  return {
    resolver,
    asked,
    transports,
    [Symbol.asyncDispose]: async () => {
      udp.close();
      tcp.close();
      await once(tcp, "close");
    },
  };
};
