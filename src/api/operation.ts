import type { Transaction } from "#store/store.ts";
import type { ApiError } from "./error.ts";

/**
 * How one AWS operation is answered. `resolve` reads only. The chain then asks policy about what the plan touches, ends here
 * for a dry run, commits the plan's transaction, and lets `answer` read what the store then holds.
 * When the commit loses a race (`ExpectationFailed`) the chain resolves anew, so `resolve` decides what the caller is told.
 */
export interface Operation<Input, Output, Context, Plan extends OperationPlan = OperationPlan> {
  resolve(input: Input, context: Context): Plan | Promise<Plan>;
  answer(plan: Plan, context: Context): Output | Promise<Output>;
}

export interface OperationPlan {
  /** For policy: the resources, with their tags. */
  readonly touches: readonly TouchedResource[];
  /** Absent: nothing is written. */
  readonly transaction?: Transaction;
  /** In its place, where it costs to make: it is asked for once the call is allowed. Throws `ApiError` of what only the cost can tell. */
  readonly costly?: () => Promise<Transaction>;
  /** Why it cannot be done, told only to who may do it: to others not even that. */
  readonly refusal?: ApiError | undefined;
}

export interface TouchedResource {
  readonly arn: string;
  readonly tags?: Readonly<Record<string, string>>;
  /** What policies may ask about it beside its tags: values by their condition keys, such as `iam:PolicyARN`. */
  readonly keys?: Readonly<Record<string, string | readonly string[]>> | undefined;
  /** What is done to it, where that is not the operation: "iam:PassRole". */
  readonly action?: string | undefined;
  /** The document of its own that says who may; without its leave nobody may, the account's root included. */
  readonly policy?:
    | {
        readonly of: "trust" | "resource";
        readonly document: string;
        /** The identity provider that vouches for whoever calls: only what is allowed to it by name is, and whose call it is does not matter. */
        readonly federated?: string | undefined;
      }
    | undefined;
}

/** Every operation of an AWS SDK package, by AWS's name, with AWS's own input and output. */
export type OperationsOf<Sdk, Context> = {
  [K in keyof Sdk as K extends `${infer Name}Command` ? Name : never]?: OperationOf<Sdk[K], Context>;
};

type OperationOf<Command, Context> = Command extends abstract new (...args: never[]) => infer Sent
  ? Sent extends {
      readonly input: infer Input;
      resolveMiddleware(...args: never[]): (...args: never[]) => Promise<{ output: infer Output }>;
    }
    ? // oxlint-disable-next-line typescript/no-explicit-any -- each operation's plan is its own business
      Operation<Required_<Input>, Omit<Output, "$metadata">, Context, any>
    : never
  : never;

/** Required members lose "| undefined": the wire has checked them. */
type Required_<T> = { [K in keyof T]: object extends Pick<T, K> ? T[K] : Exclude<T[K], undefined> };
