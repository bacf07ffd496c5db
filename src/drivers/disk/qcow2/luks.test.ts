import assert from "node:assert/strict";
import { test } from "node:test";
import { decryptSectors, luksHeader, luksMasterKey } from "./luks.ts";

const passphrase = "ab".repeat(64);

test("a header has a master key of its own, which its passphrase opens and no other", () => {
  const [one, other] = [luksHeader(passphrase), luksHeader(passphrase)];
  assert.equal(luksMasterKey(one, passphrase).length, 64);
  assert.deepEqual(luksMasterKey(one, passphrase), luksMasterKey(one, passphrase));
  assert.notDeepEqual(luksMasterKey(one, passphrase), luksMasterKey(other, passphrase));
  assert.throws(() => luksMasterKey(one, "cd".repeat(64)), /not that of the file/);
  assert.ok(!one.includes(luksMasterKey(one, passphrase)));
});

test("the same bytes are others at another place", () => {
  const key = luksMasterKey(luksHeader(passphrase), passphrase);
  const zeros = Buffer.alloc(1024);
  const decrypted = decryptSectors(key, zeros, 65_536);
  assert.notDeepEqual(decrypted.subarray(0, 512), decrypted.subarray(512));
  assert.deepEqual(decryptSectors(key, zeros.subarray(0, 512), 66_048), decrypted.subarray(512));
});
