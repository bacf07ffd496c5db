import type * as sts from "@aws-sdk/client-sts";
import type { OperationsOf } from "#api/operation.ts";
import type { IamContext } from "../iam/context.ts";
import { assuming, federatedSession, ownerOf, type FederatedPlan } from "./federated-role.ts";
import { samlIdentity, type SamlIdentity } from "./saml-identity.ts";
import { verifiedToken, type WebIdentity } from "./web-identity.ts";

/** A role for whomever a provider vouches for that the role's account registered. Nobody has to sign. */
export const federationOperations = {
  AssumeRoleWithWebIdentity: {
    async resolve(input, context) {
      const identity = await verifiedToken(input, ownerOf(input.RoleArn, context), context);
      return { ...assuming(input.RoleArn, input.RoleSessionName, identity, context), input };
    },
    answer(plan: Plan<WebIdentity, sts.AssumeRoleWithWebIdentityCommandInput>, context) {
      const { identity, input } = plan;
      return {
        ...federatedSession(plan, input, { seconds: input.DurationSeconds }, context),
        SubjectFromWebIdentityToken: identity.subject,
        Provider: identity.provider,
        Audience: identity.audience,
      };
    },
  },

  AssumeRoleWithSAML: {
    resolve(input, context) {
      const identity = samlIdentity(input, ownerOf(input.RoleArn, context), context.now());
      return { ...assuming(input.RoleArn, identity.sessionName, identity, context), input };
    },
    answer(plan: Plan<SamlIdentity, sts.AssumeRoleWithSAMLCommandInput>, context) {
      const { identity, input } = plan;
      const seconds = input.DurationSeconds ?? identity.askedSeconds;
      return {
        ...federatedSession(plan, input, { seconds, most: identity.mostSeconds }, context),
        Subject: identity.subject,
        SubjectType: identity.subjectType,
        Issuer: identity.issuer,
        Audience: identity.audience,
        NameQualifier: identity.nameQualifier,
      };
    },
  },
} satisfies OperationsOf<typeof sts, IamContext>;

type Plan<Identity extends WebIdentity | SamlIdentity, Input> = FederatedPlan<Identity> & {
  readonly input: Input;
};
