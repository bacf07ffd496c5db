import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { BLOCK_BYTES } from "../disk-driver.ts";
import { createFakeDisks } from "../fake/fake-disks.ts";
import { connectSnapshots } from "./connect-snapshots.ts";
import { serveSnapshots } from "./serve-snapshots.ts";

async function servedDisks(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), "croft-snapshots-"));
  const socketPath = join(directory, "socket");
  const disks = createFakeDisks();
  await disks.ensure({ id: "vol-a", sizeGiB: 1 });
  for (const [n, text] of ["first", "second"].entries()) {
    disks.write("vol-a", text, 7);
    await disks.snapshot(`snap-${n}`, "vol-a");
  }
  const log: string[] = [];
  const serve = () =>
    serveSnapshots(disks, { socketPath, uid: process.getuid?.() ?? 0, log: (line) => void log.push(line) });
  let server = await serve();
  t.after(async () => {
    await server.close();
    rmSync(directory, { recursive: true });
  });
  const restart = async () => {
    await server.close();
    server = await serve();
  };
  return { disks, socketPath, log, restart, served: connectSnapshots(socketPath) };
}

test("another program reads of snapshots what their host does, and nobody else may", async (t) => {
  const { disks, socketPath, served } = await servedDisks(t);
  assert.equal(statSync(socketPath).mode & 0o777, 0o600);
  assert.deepEqual(await served.blocks("snap-1"), [[7, 1]]);
  assert.deepEqual(await served.difference("snap-1", "snap-0"), { runs: [[7, 1]], related: true });
  for (const index of [7, 8])
    assert.deepEqual(await served.readBlock("snap-1", index), await disks.readBlock("snap-1", index));
});

test("another program writes blocks of a disk, and is told what is written", async (t) => {
  const { disks, served } = await servedDisks(t);
  const block = Buffer.alloc(BLOCK_BYTES, "a");
  await served.writeBlock("vol-a", 3, block);
  assert.deepEqual(await served.written("vol-a"), await disks.written("vol-a"));
  assert.equal((await served.written("vol-a")).count, 1);
  await disks.snapshot("snap-2", "vol-a");
  assert.ok((await served.readBlock("snap-2", 3)).equals(block));
  await assert.rejects(served.writeBlock("vol-none", 3, block), /no disk vol-none/);
  await assert.rejects(served.writeBlock("vol-a", 3, block.subarray(1)), /404/);
});

test("what cannot be read is told to both", async (t) => {
  const { served, log } = await servedDisks(t);
  await assert.rejects(served.blocks("snap-9"), /no snapshot snap-9/);
  assert.match(log.join(), /no snapshot snap-9/);
});

test("a host that was away is read again; meanwhile nothing waits", async (t) => {
  const { served, restart } = await servedDisks(t);
  await assert.rejects(connectSnapshots("/nowhere").blocks("snap-1"), { code: "ENOENT" });
  await served.blocks("snap-1");
  await restart();
  assert.deepEqual(await served.blocks("snap-1"), [[7, 1]]);
});

test("only what is served is answered", async (t) => {
  const { socketPath } = await servedDisks(t);
  const status = (method: string, path: string) =>
    new Promise((resolve, reject) => {
      const asked = request({ socketPath, method, path }, (it) => resolve(it.resume().statusCode));
      asked.on("error", reject).end();
    });
  for (const path of ["/", "/snap-1", "/snap-1/blocks/x", "/snap-1/blocks/7/8", "/../vol-a/blocks/1"])
    assert.equal(await status("GET", path), 404, path);
  assert.equal(await status("DELETE", "/snap-1/blocks"), 404);
});
