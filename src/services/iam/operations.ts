import type * as iam from "@aws-sdk/client-iam";
import type { OperationsOf } from "#api/operation.ts";
import { simulationOperations } from "./simulation-operations.ts";

export interface IamContext {
  readonly accountId: string;
}

/** Every IAM operation that Croft serves: what policies would decide. */
export const iamOperations = {
  ...simulationOperations,
} satisfies OperationsOf<typeof iam, IamContext>;
