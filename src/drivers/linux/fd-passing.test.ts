import assert from "node:assert/strict";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { receiveWithFds, sendWithFds } from "./fd-passing.ts";

const dir = mkdtempSync(join(tmpdir(), "croft-fd-"));
after(() => rmSync(dir, { recursive: true }));

const listen = (path: string, onConnection: (socket: Socket) => void) =>
  new Promise<Disposable>((resolve) => {
    const server = createServer((socket) => onConnection(socket.on("error", () => {})));
    server.listen(path, () => resolve({ [Symbol.dispose]: () => server.close() }));
  });

describe("descriptors passed over a Unix socket", () => {
  test("open the sender's files, and stay in order with what was written before", async () => {
    const path = join(dir, "order.sock");
    writeFileSync(join(dir, "a"), "contents of a");
    writeFileSync(join(dir, "b"), "contents of b");
    using _ = await listen(path, async (socket) => {
      const fds = ["a", "b"].map((name) => openSync(join(dir, name), "r"));
      socket.write("first,");
      await sendWithFds(socket, Buffer.from("second,"), fds);
      for (const fd of fds) closeSync(fd);
      await sendWithFds(socket, Buffer.from("third"), []);
      socket.end();
    });
    let text = "";
    const files: string[] = [];
    await receiveWithFds(
      path,
      (data, fds) => {
        text += data.toString();
        for (const fd of fds) {
          files.push(readFileSync(fd, "utf8"));
          closeSync(fd);
        }
      },
      new AbortController().signal,
    );
    assert.equal(text, "first,second,third");
    assert.deepEqual(files, ["contents of a", "contents of b"]);
  });

  test("arrive once with a message larger than the socket's buffer", async () => {
    const path = join(dir, "large.sock");
    const large = Buffer.alloc(3 * 1024 * 1024, "x");
    using _ = await listen(path, async (socket) => {
      const fd = openSync("/dev/null", "r");
      await sendWithFds(socket, large, [fd]);
      closeSync(fd);
      socket.end();
    });
    let bytes = 0;
    let passed = 0;
    const count = (data: Buffer, fds: number[]) => {
      bytes += data.length;
      passed += fds.length;
      for (const fd of fds) closeSync(fd);
    };
    await receiveWithFds(path, count, new AbortController().signal);
    assert.deepEqual({ bytes, passed }, { bytes: large.length, passed: 1 });
  });

  test("end when the receiver is told to stop, though the sender stays", async () => {
    const path = join(dir, "stop.sock");
    const sockets: Socket[] = [];
    using _ = await listen(path, (socket) => {
      sockets.push(socket);
      socket.write("hello");
    });
    const stop = new AbortController();
    await receiveWithFds(path, () => stop.abort(), stop.signal);
    for (const socket of sockets) socket.destroy();
  });

  test("fail when nobody listens, or the peer is gone", async () => {
    const never = new AbortController().signal;
    await assert.rejects(
      receiveWithFds(join(dir, "nobody.sock"), () => {}, never),
      /connect .*ENOENT/,
    );
    const path = join(dir, "gone.sock");
    const refused = Promise.withResolvers<void>();
    using _ = await listen(path, (socket) => {
      socket.destroy();
      refused.resolve(assert.rejects(sendWithFds(socket, Buffer.from("x"), []), /closed/));
    });
    await receiveWithFds(path, () => {}, never);
    await refused.promise;
  });
});
