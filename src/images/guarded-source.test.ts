import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { temporaryDirectory } from "#testing/temporary-directory.ts";
import { openGuarded, type SourceGuard } from "./guarded-source.ts";
import { ImportRefused } from "./import-refused.ts";

const signal = new AbortController().signal;

async function read(source: string, guard: SourceGuard): Promise<string> {
  await using opened = await openGuarded(source, guard, signal);
  const chunks: Uint8Array[] = [];
  for await (const chunk of opened.chunks) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

test("a file is read below the named directory, and nowhere else, by whatever way", async (t) => {
  const dir = await temporaryDirectory(t);
  const directory = join(dir, "imports");
  await mkdir(join(directory, "sub dir"), { recursive: true });
  await writeFile(join(directory, "sub dir", "disk"), "bytes");
  await writeFile(join(dir, "secret"), "secret");
  await symlink(join(dir, "secret"), join(directory, "link"));
  await symlink(dir, join(directory, "up"));
  await symlink("sub dir/disk", join(directory, "inner"));
  const guard = { directory, networks: [] };
  assert.equal(await read("file:///sub%20dir/disk", guard), "bytes");
  assert.equal(await read("file:///inner", guard), "bytes");
  for (const source of [
    "file:///link",
    "file:///up/secret",
    "file:///../secret",
    "file:///%2e%2e/secret",
    "file:///..%2fsecret",
    "file:///sub%20dir%2f..%2f..%2fsecret",
    "file:///absent",
    "file:///",
    "file:///sub%20dir",
    "file:///%zz",
    "file:///disk%00",
    `file://${dir}/secret`,
    "file:///etc/passwd",
    "file://elsewhere/inner",
  ])
    await assert.rejects(
      read(source, guard),
      { name: "ImportRefused", message: /^there is no file .* in the directory of imports$/ },
      source,
    );
  await assert.rejects(read("file:///inner", { networks: [] }), /no directory is named/);
});

test("nothing is fetched from this host, its networks or link-local addresses, unless it is allowed", async (t) => {
  const { port } = await server(t, (url) => (url === "/disk" ? [200, "bytes"] : [404, ""]));
  const allowed = { networks: ["127.0.0.0/8"] };
  assert.equal(await read(`http://127.0.0.1:${port}/disk`, allowed), "bytes");
  assert.equal(
    await read(`http://localhost:${port}/disk`, { networks: ["127.0.0.0/8", "::1/128"] }),
    "bytes",
  );
  await assert.rejects(read(`http://127.0.0.1:${port}/other`, allowed), /the server answers 404/);
  for (const host of [
    `127.0.0.1:${port}`,
    `localhost:${port}`,
    `2130706433:${port}`,
    `0x7f.1:${port}`,
    `[::1]:${port}`,
    `[::ffff:127.0.0.1]:${port}`,
    "169.254.169.254",
    "10.0.0.1",
    "192.168.1.1",
    "172.31.0.1",
    "100.64.0.1",
    "198.18.0.1",
    "0.0.0.0",
    "[fe80::1]",
    "[fd00::1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::1]",
  ])
    await assert.rejects(
      read(`http://${host}/disk`, { networks: [] }),
      { name: "ImportRefused", message: /is no address of the internet/ },
      host,
    );
});

test("a server that leads on leads nowhere that could not be asked for, and not for ever", async (t) => {
  const inner = await server(t, () => [200, "secret"]);
  const to: Record<string, string> = {
    "/private": `http://127.0.0.2:${inner.port}/`,
    "/file": "file:///etc/passwd",
    "/round": "/round",
    "/disk": "/there",
  };
  const { port } = await server(t, (url) => (to[url] === undefined ? [200, "bytes"] : [302, to[url]]));
  const guard = { networks: ["127.0.0.1/32"] };
  const from = (path: string) => read(`http://127.0.0.1:${port}${path}`, guard);
  assert.equal(await from("/disk"), "bytes");
  await assert.rejects(from("/private"), /127\.0\.0\.2 is no address of the internet/);
  await assert.rejects(from("/file"), /not by file/);
  await assert.rejects(from("/round"), /more than 5 times/);
  await assert.rejects(read("ftp://127.0.0.1/", guard), ImportRefused);
});

/** `answers` says the status and the body, or where it leads. */
async function server(t: TestContext, answers: (url: string) => readonly [number, string]) {
  const http = createServer((request, response) => {
    const [status, text] = answers(request.url ?? "");
    response.writeHead(status, status === 302 ? { location: text } : {}).end(text);
  }).listen(0, "0.0.0.0");
  await once(http, "listening");
  t.after(() => http.close());
  return http.address() as AddressInfo;
}
