import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { apiRelay, caServer } from "./api-relay.ts";
import { networkView } from "./network-view.ts";
import { sampleInterface, sampleNetwork } from "./sample-network.ts";

const limit = { timeout: 20_000 };
const guest = "127.0.0.5";
const network = networkView(sampleNetwork([sampleInterface(guest)], "vpc-7"));

test("what a guest sends reaches the API after who it is, and the answer the guest", limit, async (t) => {
  const { relay, api } = await scene(t);
  const heard: string[] = [];
  api.on("connection", (socket: Socket) => {
    socket.setEncoding("utf8").on("data", (text: string) => {
      heard.push(text);
      if (heard.join("").endsWith("?")) socket.end("answer");
    });
  });
  const socket = dial(relay);
  socket.write("question?");
  const [answer] = await once(socket.setEncoding("utf8"), "data");
  assert.equal(answer, "answer");
  assert.equal(heard.join(""), `{"address":"${guest}","network":"vpc-7"}\nquestion?`);
});

test("when either side goes, so does the other", limit, async (t) => {
  const { relay, api } = await scene(t);
  const arrival = once(api, "connection");
  const caller = dial(relay);
  const [arrived]: Socket[] = await arrival;
  caller.destroy();
  await once(arrived?.resume() ?? assert.fail("nobody arrived"), "close");
  api.on("connection", (socket: Socket) => socket.destroy());
  await once(dial(relay).resume(), "close");
});

test("without an API a guest is turned away", limit, async (t) => {
  const { relay, api } = await scene(t);
  api.close();
  await once(dial(relay).resume(), "close");
});

test("the authority is told to guests, as one file", async (t) => {
  const server = await listening(t, caServer(network, "-----PEM-----"));
  const get = async (path: string) => {
    const socket = dial(server);
    socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
    let heard = "";
    socket.setEncoding("utf8").on("data", (text: string) => (heard += text));
    await once(socket, "end");
    return heard;
  };
  assert.match(await get("/ca.pem"), /^HTTP\/1.1 200 OK[^]*-----PEM-----/);
  assert.match(await get("/"), /^HTTP\/1.1 404 /);
  assert.match(await get("/../tls/ca.key"), /^HTTP\/1.1 404 /);
});

const scene = async (t: TestContext) => {
  const directory = mkdtempSync(join(tmpdir(), "croft-relay-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const apiSocket = join(directory, "socket");
  const api = await listening(t, createServer(), { path: apiSocket });
  return { api, relay: await listening(t, apiRelay(network, apiSocket)) };
};

const listening = async (
  t: TestContext,
  server: Server,
  where: { path: string } | { host: string; port: number } = { host: guest, port: 0 },
): Promise<Server> => {
  server.listen(where);
  await once(server, "listening");
  t.after(() => server.close());
  return server;
};

const dial = (server: Server): Socket => {
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("not listening");
  const socket = connect({ host: guest, port: address.port, localAddress: guest });
  socket.on("error", () => {});
  return socket;
};
