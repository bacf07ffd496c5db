import assert from "node:assert/strict";
import { test } from "node:test";
import { isBucketName, isObjectKey, objectOf, objectUrl } from "./object-name.ts";

test("a bucket is called as S3 lets it be", () => {
  for (const name of ["abc", "my-exports", "a.b-c.9", "x".repeat(63)]) assert.ok(isBucketName(name), name);
  const wrong = [
    "ab",
    "x".repeat(64),
    "Exports",
    "a_b",
    "-abc",
    "abc-",
    ".abc",
    "abc.",
    "a..b",
    "..",
    "192.168.5.4",
  ];
  for (const name of [...wrong, "xn--abc", "abc-s3alias", "a/b", "a\nb", ""])
    assert.ok(!isBucketName(name), name);
});

test("a key is the path of a file below its bucket and of no other", () => {
  for (const key of ["ami-1.bin", "a/b c/ä.vmdk", ".hidden", "a/..b", "x".repeat(255)])
    assert.ok(isObjectKey(key), key);
  const wrong = ["", "/", "/etc/passwd", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", "a\0b", "a\nb"];
  for (const key of [...wrong, "x".repeat(256), "a/".repeat(600), "a/.croft-1"])
    assert.ok(!isObjectKey(key), key);
});

test("an object's URL names it again", () => {
  const name = { bucket: "exports", key: "a/b?c#d" };
  assert.deepEqual(objectOf(objectUrl(name)), name);
  for (const url of ["s3://exports", "https://exports/key", "file:///s3://a/b"])
    assert.equal(objectOf(url), undefined);
});
