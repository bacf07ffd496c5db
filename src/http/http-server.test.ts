import assert from "node:assert/strict";
import { request as send, Agent } from "node:http";
import { connect } from "node:net";
import { Readable } from "node:stream";
import { test } from "node:test";
import { setTimeout as passed } from "node:timers/promises";
import type { RefusedRequest } from "#api/answered-call.ts";
import { listen, type HttpRequest, type ListenOptions } from "./http-server.ts";

test("a call reaches the handler as it was sent, and the answer its caller", async () => {
  let seen: HttpRequest | undefined;
  await using server = await serve((request) => {
    seen = request;
    return { status: 202, headers: { "content-type": "text/xml" }, body: "<ünï/>" };
  });
  const answer = await call(server.port, { path: "/a%20b?x=%2B&y=1?2", body: "Action=✓" });
  assert.equal(answer.status, 202);
  assert.equal(answer.body, "<ünï/>");
  assert.equal(answer.headers["content-type"], "text/xml");
  assert.match(String(answer.headers["x-amzn-requestid"]), /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  assert(seen);
  const { method, path, query, body, requestId, remoteAddress, byTls } = seen;
  assert.deepEqual(
    { method, path, query, body: body.toString(), remoteAddress, byTls },
    {
      method: "POST",
      path: "/a%20b",
      query: "x=%2B&y=1?2",
      body: "Action=✓",
      remoteAddress: "127.0.0.1",
      byTls: false,
    },
  );
  assert.equal(requestId, answer.headers["x-amzn-requestid"]);
});

test("a body over the limit is refused, announced or not, and one at the limit is not", async () => {
  await using server = await serve(
    ({ body }) => ({ status: 200, headers: {}, body: String(body.length) }),
    1000,
  );
  assert.equal((await call(server.port, { body: "x".repeat(1000) })).body, "1000");
  for (const headers of [{}, { "transfer-encoding": "chunked" }]) {
    const answer = await call(server.port, { body: "x".repeat(1001), headers });
    assert.equal(answer.status, 413);
    assert.match(answer.body, /<Code>RequestEntityTooLarge<\/Code>/);
    assert.equal(answer.headers["connection"], "close");
  }
  assert.equal((await call(server.port, { body: "still here" })).status, 200);
});

test("a longer body is a stream where streams are taken, and an answer may be one", async () => {
  const sizes: number[] = [];
  await using server = await serve(
    ({ stream, body }) => {
      sizes.push(body.length);
      return { status: 200, headers: {}, body: stream ?? body };
    },
    1000,
    ({ path }) => path === "/object",
  );
  const long = "0123456789".repeat(50_000);
  for (const headers of [{}, { "transfer-encoding": "chunked" }])
    assert.equal((await call(server.port, { path: "/object", body: long, headers })).body, long);
  assert.equal((await call(server.port, { path: "/object", body: "short" })).body, "short");
  assert.deepEqual(sizes, [0, 0, 5]);
  assert.equal((await call(server.port, { path: "/other", body: long })).status, 413);
});

test("a stream that nobody reads, or that breaks off, harms only its own call", async () => {
  await using server = await serve(
    async ({ stream, query }) => {
      if (query === "leave") return { status: 400, headers: {}, body: "no" };
      if (query === "broken") return { status: 200, headers: {}, body: Readable.from(brokenOff()) };
      for await (const _ of stream ?? []) break;
      return { status: 400, headers: {}, body: "enough" };
    },
    1000,
    () => true,
  );
  const body = "x".repeat(50_000);
  assert.equal((await call(server.port, { path: "/?leave", body })).body, "no");
  assert.equal((await call(server.port, { path: "/", body })).body, "enough");
  await assert.rejects(call(server.port, { path: "/?broken" }));
  const socket = connect(server.port, "127.0.0.1");
  socket.write(`POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100000\r\n\r\n${body}`);
  await passed(20);
  socket.destroy();
  assert.equal((await call(server.port, { path: "/?leave" })).status, 400);
});

async function* brokenOff(): AsyncGenerator<Buffer> {
  yield Buffer.from("half");
  await passed(10);
  throw new Error("the disk is gone");
}

test("names that clients use are served; other names and other sites' pages are not", async () => {
  await using server = await serve(() => ({ status: 200, headers: {}, body: "" }));
  const statusFor = async (headers: Record<string, string>) => (await call(server.port, { headers })).status;
  for (const host of [
    "127.0.0.1:4566",
    "localhost",
    "LocalHost:80",
    "[::1]:4566",
    "s3.localhost",
    "ec2.us-east-1.amazonaws.com",
    "10.1.2.3",
  ])
    assert.equal(await statusFor({ host }), 200, host);
  for (const host of [
    "evil.example",
    "localhost.evil.example",
    "amazonaws.com.evil.example",
    "notamazonaws.com",
    "127.0.0.1.evil.example",
  ])
    assert.equal(await statusFor({ host }), 403, host);
  assert.equal(await statusFor({ host: "localhost", origin: "http://localhost:3000" }), 200);
  for (const origin of [
    "https://evil.example",
    "http://203.0.113.9",
    "null",
    "file://",
    "http://127.evil.example",
  ])
    assert.equal(await statusFor({ host: "localhost", origin }), 403, origin);
});

test("what is refused before anyone handles it is told of, with its source and id", async () => {
  const refused: RefusedRequest[] = [];
  const server = await listen({
    host: "127.0.0.1",
    port: 0,
    bodyLimitBytes: 1000,
    handle: () => ({ status: 200, headers: {}, body: "" }),
    refused: (request) => refused.push(request),
  });
  await using _ = { [Symbol.asyncDispose]: () => server.close() };
  await call(server.port, {});
  assert.equal(refused.length, 0);

  const answers = [
    await call(server.port, { body: "x".repeat(1001) }),
    await call(server.port, { headers: { host: "evil.example" } }),
    await call(server.port, { headers: { origin: "https://evil.example" } }),
  ];
  assert.deepEqual(
    refused.map(({ requestId, source, error }) => [requestId, source, error.code]),
    ["RequestEntityTooLarge", "AccessDenied", "AccessDenied"].map((code, index) => [
      answers[index]?.headers["x-amzn-requestid"],
      "127.0.0.1",
      code,
    ]),
  );
});

for (const [what, sent, status, code] of [
  ["what is no HTTP", "\u0016\u0003\u0001 hello\r\n\r\n", 400, "BadRequest"],
  ["a request with two lengths", head("content-length: 3\r\ncontent-length: 4"), 400, "BadRequest"],
  [
    "a request with both framings",
    head("content-length: 3\r\ntransfer-encoding: chunked"),
    400,
    "BadRequest",
  ],
  ["a line in a header", head("x: a\u0000b"), 400, "BadRequest"],
  ["headers without end", head(`x: ${"a".repeat(40_000)}`), 431, "RequestHeaderSectionTooLarge"],
] as const)
  test(`${what} is answered as its sender's fault, and told of`, async () => {
    const refused: RefusedRequest[] = [];
    const server = await listen({
      host: "127.0.0.1",
      port: 0,
      handle: () => assert.fail("handled"),
      refused: (request) => refused.push(request),
    });
    await using _ = { [Symbol.asyncDispose]: () => server.close() };
    const socket = connect(server.port, "127.0.0.1");
    socket.end(sent);
    const answer = Buffer.concat(await socket.toArray()).toString();
    assert.match(answer, new RegExp(`^HTTP/1.1 ${status} [^]*<Code>${code}</Code>[^]*$`));
    const [, id] = /^x-amzn-requestid: (.*)$/m.exec(answer) ?? [];
    assert.deepEqual(
      refused.map(({ requestId, source, error }) => [requestId, source, error.code]),
      [[id, "127.0.0.1", code]],
    );
  });

test("a broken request behind another makes no second answer", async () => {
  await using server = await serve(async () => {
    await passed(50);
    return { status: 200, headers: {}, body: "first" };
  });
  const socket = connect(server.port, "127.0.0.1");
  socket.write(`${head("content-length: 0")}not HTTP\r\n\r\n`);
  const answer = Buffer.concat(await socket.toArray()).toString();
  assert.equal(answer.match(/HTTP\/1\.1/g)?.length, 1);
});

function head(lines: string): string {
  return `POST / HTTP/1.1\r\nhost: localhost\r\n${lines}\r\n\r\n`;
}

test("what a handler throws is kept from the caller", async (context) => {
  const said = context.mock.method(console, "error", () => {});
  await using server = await serve(() => {
    throw new Error("secret");
  });
  const answer = await call(server.port, {});
  assert.equal(answer.status, 500);
  assert.match(answer.body, /<Code>InternalError<\/Code>/);
  assert.doesNotMatch(answer.body, /secret/);
  assert.deepEqual(said.mock.calls[0]?.arguments[0], `${String(answer.headers["x-amzn-requestid"])}:`);
});

test("a client that leaves in the middle harms nobody", async () => {
  await using server = await serve(({ body }) => ({ status: 200, headers: {}, body }));
  const socket = connect(server.port, "127.0.0.1");
  socket.write("POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\nhalf");
  await passed(20);
  socket.destroy();
  assert.equal((await call(server.port, { body: "whole" })).body, "whole");
});

test("closing lets a call end, closes what is idle, and waits a second at most", async () => {
  const slow = await serve(() => passed(100, { status: 200, headers: {}, body: "done" }));
  const agent = new Agent({ keepAlive: true });
  await call(slow.port, { agent });
  const underWay = call(slow.port, { agent });
  await passed(20);
  await slow.close();
  assert.equal((await underWay).body, "done");
  agent.destroy();

  const stuck = await serve(() => new Promise(() => {}));
  const lost = assert.rejects(call(stuck.port, {}));
  await passed(20);
  const started = performance.now();
  await stuck.close();
  assert(performance.now() - started < 1000);
  await lost;
});

test("an address that is taken is an error", async () => {
  await using server = await serve(() => ({ status: 200, headers: {}, body: "" }));
  await assert.rejects(
    listen({ host: "127.0.0.1", port: server.port, handle: () => assert.fail() }),
    /EADDRINUSE/,
  );
});

async function serve(
  handle: ListenOptions["handle"],
  bodyLimitBytes?: number,
  mayStream?: ListenOptions["mayStream"],
) {
  const limit = bodyLimitBytes === undefined ? {} : { bodyLimitBytes };
  const streams = mayStream ? { mayStream } : {};
  const server = await listen({ host: "127.0.0.1", port: 0, handle, ...limit, ...streams });
  return { ...server, [Symbol.asyncDispose]: () => server.close() };
}

interface Call {
  readonly path?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  readonly agent?: Agent;
}

function call(port: number, { path = "/", headers = {}, body = "", agent }: Call) {
  return new Promise<{ status: number | undefined; headers: Record<string, unknown>; body: string }>(
    (resolve, reject) => {
      const request = send({
        host: "127.0.0.1",
        port,
        path,
        method: "POST",
        headers,
        ...(agent ? { agent } : {}),
      });
      request.on("error", reject);
      request.on("response", (response) => {
        response.toArray().then(
          (chunks) =>
            resolve({
              status: response.statusCode,
              headers: response.headers,
              body: Buffer.concat(chunks).toString(),
            }),
          reject,
        );
      });
      request.end(body);
    },
  );
}
