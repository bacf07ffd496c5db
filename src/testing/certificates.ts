import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** PEM. */
export interface TestCertificate {
  readonly certificate: string;
  readonly key: string;
}

/** An elliptic curve's key and its certificate for thirty days: its own, or of `signer`. */
export function testCertificate(name: string, signer?: TestCertificate): TestCertificate {
  const folder = mkdtempSync(join(tmpdir(), "croft-test-"));
  const file = (it: string) => join(folder, it);
  try {
    const made = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes".split(" ");
    if (signer) {
      writeFileSync(file("ca"), signer.certificate);
      writeFileSync(file("ca-key"), signer.key, { mode: 0o600 });
    }
    const signing = signer ? ["-CA", file("ca"), "-CAkey", file("ca-key")] : [];
    const given = ["-subj", `/CN=${name}`, "-days", "30", "-keyout", file("key"), "-out", file("it")];
    execFileSync("openssl", [...made, ...given, ...signing], { stdio: "pipe" });
    return { certificate: readFileSync(file("it"), "utf8"), key: readFileSync(file("key"), "utf8") };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
