import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { connect as connectTls } from "node:tls";
import { setTimeout as passed } from "node:timers/promises";
import { layout } from "#config.ts";
import { makeAwsTls, readAwsTls } from "#setup/region-tls.ts";
import type { HttpRequest } from "./http-server.ts";
import { listenForRelay } from "./relayed-server.ts";

const limit = { timeout: 20_000 };
const hello = '{"address":"10.0.1.5","network":"vpc-1"}\n';

test(
  "a call by an AWS name is answered, and shows who called, however its bytes arrive",
  limit,
  async (t) => {
    const scene = await relayed(t);
    for (const pieces of [[hello], hello.split(""), [hello.slice(0, 7), hello.slice(7)]]) {
      assert.match(await scene.call(pieces), /^HTTP\/1.1 200 OK\r\n[^]*hello$/);
      const { remoteAddress, network, path, byTls } = scene.seen.pop() ?? {};
      assert.deepEqual(
        { remoteAddress, network, path, byTls },
        { remoteAddress: "10.0.1.5", network: "vpc-1", path: "/x", byTls: true },
      );
    }
  },
);

test("a connection that does not begin with who calls is closed", limit, async (t) => {
  const { socketPath, seen } = await relayed(t);
  for (const bytes of [
    "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    '{"address":"nobody","network":"vpc-1"}\n',
    '{"address":"10.0.1.5"}\n',
    "{}\n",
    "null\n",
    "x".repeat(1000),
  ]) {
    const socket = connect(socketPath);
    socket.on("error", () => {});
    socket.write(bytes);
    await once(socket.resume(), "close");
  }
  assert.deepEqual(seen, []);
});

test("a caller that speaks no TLS gets no answer", limit, async (t) => {
  const { socketPath, seen } = await relayed(t);
  const socket = connect(socketPath);
  socket.on("error", () => {});
  let heard = "";
  socket.setEncoding("latin1").on("data", (text: string) => (heard += text));
  socket.write(`${hello}GET /x HTTP/1.1\r\nHost: sts.amazonaws.com\r\n\r\n`);
  await once(socket, "close");
  assert.doesNotMatch(heard, /HTTP/);
  assert.deepEqual(seen, []);
});

test("a caller that begins no TLS is not waited for without end", limit, async (t) => {
  const { socketPath, seen } = await relayed(t, { handshakeMs: 50 });
  const socket = connect(socketPath);
  socket.write(hello);
  await once(socket.resume(), "close");
  assert.deepEqual(seen, []);
});

test("a web page is refused", limit, async (t) => {
  const { call } = await relayed(t);
  assert.match(await call([hello], "Origin: https://example.com\r\n"), /^HTTP\/1.1 403 /);
});

const relayed = async (t: TestContext, options: { handshakeMs?: number } = {}) => {
  const dataDir = mkdtempSync(join(tmpdir(), "croft-relayed-"));
  t.after(() => rmSync(dataDir, { recursive: true }));
  const socketPath = join(dataDir, "socket");
  makeAwsTls(dataDir, { region: "us-east-1" });
  const seen: HttpRequest[] = [];
  const server = await listenForRelay({
    ...options,
    socketPath,
    tls: readAwsTls(dataDir),
    handle(request) {
      seen.push(request);
      return { status: 200, headers: {}, body: "hello" };
    },
  });
  t.after(() => server.close());
  const ca = readFileSync(layout(dataDir).tls.ca);

  const call = async (pieces: readonly string[], headers = ""): Promise<string> => {
    const socket = connect(socketPath);
    for (const piece of pieces) {
      socket.write(piece);
      if (pieces.length > 1) await passed(1);
    }
    const secure = connectTls({ socket, servername: "sts.eu-west-1.amazonaws.com", ca });
    secure.write(
      `GET /x HTTP/1.1\r\nHost: sts.eu-west-1.amazonaws.com\r\n${headers}Connection: close\r\n\r\n`,
    );
    let heard = "";
    secure.setEncoding("utf8").on("data", (text: string) => (heard += text));
    await once(secure, "end");
    return heard;
  };
  return { socketPath, seen, call };
};
