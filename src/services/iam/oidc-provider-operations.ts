import type * as iam from "@aws-sdk/client-iam";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import type { IamContext } from "./context.ts";
import { alreadyExists, invalidInput, noSuchEntity, quotaExceeded, validationError } from "./errors.ts";
import { arnOf, touching, untagged } from "./holder.ts";
import { newUniqueId } from "./names.ts";
import type { OidcProviderRecord } from "./records.ts";
import { tagsMember, withTags } from "./tags.ts";

/** AWS, "IAM and AWS STS quotas". */
const most = { providers: 100, clientIds: 100, thumbprints: 5, urlCharacters: 255 } as const;

/** Who signs tokens that AssumeRoleWithWebIdentity takes. Nothing is asked of a provider before one comes. */
export const oidcProviderOperations = {
  CreateOpenIDConnectProvider: {
    resolve(input, context) {
      const { records, now, random } = context;
      const provider: OidcProviderRecord = {
        id: newUniqueId("AOIP", random),
        name: nameOf(input.Url),
        path: "/",
        createdAt: now().toISOString(),
        tags: withTags({}, input.Tags),
        clientIds: checkClientIds([...new Set(input.ClientIDList)]),
        thumbprints: checkThumbprints(input.ThumbprintList ?? []),
      };
      if (records.named("iam-oidc-provider", provider.name))
        throw alreadyExists(`Provider with url https://${provider.name} already exists.`);
      if (records.all("iam-oidc-provider").length >= most.providers)
        throw quotaExceeded("OpenIdConnectProvidersPerAccount", most.providers);
      return {
        touches: touching("iam-oidc-provider", untagged(provider), context),
        transaction: records.create("iam-oidc-provider", provider),
        provider,
      };
    },
    answer: ({ provider }: ProviderPlan, context) => ({
      OpenIDConnectProviderArn: arnOf("iam-oidc-provider", provider, context),
      ...tagsMember(provider.tags),
    }),
  },

  GetOpenIDConnectProvider: {
    resolve({ OpenIDConnectProviderArn: arn }, context) {
      const provider = findOidcProvider(arn, context);
      return { touches: touching("iam-oidc-provider", provider, context), provider };
    },
    answer: ({ provider }: ProviderPlan) => ({
      Url: provider.name,
      ClientIDList: [...provider.clientIds],
      ThumbprintList: [...provider.thumbprints],
      CreateDate: new Date(provider.createdAt),
      ...tagsMember(provider.tags),
    }),
  },

  ListOpenIDConnectProviders: {
    resolve: () => ({ touches: [] }),
    answer: (_plan, context) => ({
      OpenIDConnectProviderList: context.records
        .all("iam-oidc-provider")
        .map((it) => ({ Arn: arnOf("iam-oidc-provider", it, context) })),
    }),
  },

  DeleteOpenIDConnectProvider: {
    resolve({ OpenIDConnectProviderArn: arn }, context) {
      const provider = findOidcProvider(arn, context);
      return {
        touches: touching("iam-oidc-provider", provider, context),
        transaction: context.records.remove("iam-oidc-provider", provider),
      };
    },
    answer: () => ({}),
  },

  UpdateOpenIDConnectProviderThumbprint: {
    resolve({ OpenIDConnectProviderArn: arn, ThumbprintList: list }, context) {
      const provider = findOidcProvider(arn, context);
      return changed({ ...provider, thumbprints: checkThumbprints(list) }, context);
    },
    answer: () => ({}),
  },

  /** One that it has already is no error. */
  AddClientIDToOpenIDConnectProvider: {
    resolve({ OpenIDConnectProviderArn: arn, ClientID: id }, context) {
      const provider = findOidcProvider(arn, context);
      const clientIds = checkClientIds([...new Set([...provider.clientIds, id])]);
      return changed({ ...provider, clientIds }, context);
    },
    answer: () => ({}),
  },

  /** One that it does not have is no error. */
  RemoveClientIDFromOpenIDConnectProvider: {
    resolve({ OpenIDConnectProviderArn: arn, ClientID: id }, context) {
      const provider = findOidcProvider(arn, context);
      return changed({ ...provider, clientIds: provider.clientIds.filter((it) => it !== id) }, context);
    },
    answer: () => ({}),
  },
} satisfies OperationsOf<typeof iam, IamContext>;

interface ProviderPlan extends OperationPlan {
  readonly provider: OidcProviderRecord;
}

/** Throws NoSuchEntity. */
export function findOidcProvider(arn: string, context: IamContext): OidcProviderRecord {
  const [, name = ""] = /:oidc-provider\/(.+)$/.exec(arn) ?? [];
  const provider = context.records.named("iam-oidc-provider", name);
  if (!provider || arnOf("iam-oidc-provider", provider, context) !== arn)
    throw noSuchEntity(`OpenIDConnect Provider not found for arn ${arn}`);
  return provider;
}

const changed = (provider: OidcProviderRecord, context: IamContext): OperationPlan => {
  const before = context.records.get("iam-oidc-provider", provider.id) ?? provider;
  return {
    touches: touching("iam-oidc-provider", before, context),
    transaction: context.records.rewrite("iam-oidc-provider", provider),
  };
};

/** The URL as ARNs and condition keys have it: without its scheme. */
function nameOf(text: string): string {
  const url = URL.parse(text);
  const isPlain = /^https:\/\/[a-z0-9.:[\]-]+(\/[\w.~:@!$&'()*+,;=%/-]*)?$/.test(text);
  if (url?.protocol !== "https:" || !isPlain || text.length > most.urlCharacters)
    throw validationError("Invalid Open ID Connect Provider URL");
  return text.slice("https://".length);
}

function checkClientIds(ids: readonly string[]): readonly string[] {
  if (ids.length > most.clientIds) throw quotaExceeded("ClientIdsPerOpenIdConnectProvider", most.clientIds);
  return ids;
}

function checkThumbprints(thumbprints: readonly string[]): readonly string[] {
  if (thumbprints.length > most.thumbprints)
    throw invalidInput(`Thumbprint list must contain at most ${most.thumbprints} entries.`);
  const lower = thumbprints.map((it) => it.toLowerCase());
  if (!lower.every((it) => /^[0-9a-f]{40}$/.test(it)))
    throw invalidInput("A thumbprint is the SHA-1 digest of a certificate: 40 hexadecimal characters.");
  return lower;
}
