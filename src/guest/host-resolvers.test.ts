import assert from "node:assert/strict";
import { renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryDirectory } from "#testing/temporary-directory.ts";
import { readResolvers, watchResolvers } from "./host-resolvers.ts";

test("the host's resolvers are those that resolv.conf names, or its own", async (t) => {
  const file = join(await temporaryDirectory(t), "resolv.conf");
  const addresses = (text: string) => {
    writeFileSync(file, text);
    return readResolvers(file).map(({ address }) => address);
  };
  assert.deepEqual(
    addresses(
      "# by hand\nsearch example.net\nnameserver 192.0.2.1 # first\nnameserver\t2001:db8::1\n;nameserver 192.0.2.9\nnameserver nonsense\n",
    ),
    ["192.0.2.1", "2001:db8::1"],
  );
  assert.deepEqual(addresses(""), ["127.0.0.1"]);
  rmSync(file);
  assert.deepEqual(readResolvers(file), [{ address: "127.0.0.1", port: 53 }]);
});

test("a change of resolv.conf is noticed, also behind a link", { timeout: 10_000 }, async (t) => {
  const directory = await temporaryDirectory(t);
  const [link, real] = [join(directory, "resolv.conf"), join(directory, "stub.conf")];
  writeFileSync(real, "nameserver 192.0.2.1\n");
  symlinkSync(real, link);
  const told = Promise.withResolvers<unknown>();
  const stop = watchResolvers(told.resolve, { file: link, everyMs: 20 });
  writeFileSync(`${real}.new`, "search example.net\nnameserver 192.0.2.1\n");
  renameSync(`${real}.new`, real);
  t.after(stop);
  const waiting = setInterval(() => writeFileSync(real, "nameserver 192.0.2.2\n"), 100);
  t.after(() => clearInterval(waiting));
  assert.deepEqual(await told.promise, [{ address: "192.0.2.2", port: 53 }]);
});
