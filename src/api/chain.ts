import type { Clock } from "#clock.ts";
import { missingToken } from "#auth/sign-in-error.ts";
import type { SignedIn } from "#auth/verify-signature.ts";
import type { Feed } from "#store/feed.ts";
import { ExpectationFailed, type Store, StoreFull } from "#store/store.ts";
import type { WireAnswer, WireRequest, WireService } from "#wire/protocol.ts";
import type { AuthorisedCall, Authorise } from "./authorisation.ts";
import { isSomebody, nobody, type Caller } from "./caller.ts";
import type { AnsweredCall } from "./answered-call.ts";
import { ApiError, exceptionSuffix } from "./error.ts";
import type { Operation, OperationPlan, TouchedResource } from "./operation.ts";
import type { CallRate, Throttle } from "./throttle.ts";

/** One AWS service: its wire, its operations by name, and what they are given in a region beside their input. */
export interface ServedService {
  readonly wire: WireService;
  readonly operations: Readonly<Record<string, AnyOperation>>;
  readonly contextIn: (region: string, caller: Caller) => object | Promise<object>;
  /** Absent: its operations are not throttled. */
  readonly callRate?: CallRateOf | undefined;
  /** The operations that nobody has to sign. */
  readonly unsigned?: ReadonlySet<string> | undefined;
  /** A resource with what policies may ask about it whatever operation touches it; absent: that is what the operation says. */
  readonly known?: ((touched: TouchedResource, context: never) => TouchedResource) | undefined;
}
export type CallRateOf = (operation: string, input: object) => { bucket: string; rate: CallRate };

/** One entry of `services`: the types of its table were checked where it was written, and fit its context. */
export function served<Context extends object>(
  wire: WireService,
  // oxlint-disable-next-line typescript/no-explicit-any -- each operation's plan is its own business
  operations: Readonly<Record<string, Operation<never, object, Context, any>>>,
  contextIn: (region: string, caller: Caller) => Context | Promise<Context>,
  {
    callRate,
    unsigned,
    known,
  }: Pick<ServedService, "callRate" | "unsigned"> & {
    readonly known?: (touched: TouchedResource, context: Context) => TouchedResource;
  } = {},
): [signingName: string, ServedService] {
  // The wire checks every input against AWS's schema before an operation sees it.
  return [
    wire.signingName,
    { wire, operations: operations as ServedService["operations"], contextIn, callRate, unsigned, known },
  ];
}

export interface ChainOptions {
  /** By the name requests are signed for. */
  readonly services: ReadonlyMap<string, ServedService>;
  /** Answers requests that name no service we know, in its error form. */
  readonly fallback: WireService;
  /** Whether requests may be signed for it. */
  readonly isRegion: (name: string) => boolean;
  /** Where a call is served that names no region, as one that nobody signed. */
  readonly home: { readonly accountId: string; readonly region: string };
  /** Throws `ApiError` when the request is not signed by a key of an account. */
  readonly signIn: (request: WireRequest, nowMs: number) => SignedIn;
  readonly authorise: Authorise;
  readonly store: Store;
  readonly feed: Feed;
  readonly clock: Clock;
  /** Absent: nobody is throttled. */
  readonly throttle?: Throttle | undefined;
  /** Told of every call once its answer is there; it neither waits nor throws. */
  readonly answered?: (call: AnsweredCall) => void;
  /** For the operator: what a caller only learns as InternalError. */
  readonly log: (line: string) => void;
}

export interface ChainRequest extends WireRequest {
  readonly requestId: string;
  /** The caller's IP address. */
  readonly remoteAddress: string;
  /** The network of this region that the caller is an instance of; absent: it calls from elsewhere. */
  readonly network?: string | undefined;
  /** Whether nobody on the way could read it; absent: somebody could. */
  readonly byTls?: boolean;
}

/** Every request's way: sign-in → wire → throttle → operation.resolve → policy → dry run → commit → operation.answer → wire → audit. */
export function apiChain(options: ChainOptions): (request: ChainRequest) => Promise<WireAnswer> {
  return async (request) => {
    const call: CallUnderWay = {};
    const ended = begin(request, call, options);
    // Until it is known who asks, errors are told in the form of the service that is asked.
    let wire = (options.services.get(claimedService(request))?.wire ?? options.fallback).speaking(request);
    try {
      const signedIn =
        callOfNobody(request, options) ?? options.signIn(request, options.clock.now().getTime());
      call.signedIn = signedIn;
      const service = serviceOf(signedIn, options);
      wire = service.wire.speaking(request);
      const { operation, input } = wire.parse(request);
      call.operation = operation;
      const needsNobody = service.unsigned?.has(operation);
      if (!isSomebody(signedIn.caller) && !needsNobody) throw missingToken();
      const called = operationOf(service, operation);
      call.input = input;
      throttleCall(service, signedIn, operation, input, options);
      const asked = {
        ...signedIn,
        ...(needsNobody && { caller: nobody(options.home.accountId) }),
        operation,
        input,
        request,
        at: options.clock.now(),
      };
      const context = await service.contextIn(signedIn.region, asked.caller);
      const output = await perform(called, asked, context, service, options);
      call.output = output;
      return wire.answer(operation, output, request.requestId);
    } catch (error) {
      call.error = toldToCaller(error, request, options);
      return wire.error(call.error, request.requestId);
    } finally {
      ended();
    }
  };
}

