import type { WireRequest } from "#wire/protocol.ts";
import type { Caller } from "./caller.ts";
import type { OperationPlan } from "./operation.ts";

/** A call about which policy is asked. */
export interface AuthorisedCall {
  readonly caller: Caller;
  /** The name requests are signed for, which actions begin with. */
  readonly service: string;
  readonly region: string;
  readonly operation: string;
  readonly input: Readonly<Record<string, unknown>>;
  readonly request: Pick<WireRequest, "headers"> & {
    readonly remoteAddress: string;
    /** The VPC that it came out of; absent: it came from elsewhere. */
    readonly network?: string | undefined;
    /** Absent: no. */
    readonly byTls?: boolean;
  };
  readonly at: Date;
  /** Absent: what it would touch could not be found out. Then only who may do so to something is told why. */
  readonly plan?: OperationPlan | undefined;
}

/** Throws `ApiError` for a call that the caller's policies do not allow, in the words of its service. */
export type Authorise = (call: AuthorisedCall) => void;
