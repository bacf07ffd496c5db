/**
 * What the wire room gives the chain: bytes of a request to an operation's name and plain input, and back. It is driven by
 * tables generated from AWS's schemas (`tools/generate-wire.ts`) and knows no service.
 */
export interface WireService {
  /** The name in the credential scope: "ec2", "sts". */
  readonly signingName: string;
  /** Every operation AWS has in this service, whether Croft serves it or not. */
  readonly operations: ReadonlySet<string>;
  /** Throws `ApiError`: InvalidAction, MissingParameter, UnknownParameter (EC2), InvalidParameterValue, MalformedQueryString … */
  parse(request: WireRequest): { readonly operation: string; readonly input: Record<string, unknown> };
  answer(operation: string, output: object, requestId: string): WireAnswer;
  error(error: { code: string; message: string; status: number }, requestId: string): WireAnswer;
}

export interface WireRequest {
  readonly method: string;
  /** As received, still percent-encoded, without the query. */
  readonly path: string;
  readonly query: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
}

export interface WireAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
}
