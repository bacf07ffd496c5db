import type { Readable } from "node:stream";

/**
 * What the wire room gives the chain: bytes of a request to an operation's name and plain input, and back. It is driven by
 * tables generated from AWS's schemas (`tools/generate-wire.ts`) and knows no service.
 */
export interface WireService {
  /** The name in the credential scope: "ec2", "sts". */
  readonly signingName: string;
  /** Every operation AWS has in this service, whether Croft serves it or not. */
  readonly operations: ReadonlySet<string>;
  /** The protocol a request is written in, and its answer has to be; the service's own for a request in none. */
  speaking(request: WireRequest): WireProtocol;
}

export interface WireProtocol {
  /** Throws `ApiError`: InvalidAction, MissingParameter, UnknownParameter (EC2), ValidationException, SerializationException … */
  parse(request: WireRequest): { readonly operation: string; readonly input: Record<string, unknown> };
  answer(operation: string, output: object, requestId: string): WireAnswer;
  error(error: WireError, requestId: string): WireAnswer;
}

export interface WireError {
  readonly code: string;
  readonly message: string;
  /** HTTP status. */
  readonly status: number;
  readonly reason?: string | undefined;
}

export interface WireRequest {
  readonly method: string;
  /** As received, still percent-encoded, without the query. */
  readonly path: string;
  readonly query: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
  /** Stands for a body that is too long to be held; `body` is empty then. */
  readonly stream?: Readable;
}

export interface WireAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Of a list, one after the other. */
  readonly body: string | Buffer | readonly Buffer[] | Readable;
}
