import assert from "node:assert/strict";
import { test } from "node:test";
import { isPassword, passwordHash } from "./password-hash.ts";

test("a password is known again by what is kept of it, which is another each time", async () => {
  const [one, two] = await Promise.all([passwordHash("hunter2"), passwordHash("hunter2")]);
  assert.match(one, /^scrypt\$16384\$8\$5\$/);
  assert.notEqual(one, two);
  assert.ok((await isPassword("hunter2", one)) && (await isPassword("hunter2", two)));
  assert.ok(!(await isPassword("hunter3", one)));
});

test("hashes of another cost are read as well", async () => {
  // RFC 7914, section 12: its last but two, of which the first 32 bytes are kept.
  const salt = Buffer.from("NaCl").toString("base64");
  const key = Buffer.from("fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162", "hex");
  assert.ok(await isPassword("password", `scrypt$1024$8$16$${salt}$${key.toString("base64")}`));
});
