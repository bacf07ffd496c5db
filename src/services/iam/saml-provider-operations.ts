import type * as iam from "@aws-sdk/client-iam";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import type { IamContext } from "./context.ts";
import { alreadyExists, invalidInput, noSuchEntity, quotaExceeded, validationError } from "./errors.ts";
import { arnOf, byArn, touching, untagged } from "./holder.ts";
import { newUniqueId } from "./names.ts";
import type { SamlProviderRecord } from "./records.ts";
import { samlMetadata } from "./saml-metadata.ts";
import { tagsMember, withTags } from "./tags.ts";

/** AWS, "IAM and AWS STS quotas". */
const mostProviders = 100;
const validYears = 100;

/** Who signs assertions that AssumeRoleWithSAML takes. */
export const samlProviderOperations = {
  CreateSAMLProvider: {
    resolve(input, context) {
      const { records, now, random } = context;
      refuseEncryption(input);
      if (!/^[\w.-]+$/.test(input.Name))
        throw validationError("The specified value for name is invalid. It must match [\\w._-]+");
      samlMetadata(input.SAMLMetadataDocument);
      const provider: SamlProviderRecord = {
        id: newUniqueId("ASIP", random),
        name: input.Name,
        path: "/",
        createdAt: now().toISOString(),
        tags: withTags({}, input.Tags),
        metadata: input.SAMLMetadataDocument,
      };
      if (records.named("iam-saml-provider", provider.name))
        throw alreadyExists(`SAML provider with name ${provider.name} already exists.`);
      if (records.all("iam-saml-provider").length >= mostProviders)
        throw quotaExceeded("SamlProvidersPerAccount", mostProviders);
      return {
        touches: touching("iam-saml-provider", untagged(provider), context),
        transaction: records.create("iam-saml-provider", provider),
        provider,
      };
    },
    answer: ({ provider }: ProviderPlan, context) => ({
      SAMLProviderArn: arnOf("iam-saml-provider", provider, context),
      ...tagsMember(provider.tags),
    }),
  },

  GetSAMLProvider: {
    resolve({ SAMLProviderArn: arn }, context) {
      const provider = findSamlProvider(arn, context);
      return { touches: touching("iam-saml-provider", provider, context), provider };
    },
    answer: ({ provider }: ProviderPlan) => ({
      SAMLProviderUUID: provider.id,
      SAMLMetadataDocument: provider.metadata,
      CreateDate: new Date(provider.createdAt),
      ValidUntil: validUntil(provider),
      ...tagsMember(provider.tags),
    }),
  },

  ListSAMLProviders: {
    resolve: () => ({ touches: [] }),
    answer: (_plan, context) => ({
      SAMLProviderList: context.records.all("iam-saml-provider").map((it) => ({
        Arn: arnOf("iam-saml-provider", it, context),
        CreateDate: new Date(it.createdAt),
        ValidUntil: validUntil(it),
      })),
    }),
  },

  UpdateSAMLProvider: {
    resolve(input, context) {
      refuseEncryption(input);
      const provider = findSamlProvider(input.SAMLProviderArn, context);
      const { SAMLMetadataDocument: metadata } = input;
      if (metadata === undefined)
        throw invalidInput(
          "Unable to update identity provider. No updates are defined for metadata or encryption assertion.",
        );
      samlMetadata(metadata);
      return { ...changed({ ...provider, metadata }, context), provider };
    },
    answer: ({ provider }: ProviderPlan, context) => ({
      SAMLProviderArn: arnOf("iam-saml-provider", provider, context),
    }),
  },

  DeleteSAMLProvider: {
    resolve({ SAMLProviderArn: arn }, context) {
      const provider = findSamlProvider(arn, context);
      return {
        touches: touching("iam-saml-provider", provider, context),
        transaction: context.records.remove("iam-saml-provider", provider),
      };
    },
    answer: () => ({}),
  },
} satisfies OperationsOf<typeof iam, IamContext>;

interface ProviderPlan extends OperationPlan {
  readonly provider: SamlProviderRecord;
}

/** Throws NoSuchEntity. */
export function findSamlProvider(arn: string, context: IamContext): SamlProviderRecord {
  const provider = byArn("iam-saml-provider", arn, context.records);
  if (!provider) throw noSuchEntity(`Manifest not found for arn ${arn}`);
  return provider;
}

const changed = (provider: SamlProviderRecord, context: IamContext): OperationPlan => {
  const before = context.records.get("iam-saml-provider", provider.id) ?? provider;
  return {
    touches: touching("iam-saml-provider", before, context),
    transaction: context.records.rewrite("iam-saml-provider", provider),
  };
};

function validUntil({ createdAt }: SamlProviderRecord): Date {
  const until = new Date(createdAt);
  until.setUTCFullYear(until.getUTCFullYear() + validYears);
  return until;
}

function refuseEncryption(input: {
  AssertionEncryptionMode?: string | undefined;
  AddPrivateKey?: string | undefined;
  RemovePrivateKey?: string | undefined;
}): void {
  const { AssertionEncryptionMode: mode, AddPrivateKey: added, RemovePrivateKey: removed } = input;
  if (mode === "Required" || added !== undefined || removed !== undefined)
    throw invalidInput("Croft takes assertions that are not encrypted only.");
}
