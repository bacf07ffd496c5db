import type { SignedIn } from "#auth/verify-signature.ts";
import type { ApiError } from "./error.ts";

/** One call and what came of it: what the audit and the metrics are made from. */
export interface AnsweredCall {
  readonly requestId: string;
  /** The caller's IP address. */
  readonly source: string;
  /** The network of this region that the caller is an instance of. */
  readonly network?: string | undefined;
  readonly at: Date;
  readonly latencyMs: number;
  /** Absent when the signature did not hold. */
  readonly signedIn?: SignedIn;
  /** Absent when the call was not understood. */
  readonly operation?: string;
  /** Of an operation that Croft serves: of others it is not known which parameters are secret. */
  readonly input?: Readonly<Record<string, unknown>>;
  readonly output?: object;
  /** Absent when it succeeded. */
  readonly error?: ApiError;
}

/** A request that was refused before anyone looked who asks, or what. */
export interface RefusedRequest extends Pick<AnsweredCall, "requestId" | "source" | "network" | "latencyMs"> {
  readonly error: ApiError;
}
