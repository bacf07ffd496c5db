import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { Qmp, QmpError } from "./qmp.ts";
import type { QmpEvent } from "./qmp.ts";

const scratch = mkdtempSync(join(tmpdir(), "croft-qmp-"));
after(() => rmSync(scratch, { recursive: true }));
let count = 0;

const greeting = '{"QMP": {"version": {}, "capabilities": []}}\r\n';

/** A QEMU that answers by `answer`, given the command and its id; and the socket it spoke on last. */
const fakeQemu = async (
  answer: (command: string, id: number, socket: Socket) => string,
  hello = greeting,
) => {
  const path = join(scratch, `${count++}`);
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => {});
    socket.write(hello);
    socket.on("data", (data) => {
      for (const line of data.toString().trimEnd().split("\n")) {
        const { execute, id } = JSON.parse(line);
        socket.write(
          execute === "qmp_capabilities" ? `{"return": {}, "id": ${id}}\r\n` : answer(execute, id, socket),
        );
      }
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(path, resolve);
  });
  return {
    path,
    say: (text: string) => sockets.at(-1)?.write(text),
    [Symbol.dispose]: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
};

const soon = () => AbortSignal.timeout(5000);

describe("a conversation with QEMU", () => {
  test("gives each command its own answer, whatever comes between, and in whatever pieces", async () => {
    const held: number[] = [];
    using qemu = await fakeQemu((command, id, socket) => {
      if (command === "slow") {
        held.push(id);
        return '{"event": "STOP"}\r\n';
      }
      const answers = `{"return": "fast", "id": ${id}}\r\n{"return": "slow", "id": ${held[0]}}\r\n`;
      socket.write(answers.slice(0, 20));
      return answers.slice(20);
    });
    const qmp = await Qmp.connect(qemu.path, soon());
    const events: QmpEvent[] = [];
    qmp.onEvent((event) => events.push(event));
    const slow = qmp.execute("slow");
    assert.equal(await qmp.execute("fast"), "fast");
    assert.equal(await slow, "slow");
    assert.deepEqual(events, [{ event: "STOP" }]);
    qmp.close();
  });

  test("fails a command that QEMU refuses, with its words, and one that it does not answer", async () => {
    using qemu = await fakeQemu((command, id) =>
      command === "bad"
        ? `{"error": {"class": "GenericError", "desc": "no such thing"}, "id": ${id}}\r\n`
        : "",
    );
    const qmp = await Qmp.connect(qemu.path, soon());
    await assert.rejects(
      qmp.execute("bad"),
      (error) => error instanceof QmpError && error.message === "no such thing",
    );
    await assert.rejects(qmp.execute("mute", {}, { timeoutMs: 50 }), /mute: no answer in 50 ms/);
    qmp.close();
  });

  test("fails what is waited for when QEMU goes, and says that it is over", async () => {
    using qemu = await fakeQemu((_command, _id, socket) => (socket.destroy(), ""));
    const qmp = await Qmp.connect(qemu.path, soon());
    await assert.rejects(qmp.execute("quit"), /closed|ECONNRESET|EPIPE/);
    await qmp.closed;
    await assert.rejects(qmp.execute("query-status"), /not connected/);
  });

  test("does not begin where nobody listens, or nobody speaks", async () => {
    await assert.rejects(Qmp.connect(join(scratch, "nobody"), soon()), /ENOENT/);
    using mute = await fakeQemu(() => "", "");
    await assert.rejects(Qmp.connect(mute.path, AbortSignal.timeout(50)), /timeout/i);
  });

  test("ends when the peer sends what is no message, or one without end", async () => {
    for (const nonsense of ["hello\n", "[1]\nnull\n", `{"event": "${"x".repeat(9 * 1024 * 1024)}`]) {
      using qemu = await fakeQemu(() => "");
      const qmp = await Qmp.connect(qemu.path, soon());
      qemu.say(nonsense);
      await qmp.closed;
    }
  });
});
