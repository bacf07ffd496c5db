import { createPrivateKey, X509Certificate } from "node:crypto";
import { ApiError } from "#api/error.ts";
import { limitExceeded } from "./errors.ts";

interface Uploaded {
  readonly CertificateBody: string;
  readonly PrivateKey: string;
  readonly CertificateChain?: string | undefined;
}

/** AWS takes 2 MiB of chain; a record is not that long. */
const mostChain = 512 * 1024;

/**
 * What a server certificate may be: PEM, in its time, with a private key of its own that is not encrypted, and a chain that begins with whoever
 * signed it. Throws MalformedCertificate and KeyPairMismatch; else when it ends. AWS, "Manage server certificates in IAM".
 */
export function checkCertificate(given: Uploaded, now: Date): { readonly expiresAt: string } {
  const { CertificateBody: body, PrivateKey: key, CertificateChain: chain = "" } = given;
  if (chain.length > mostChain)
    throw limitExceeded(`Cannot exceed quota for CertificateChainSize: ${mostChain}`);
  const [certificate, ...more] = certificates(body);
  if (!certificate || more.length > 0) throw unreadable();
  if (now < certificate.validFromDate || now >= certificate.validToDate)
    throw malformed("The certificate is not in its validity period.");
  if (!certificate.checkPrivateKey(privateKey(key)))
    throw new ApiError(
      "KeyPairMismatch",
      "The private key does not match the public key of the certificate.",
    );
  checkChain(certificate, certificates(chain));
  return { expiresAt: certificate.validToDate.toISOString() };
}

/** Each is of the next. */
function checkChain(certificate: X509Certificate, chain: readonly X509Certificate[]): void {
  let signed = certificate;
  for (const [n, signer] of chain.entries()) {
    if (!signed.checkIssued(signer) || !signed.verify(signer.publicKey))
      throw malformed(
        `Unable to validate certificate chain. The certificate chain must start with the immediate signing certificate, followed by any intermediaries in order. The index within the chain of the invalid certificate is: ${n - 1}`,
      );
    signed = signer;
  }
}

/** Nothing else may stand beside them. */
function certificates(text: string): X509Certificate[] {
  const block = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;
  if (text.replaceAll(block, "").trim() !== "") throw unreadable();
  try {
    return (text.match(block) ?? []).map((it) => new X509Certificate(it));
  } catch {
    throw unreadable();
  }
}

function privateKey(text: string) {
  try {
    return createPrivateKey(text);
  } catch {
    throw malformed("Unable to parse private key. Please ensure it is in PEM format and not encrypted.");
  }
}

const unreadable = () =>
  malformed("Unable to parse certificate. Please ensure the certificate is in PEM format.");
const malformed = (message: string) => new ApiError("MalformedCertificate", message);
