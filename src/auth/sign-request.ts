import type { WireRequest } from "#wire/protocol.ts";
import { algorithm, amzDateOf, signatureOf, terminator } from "./signature.ts";

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export interface SigningScope {
  readonly region: string;
  /** The name AWS signs by: "ec2", "sts". */
  readonly service: string;
  readonly nowMs: number;
}

/** The headers to send: those of the request, which must name its host (all in lower case), and the signature's. */
export function signRequest(
  request: Omit<WireRequest, "headers"> & { readonly headers: Readonly<Record<string, string>> },
  credentials: Credentials,
  { region, service, nowMs }: SigningScope,
): Record<string, string> {
  const amzDate = amzDateOf(nowMs);
  const headers = {
    ...request.headers,
    "x-amz-date": amzDate,
    ...(credentials.sessionToken ? { "x-amz-security-token": credentials.sessionToken } : {}),
  };
  const signedHeaders = Object.keys(headers).toSorted();
  const signature = signatureOf(
    { request: { ...request, headers }, body: request.body, signedHeaders, amzDate, region, service },
    credentials.secretAccessKey,
  ).toString("hex");
  const scope = [credentials.accessKeyId, amzDate.slice(0, 8), region, service, terminator].join("/");
  const parts = [`Credential=${scope}`, `SignedHeaders=${signedHeaders.join(";")}`, `Signature=${signature}`];
  return { ...headers, authorization: `${algorithm} ${parts.join(", ")}` };
}
