import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import type { Server, Socket } from "node:net";
import { after, before, describe, test } from "node:test";
import * as fc from "fast-check";
import { limitConnections } from "./connection-limit.ts";
import { damaged } from "./damaged.ts";
import { imdsServer } from "./imds-server.ts";
import { networkView } from "./network-view.ts";
import { sampleInterface, sampleNetwork } from "./sample-network.ts";
import { sessionTokens } from "./session-token.ts";

const [one, other, stranger] = ["127.0.0.5", "127.0.0.6", "127.0.0.7"] as const;

describe("the metadata server", () => {
  let server: Server;
  let close: () => void;
  before(async () => {
    const network = networkView(sampleNetwork([sampleInterface(one), sampleInterface(other)]));
    server = imdsServer(
      network,
      sessionTokens(Date.now, () => "a key"),
    );
    close = limitConnections(server, 4, (address) => network.byAddress(address) !== undefined);
    await once(server.listen(0, "127.0.0.1"), "listening");
  });
  after(() => close());

  const dial = (from: string): Socket => {
    const address = server.address();
    assert.ok(typeof address === "object" && address);
    return connect({ host: "127.0.0.1", port: address.port, localAddress: from }).on("error", () => {});
  };
  /** Everything that comes back until the server hangs up. */
  const say = async (from: string, text: string | Buffer, then?: "and hang up"): Promise<string> => {
    const socket = dial(from);
    if (then) socket.end(text);
    else socket.write(text);
    let heard = "";
    socket.on("data", (chunk) => (heard += String(chunk)));
    await new Promise((resolve) => socket.on("close", resolve));
    return heard;
  };
  const last = "Host: 169.254.169.254\r\nConnection: close\r\n\r\n";
  const idPath = "/latest/meta-data/instance-id";

  test("answers as AWS's does, each interface by its own source address", async () => {
    const answer = await say(one, `GET ${idPath} HTTP/1.1\r\n${last}`);
    assert.match(
      answer,
      /^HTTP\/1\.1 200 OK\r\nServer: EC2ws\r\nContent-Length: 3\r\nContent-Type: text\/plain\r\nAccept-Ranges: none\r\n/,
    );
    assert.match(answer, /\r\n\r\ni-5$/);
    assert.match(await say(other, `GET ${idPath} HTTP/1.1\r\n${last}`), /\r\n\r\ni-6$/);
    assert.match(await say(one, `HEAD ${idPath} HTTP/1.1\r\n${last}`), /Content-Length: 3\r\n[^]*\r\n\r\n$/);
  });

  test("says nothing to an address that no interface has", async () => {
    assert.equal(await say(stranger, `GET ${idPath} HTTP/1.1\r\n${last}`), "");
  });

  test("gives one address so many connections and no more, and takes none from the others", async () => {
    const held = Array.from({ length: 4 }, () => dial(one));
    await Promise.all(held.map((socket) => once(socket, "connect")));
    assert.equal(await say(one, `GET ${idPath} HTTP/1.1\r\n${last}`), "");
    assert.match(await say(other, `GET ${idPath} HTTP/1.1\r\n${last}`), /i-6$/);
    for (const socket of held) socket.destroy();
    // The server notices in its own time.
    let again = "";
    while (again === "") again = await say(one, `GET ${idPath} HTTP/1.1\r\n${last}`);
    assert.match(again, /i-5$/);
  });

  test("hangs up on whoever sends what it does not take", async () => {
    assert.match(await say(one, `GET / HTTP/1.1\r\nX: ${"x".repeat(9000)}\r\n${last}`), /^HTTP\/1\.1 431 /);
    assert.match(await say(one, "\u0016\u0003\u0001"), /^HTTP\/1\.1 400 /);
    const body = "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    assert.match(await say(one, `PUT /latest/api/token HTTP/1.1\r\nHost: x\r\n${body}`), /^HTTP\/1\.1 400 /);
    assert.match(await say(one, `GET ${idPath} HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n`), /i-5$/);
  });

  test("answers whatever bytes arrive or hangs up, and then serves the next", async () => {
    const arrives = damaged(Buffer.from(`PUT /latest/api/token HTTP/1.1\r\nX-Forwarded-For: x\r\n${last}`));
    await fc.assert(
      fc.asyncProperty(arrives, async (bytes) => {
        const heard = await say(one, bytes, "and hang up");
        assert.match(heard, /^($|HTTP\/1\.1 4\d\d )/);
      }),
      { numRuns: 300 },
    );
    assert.match(await say(one, `GET ${idPath} HTTP/1.1\r\n${last}`), /i-5$/);
  });

  test("waits for no request longer than some seconds", async () => {
    const start = performance.now();
    const heard = await Promise.all([say(one, ""), say(one, "GET / HTTP/1.1\r\n"), say(other, "GET")]);
    assert.ok(performance.now() - start < 12_000);
    for (const answer of heard) assert.doesNotMatch(answer, / 200 /);
  });
});
