import type * as kms from "@aws-sdk/client-kms";
import type { OperationsOf } from "#api/operation.ts";
import { documentInForce } from "../iam/trust.ts";
import type { KmsContext } from "./context.ts";
import { notFound } from "./errors.ts";
import { findOwnKeyById } from "./key-name.ts";
import { policyOf } from "./key-policy.ts";
import { page, type Page } from "./page.ts";
import type { KeyRecord } from "./records.ts";
import { touchedKey } from "./touched-key.ts";

/** Each key has one policy, whose name is "default". */
export const policyOperations = {
  GetKeyPolicy: {
    resolve({ KeyId: id, PolicyName: name }, context) {
      checkName(name);
      const key = findOwnKeyById(id, context);
      return { touches: [touchedKey({ key }, {}, context)], key };
    },
    answer: ({ key }: { key: KeyRecord }, { accounts }) => ({
      Policy: documentInForce(key.policy, key.trusted, accounts),
      PolicyName: "default",
    }),
  },

  /** Also of a key that is about to go. */
  PutKeyPolicy: {
    resolve(input, context) {
      checkName(input.PolicyName);
      const key = findOwnKeyById(input.KeyId, context);
      const bypass = input.BypassPolicyLockoutSafetyCheck;
      const keys = { "kms:BypassPolicyLockoutSafetyCheck": String(bypass === true) };
      return {
        touches: [touchedKey({ key }, { keys }, context)],
        transaction: context.records.rewriteKey({
          ...key,
          ...policyOf(input.Policy, key, { bypass }, context),
        }),
      };
    },
    answer: () => ({}),
  },

  ListKeyPolicies: {
    resolve(input, context) {
      const key = findOwnKeyById(input.KeyId, context);
      return {
        touches: [touchedKey({ key }, {}, context)],
        page: page(["default"], (name) => name, input, 100),
      };
    },
    answer: ({ page: { items, truncation } }: { page: Page<string> }) => ({
      PolicyNames: [...items],
      ...truncation,
    }),
  },
} satisfies OperationsOf<typeof kms, KmsContext>;

function checkName(name: string | undefined): void {
  if (name !== undefined && name !== "default") throw notFound("No such policy exists");
}
