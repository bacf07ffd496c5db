import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { makeIdentityKey, readIdentityKey } from "#setup/identity-key.ts";
import { settle, writeSettings } from "#setup/region-settings.ts";
import { identitySigner, type SignIdentity } from "./identity-signature.ts";

// As "Verify the instance identity document" of the EC2 guide has it done.
describe("an identity document's signatures", () => {
  const dir = mkdtempSync(join(tmpdir(), "croft-signed-"));
  const document = JSON.stringify({ instanceId: "i-0123456789abcdef0", text: "é".repeat(300) }, null, 2);
  let sign: SignIdentity;

  before(() => {
    writeSettings(
      dir,
      settle(undefined, {}, () => "198.18.0.0/16"),
    );
    makeIdentityKey(dir, "us-east-1");
    const key = readIdentityKey(dir);
    sign = identitySigner(key);
    file("certificate", key.certificate);
    file("key", new X509Certificate(key.certificate).publicKey.export({ type: "spki", format: "pem" }));
  });
  after(() => rmSync(dir, { recursive: true }));

  const file = (name: string, content: string | Buffer): string => {
    writeFileSync(join(dir, name), content);
    return join(dir, name);
  };
  const openssl = (...args: string[]) => spawnSync("openssl", args, { cwd: dir, encoding: "utf8" });
  const verifyEnvelope = (pkcs7: string) => {
    file("pkcs7", `-----BEGIN PKCS7-----\n${pkcs7}\n-----END PKCS7-----\n`);
    const input = ["-in", "pkcs7", "-inform", "PEM"];
    return openssl("smime", "-verify", ...input, "-certfile", "certificate", "-noverify");
  };

  test("verify with openssl, and the envelope holds the document", () => {
    const { signature, pkcs7 } = sign(document);
    const { status, stdout } = verifyEnvelope(pkcs7);
    assert.deepEqual([status, stdout], [0, document]);

    file("document", document);
    file("signature", Buffer.from(signature, "base64"));
    const digest = ["dgst", "-sha256", "-verify", "key", "-signature", "signature"];
    assert.equal(openssl(...digest, "document").status, 0);
    file("document", document.replace("i-0", "i-1"));
    assert.notEqual(openssl(...digest, "document").status, 0, "another document");
  });

  test("do not verify once the envelope's document is changed, or by another certificate", () => {
    const { pkcs7 } = sign(document);
    const der = Buffer.from(pkcs7, "base64");
    const at = der.indexOf("i-0123");
    assert.ok(at > 0);
    der.write("i-9", at);
    assert.match(
      verifyEnvelope(der.toString("base64").replace(/.{64}/g, "$&\n")).stderr,
      /signature failure/,
    );

    const other = ["req", "-x509", "-config", "/dev/null", "-newkey", "rsa:2048", "-noenc", "-subj", "/CN=x"];
    file(
      "certificate",
      execFileSync("openssl", other, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }),
    );
    assert.notEqual(verifyEnvelope(pkcs7).status, 0);
  });

  test("are lines that a terminal shows and PEM allows, alike for the same document", () => {
    for (const text of Object.values(sign(document))) {
      for (const line of text.split("\n")) assert.match(line, /^[A-Za-z0-9+/=]{1,76}$/);
    }
    assert.deepEqual(sign(document), sign(document));
  });
});
