import { createPrivateKey, sign, X509Certificate } from "node:crypto";
import asn1 from "asn1";

/** What IMDS gives beside an identity document, each in base64 as there: broken into lines, without "BEGIN" and "END". */
export interface IdentitySignatures {
  /** RSA and SHA-256 (PKCS #1 v1.5) over the document. */
  readonly signature: string;
  /** The same, around the document itself: PKCS #7 SignedData (RFC 2315), without the certificate. */
  readonly pkcs7: string;
}
export type SignIdentity = (document: string) => IdentitySignatures;

/** `certificate` and `privateKey`: PEM, of one RSA key. */
export const identitySigner = ({
  certificate,
  privateKey,
}: {
  readonly certificate: string;
  readonly privateKey: string;
}): SignIdentity => {
  const key = createPrivateKey(privateKey);
  const signer = issuerAndSerial(new X509Certificate(certificate).raw);
  return (document) => {
    const content = Buffer.from(document);
    const signature = sign("sha256", content, key);
    return { signature: base64Lines(signature), pkcs7: base64Lines(signedData(content, signature, signer)) };
  };
};

/** Without attributes: what is signed is the content and nothing else, so that equal documents have equal signatures. */
const signedData = (content: Buffer, signature: Buffer, signer: Buffer): Buffer => {
  const der = new asn1.BerWriter();
  const sequence = (inside: () => void, tag?: number) => {
    der.startSequence(tag);
    inside();
    der.endSequence();
  };
  const algorithm = (oid: string) =>
    sequence(() => {
      der.writeOID(oid, Oid);
      der.writeNull();
    });
  sequence(() => {
    der.writeOID("1.2.840.113549.1.7.2", Oid); // signedData
    sequence(() => {
      sequence(() => {
        der.writeInt(1);
        sequence(() => algorithm(sha256), Set);
        sequence(() => {
          der.writeOID("1.2.840.113549.1.7.1", Oid); // data
          sequence(() => der.writeBuffer(content, OctetString), explicit0);
        });
        sequence(() => {
          sequence(() => {
            der.writeInt(1);
            der.writeBuffer(signer, Sequence);
            algorithm(sha256);
            algorithm("1.2.840.113549.1.1.1"); // rsaEncryption
            der.writeBuffer(signature, OctetString);
          });
        }, Set);
      });
    }, explicit0);
  });
  return der.buffer;
};

/** By which a signature names its certificate: the body of an IssuerAndSerialNumber, cut from `certificate` (DER, RFC 5280). */
const issuerAndSerial = (certificate: Buffer): Buffer => {
  const reader = new asn1.BerReader(certificate);
  reader.readSequence();
  reader.readSequence();
  skip(reader); // version
  const serial = skip(reader);
  skip(reader); // signature algorithm
  const issuer = skip(reader);
  return Buffer.concat([issuer, serial]);
};

/** Steps over one element and answers it whole. */
const skip = (reader: asn1.BerReader): Buffer => {
  const rest = reader.buffer;
  reader.readString(rest[0] ?? 0, true);
  return rest.subarray(0, rest.length - reader.remain);
};

const base64Lines = (bytes: Buffer): string => bytes.toString("base64").replace(/.{76}(?=.)/g, "$&\n");

const sha256 = "2.16.840.1.101.3.4.2.1";
const OctetString = 0x04;
const Oid = 0x06;
const Sequence = 0x30;
const Set = 0x31;
const explicit0 = 0xa0;
