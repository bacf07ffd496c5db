import assert from "node:assert/strict";
import { link, mkdir, readdir, readFile, rename, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { temporaryDirectory } from "#testing/temporary-directory.ts";
import { NoSuchObject, openObject, putObject, removeObject } from "./bucket-folder.ts";

const id = "export-1";

async function scene(t: TestContext) {
  const dir = await temporaryDirectory(t);
  const [directory, bucket] = [join(dir, "buckets"), join(dir, "buckets", "mine")];
  await mkdir(bucket, { recursive: true });
  await writeFile(join(dir, "secret"), "secret");
  const put = (key: string, text: string, bytes = text.length) =>
    putObject(directory, { bucket: "mine", key }, { id, bytes }, (file) => file.writeFile(text));
  const read = async (key: string) => {
    await using file = await openObject(directory, { bucket: "mine", key });
    return (await file.readFile()).toString();
  };
  return { dir, directory, bucket, put, read };
}

test("an object is a file of its owner's alone, and takes the place of an earlier one", async (t) => {
  const { bucket, put, read } = await scene(t);
  await put("a/b/disk.raw", "first");
  await put("a/b/disk.raw", "second");
  assert.equal(await read("a/b/disk.raw"), "second");
  const [file, folder, owner] = [
    await stat(join(bucket, "a/b/disk.raw")),
    await stat(join(bucket, "a")),
    await stat(bucket),
  ];
  assert.deepEqual([file.mode & 0o777, folder.mode & 0o777], [0o600, 0o700]);
  assert.deepEqual([file.uid, folder.uid], [owner.uid, owner.uid]);
  assert.deepEqual(await readdir(join(bucket, "a/b")), ["disk.raw"]);
});

test("one that is not written to its end is not there, and nothing of it", async (t) => {
  const { directory, bucket, put, read } = await scene(t);
  await put("disk", "whole");
  const name = { bucket: "mine", key: "disk" };
  const half = putObject(directory, name, { id, bytes: 1 }, async (file) => {
    await file.writeFile("ha");
    throw new Error("no more");
  });
  await assert.rejects(half, /no more/);
  assert.deepEqual([await read("disk"), await readdir(bucket)], ["whole", ["disk"]]);
  await writeFile(join(bucket, ".croft-export-1"), "of a program that was killed");
  await put("disk", "new");
  assert.deepEqual([await read("disk"), await readdir(bucket)], ["new", ["disk"]]);
  await assert.rejects(put("disk", "", 2 ** 60), /has room for/);
});

test("no link leads out of a bucket, neither to be read nor to be written", async (t) => {
  const { dir, directory, bucket, put, read } = await scene(t);
  await symlink(join(dir, "secret"), join(bucket, "link"));
  await symlink(dir, join(bucket, "up"));
  await symlink(dir, join(directory, "linked"));
  await mkdir(join(bucket, "folder"));
  for (const key of [
    "link",
    "up/secret",
    "../secret",
    "folder",
    "folder/../../secret",
    "absent",
    "absent/file",
  ])
    await assert.rejects(read(key), NoSuchObject, key);
  const elsewhere = openObject(directory, { bucket: "linked", key: "secret" });
  await assert.rejects(elsewhere, { lacks: "bucket" });
  await put("link", "mine");
  await assert.rejects(put("up/secret", "mine"), /up is no folder in the bucket/);
  await assert.rejects(put("folder", "mine"), /folder is a folder in the bucket/);
  assert.deepEqual([await read("link"), await readFile(join(dir, "secret"), "utf8")], ["mine", "secret"]);
  await assert.rejects(openObject(undefined, { bucket: "mine", key: "link" }), { lacks: "bucket" });
});

test("a folder that becomes a link while an object is written leads its bytes nowhere else", async (t) => {
  const { dir, directory, bucket } = await scene(t);
  await mkdir(join(dir, "other"));
  await putObject(directory, { bucket: "mine", key: "a/disk" }, { id, bytes: 1 }, async (file) => {
    await rename(join(bucket, "a"), join(bucket, "moved"));
    await symlink(join(dir, "other"), join(bucket, "a"));
    await file.writeFile("bytes");
  });
  assert.deepEqual([await readdir(join(dir, "other")), await readdir(join(bucket, "moved"))], [[], ["disk"]]);
});

test("what is taken away again is what was left half, and a whole one only when it is told so", async (t) => {
  const { directory, bucket, put } = await scene(t);
  const name = { bucket: "mine", key: "disk" };
  await put("disk", "whole");
  await link(join(bucket, "disk"), join(bucket, ".croft-export-1"));
  await removeObject(directory, name, { id, whole: false });
  assert.deepEqual(await readdir(bucket), ["disk"]);
  for (const _ of "ab") await removeObject(directory, name, { id, whole: true });
  assert.deepEqual(await readdir(bucket), []);
  await removeObject(directory, { bucket: "none", key: "disk" }, { id, whole: true });
});
