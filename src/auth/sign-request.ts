import type { WireRequest } from "#wire/protocol.ts";
import { algorithm, amzDateOf, signatureOf, terminator } from "./signature.ts";

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

interface UnsignedRequest extends Pick<WireRequest, "method" | "path"> {
  readonly query?: string;
  /** By lower-case name; `host` must be among them. All are signed. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | string;
}

interface Signing {
  readonly credentials: Credentials;
  readonly region: string;
  /** The name AWS signs by: "ec2", "sts". */
  readonly service: string;
  readonly date: Date;
}

/** The headers to send: those of the request and the signature's. */
export function signRequest(request: UnsignedRequest, signing: Signing): Record<string, string> {
  const { credentials, region, service, date } = signing;
  const amzDate = amzDateOf(date.getTime());
  const headers: Record<string, string> = {
    ...request.headers,
    "x-amz-date": amzDate,
    ...(credentials.sessionToken ? { "x-amz-security-token": credentials.sessionToken } : {}),
  };
  const signedHeaders = Object.keys(headers).toSorted();
  const signature = signatureOf(
    {
      request: { query: "", ...request, headers },
      body: request.body,
      signedHeaders,
      amzDate,
      region,
      service,
    },
    credentials.secretAccessKey,
  );
  const credential = [credentials.accessKeyId, amzDate.slice(0, 8), region, service, terminator].join("/");
  const parts = {
    Credential: credential,
    SignedHeaders: signedHeaders.join(";"),
    Signature: signature,
  };
  const list = Object.entries(parts).map(([name, value]) => `${name}=${value}`);
  return { ...headers, authorization: `${algorithm} ${list.join(", ")}` };
}
