import type * as iam from "@aws-sdk/client-iam";
import type { OperationsOf } from "#api/operation.ts";
import type { IamContext } from "./context.ts";
import { noSuchEntity } from "./errors.ts";
import { passwordPolicy } from "./password-policy.ts";
import type { PasswordPolicyRecord } from "./records.ts";

/** What passwords of the account's users must be. What an update does not name is as AWS's default has it, not as it was. */
export const passwordPolicyOperations = {
  UpdateAccountPasswordPolicy: {
    resolve(input, { records }) {
      const policy: PasswordPolicyRecord = {
        id: "policy",
        shortest: input.MinimumPasswordLength ?? 6,
        required: [
          ...(input.RequireSymbols ? (["symbols"] as const) : []),
          ...(input.RequireNumbers ? (["numbers"] as const) : []),
          ...(input.RequireUppercaseCharacters ? (["uppercase"] as const) : []),
          ...(input.RequireLowercaseCharacters ? (["lowercase"] as const) : []),
        ],
        usersMayChange: input.AllowUsersToChangePassword ?? false,
        maxAgeDays: input.MaxPasswordAge,
        notAgain: input.PasswordReusePrevention,
        hardExpiry: input.HardExpiry ?? false,
      };
      return { touches: [], transaction: records.rewrite("iam-password-policy", policy) };
    },
    answer: () => ({}),
  },

  GetAccountPasswordPolicy: {
    resolve(_input, context) {
      const policy = passwordPolicy(context);
      if (!policy)
        throw noSuchEntity(`The Password Policy with domain name ${context.accountId} cannot be found.`);
      return { touches: [], policy };
    },
    answer: ({ policy }: { policy: PasswordPolicyRecord }) => ({
      PasswordPolicy: {
        MinimumPasswordLength: policy.shortest,
        RequireSymbols: policy.required.includes("symbols"),
        RequireNumbers: policy.required.includes("numbers"),
        RequireUppercaseCharacters: policy.required.includes("uppercase"),
        RequireLowercaseCharacters: policy.required.includes("lowercase"),
        AllowUsersToChangePassword: policy.usersMayChange,
        ExpirePasswords: policy.maxAgeDays !== undefined,
        ...(policy.maxAgeDays !== undefined && { MaxPasswordAge: policy.maxAgeDays }),
        ...(policy.notAgain !== undefined && { PasswordReusePrevention: policy.notAgain }),
        HardExpiry: policy.hardExpiry,
      },
    }),
  },

  DeleteAccountPasswordPolicy: {
    resolve(_input, context) {
      if (!passwordPolicy(context))
        throw noSuchEntity("The account policy with name PasswordPolicy cannot be found.");
      return { touches: [], transaction: context.records.forget("iam-password-policy", "policy") };
    },
    answer: () => ({}),
  },
} satisfies OperationsOf<typeof iam, IamContext>;
