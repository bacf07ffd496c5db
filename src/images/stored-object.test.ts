import assert from "node:assert/strict";
import { open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryDirectory } from "#testing/temporary-directory.ts";
import { readStored, storedBeginning } from "./stored-object.ts";

const objectOf = (head: string, parts: readonly string[]): Buffer => {
  const { beginning, parts: places } = storedBeginning(
    head,
    parts.map((it) => it.length),
  );
  const last = places.at(-1) ?? { offset: 0, bytes: beginning.length };
  const whole = Buffer.alloc(last.offset + last.bytes);
  beginning.copy(whole);
  for (const [n, { offset }] of places.entries()) whole.write(parts[n] ?? "", offset);
  return whole;
};

test("what an object was made of is read from it", async (t) => {
  const path = join(await temporaryDirectory(t), "object");
  const bytes = objectOf("ä head", ["first", "second"]);
  await writeFile(path, bytes);
  await using file = await open(path);
  const { head, parts } = await readStored(file);
  assert.equal(head, "ä head");
  assert.deepEqual(
    parts.map((it) => [it.offset % 65_536, bytes.toString("utf8", it.offset, it.offset + it.bytes)]),
    [
      [0, "first"],
      [0, "second"],
    ],
  );
});

test("whatever is none, is cut short or names bytes that it does not have is refused", async (t) => {
  const path = join(await temporaryDirectory(t), "object");
  const whole = objectOf("head", ["first", "second"]);
  const changed = (change: (bytes: Buffer) => unknown) => {
    const bytes = Buffer.from(whole);
    change(bytes);
    return bytes;
  };
  const wrong: readonly Buffer[] = [
    Buffer.alloc(0),
    Buffer.from("croft object 1\n\0"),
    Buffer.from("QFI\xfb".padEnd(100_000, "x"), "latin1"),
    whole.subarray(0, -1),
    Buffer.concat([whole, Buffer.alloc(1)]),
    changed((it) => it.writeUInt32BE(2 ** 32 - 1, 16)),
    changed((it) => it.writeUInt32BE(2 ** 32 - 1, 20)),
    changed((it) => it.writeUInt32BE(1, 20)),
    changed((it) => it.writeBigUInt64BE(2n ** 64n - 1n, 24)),
    changed((it) => it.writeBigUInt64BE(0n, 32)),
    objectOf("head", ["first", ""]),
  ];
  for (const [n, bytes] of wrong.entries()) {
    await writeFile(path, bytes);
    await using file = await open(path);
    await assert.rejects(readStored(file), { name: "ImportRefused" }, String(n));
  }
});