/** Undefined: it is signed, or would have to be. */
function callOfNobody(
  request: ChainRequest,
  { services, home, isRegion }: ChainOptions,
): SignedIn | undefined {
  const { headers, query, body } = request;
  if (headers["authorization"] !== undefined || query.includes("X-Amz-")) return undefined;
  const [, operation = ""] =
    /(?:^|&)Action=(\w+)/.exec(query) ?? /(?:^|&)Action=(\w+)/.exec(body.toString("latin1")) ?? [];
  const found = [...services].find(([, it]) => it.unsigned?.has(operation));
  if (!found) return undefined;
  const [, named = ""] =
    /^\w+\.([a-z0-9-]+)\.(?:amazonaws\.com|api\.aws)(?::\d+)?$/.exec(headers["host"] ?? "") ?? [];
  const region = isRegion(named) ? named : home.region;
  return { accessKeyId: "", region, service: found[0], caller: nobody(home.accountId) };
}

/** The service a request says it is signed for, in its header or its query; not yet believed. */
function claimedService({ headers, query }: WireRequest): string {
  const [, inHeader] = /Credential=([^,\s]+)/.exec(headers["authorization"] ?? "") ?? [];
  const inQuery = query.split("&").find((pair) => pair.startsWith("X-Amz-Credential="));
  const [, , , service = ""] = (inHeader ?? inQuery ?? "").split(/\/|%2F/i);
  return service;
}

/** What becomes known of a call on its way. */
type CallUnderWay = {
  -readonly [K in "signedIn" | "operation" | "input" | "output" | "error"]?: NonNullable<AnsweredCall[K]>;
};

/** What is to be done when the call has its answer. */
function begin(
  { requestId, remoteAddress: source, network }: ChainRequest,
  call: CallUnderWay,
  { clock, answered }: ChainOptions,
): () => void {
  const [at, begunMs] = [clock.now(), clock.monotonicMs()];
  return () =>
    answered?.({ requestId, source, network, at, latencyMs: clock.monotonicMs() - begunMs, ...call });
}

function serviceOf({ service: name, region }: SignedIn, options: ChainOptions): ServedService {
  if (!options.isRegion(region)) throw invalidRegion(name, region);
  const service = options.services.get(name);
  if (!service)
    throw new ApiError("UnsupportedOperation", `Croft does not serve the AWS service '${name}' yet.`);
  return service;
}

/** EC2 has a code of its own for it, as for every credential it does not accept. */
function invalidRegion(service: string, region: string): ApiError {
  const message = `Credential should be scoped to a valid region, not '${region}'.`;
  return service === "ec2"
    ? new ApiError("AuthFailure", message, { status: 401 })
    : new ApiError("SignatureDoesNotMatch", message, { status: 403 });
}

function operationOf({ operations, wire }: ServedService, name: string): AnyOperation {
  const operation = Object.hasOwn(operations, name) ? operations[name] : undefined;
  if (!operation)
    throw new ApiError("UnsupportedOperation", `Croft does not serve ${wire.signingName}:${name} yet.`);
  return operation;
}
type AnyOperation = Operation<object, object, object>;

function throttleCall(
  { wire, callRate }: ServedService,
  { region, caller: { accountId } }: SignedIn,
  operation: string,
  input: object,
  { throttle }: ChainOptions,
): void {
  const counted = throttle && callRate?.(operation, input);
  if (counted) throttle(`${wire.signingName} ${accountId} ${region} ${counted.bucket}`, counted.rate);
}

/** A commit that loses a race is resolved anew, against what the winner wrote: a hundred at once all get their turn. */
const attempts = 100;

async function perform(
  operation: AnyOperation,
  asked: Asked,
  context: object,
  service: ServedService,
  options: ChainOptions,
): Promise<object> {
  const { store, feed } = options;
  for (let attempt = 1; ; attempt++) {
    const plan = await allowedPlan(operation, asked, context, service, options);
    if (asked.input["DryRun"] === true)
      throw new ApiError(
        `DryRunOperation${exceptionSuffix(asked.service)}`,
        "Request would have succeeded, but DryRun flag is set.",
        { status: 412 },
      );
    try {
      // Others read what this one wrote as soon as it is answered.
      const transaction = plan.transaction ?? (await plan.costly?.());
      if (transaction) await feed.reached((await store.commit(transaction)).revision);
      return await operation.answer(plan, context);
    } catch (error) {
      if (!(error instanceof ExpectationFailed) || attempt === attempts) throw error;
      await feed.reached(error.revision);
    }
  }
}

type Asked = Omit<AuthorisedCall, "plan">;

/** What cannot be resolved is told only to who may do so to something: others learn nothing of what is there. */
async function allowedPlan(
  operation: AnyOperation,
  asked: Asked,
  context: object,
  { known }: ServedService,
  { authorise }: ChainOptions,
): Promise<OperationPlan> {
  let plan: OperationPlan;
  try {
    plan = await operation.resolve(asked.input, context);
  } catch (error) {
    authorise(asked);
    throw error;
  }
  // The context is the service's own.
  const touches = known ? plan.touches.map((it) => known(it, context as never)) : plan.touches;
  authorise({ ...asked, plan: { ...plan, touches } });
  if (plan.refusal) throw plan.refusal;
  return plan;
}

/** The caller gets AWS's code and sentence; the operator the cause, under the same request id. */
function toldToCaller(error: unknown, { requestId }: ChainRequest, { log }: ChainOptions): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof StoreFull) {
    log(`request ${requestId}: ${error.message}`);
    return new ApiError("ServiceUnavailable", noRoom, { status: 503, cause: error });
  }
  log(`request ${requestId}: ${error instanceof Error ? error.stack : String(error)}`);
  if (error instanceof ExpectationFailed)
    return new ApiError("RequestLimitExceeded", "Too many requests change the same resource. Try again.", {
      status: 503,
    });
  return new ApiError("InternalError", "An internal error has occurred.", { status: 500 });
}

/** Clients try again by themselves after a 503. */
const noRoom =
  "The disk of this region is full, and nothing was changed. What is there can be stopped and terminated; something new can be made once there is room.";
