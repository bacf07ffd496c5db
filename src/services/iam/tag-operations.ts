import type * as iam from "@aws-sdk/client-iam";
import type { Tag } from "@aws-sdk/client-iam";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import type { IamContext } from "./context.ts";
import { findCertificate, findProfile, findRole, findUser, touching } from "./holder.ts";
import { findDevice } from "./mfa-device.ts";
import { findPolicy } from "./managed-policy.ts";
import { refuseAws } from "./managed-policy-operations.ts";
import { findOidcProvider } from "./oidc-provider-operations.ts";
import { page, type Truncation } from "./pagination.ts";
import type { IamKinds, PolicyRecord, Tags } from "./records.ts";
import { findSamlProvider } from "./saml-provider-operations.ts";
import { describeTags, withoutTags, withTags } from "./tags.ts";

export const tagOperations = {
  TagUser: {
    resolve: ({ UserName: name, Tags: tags }, context) =>
      tag("iam-user", findUser(name, context), tags, context),
    answer: () => ({}),
  },
  TagRole: {
    resolve: ({ RoleName: name, Tags: tags }, context) =>
      tag("iam-role", findRole(name, context), tags, context),
    answer: () => ({}),
  },
  TagPolicy: {
    resolve: ({ PolicyArn: arn, Tags: tags }, context) =>
      tag("iam-policy", ownPolicy(arn, context), tags, context),
    answer: () => ({}),
  },
  TagInstanceProfile: {
    resolve: ({ InstanceProfileName: name, Tags: tags }, context) =>
      tag("iam-instance-profile", findProfile(name, context), tags, context),
    answer: () => ({}),
  },
  TagMFADevice: {
    resolve: ({ SerialNumber: serial, Tags: tags }, context) =>
      tag("iam-mfa", findDevice(serial, context), tags, context),
    answer: () => ({}),
  },
  TagServerCertificate: {
    resolve: ({ ServerCertificateName: name, Tags: tags }, context) =>
      tag("iam-server-certificate", findCertificate(name, context), tags, context),
    answer: () => ({}),
  },
  TagOpenIDConnectProvider: {
    resolve: ({ OpenIDConnectProviderArn: arn, Tags: tags }, context) =>
      tag("iam-oidc-provider", findOidcProvider(arn, context), tags, context),
    answer: () => ({}),
  },
  TagSAMLProvider: {
    resolve: ({ SAMLProviderArn: arn, Tags: tags }, context) =>
      tag("iam-saml-provider", findSamlProvider(arn, context), tags, context),
    answer: () => ({}),
  },

  UntagUser: {
    resolve: ({ UserName: name, TagKeys: keys }, context) =>
      untag("iam-user", findUser(name, context), keys, context),
    answer: () => ({}),
  },
  UntagRole: {
    resolve: ({ RoleName: name, TagKeys: keys }, context) =>
      untag("iam-role", findRole(name, context), keys, context),
    answer: () => ({}),
  },
  UntagPolicy: {
    resolve: ({ PolicyArn: arn, TagKeys: keys }, context) =>
      untag("iam-policy", ownPolicy(arn, context), keys, context),
    answer: () => ({}),
  },
  UntagInstanceProfile: {
    resolve: ({ InstanceProfileName: name, TagKeys: keys }, context) =>
      untag("iam-instance-profile", findProfile(name, context), keys, context),
    answer: () => ({}),
  },
  UntagMFADevice: {
    resolve: ({ SerialNumber: serial, TagKeys: keys }, context) =>
      untag("iam-mfa", findDevice(serial, context), keys, context),
    answer: () => ({}),
  },
  UntagServerCertificate: {
    resolve: ({ ServerCertificateName: name, TagKeys: keys }, context) =>
      untag("iam-server-certificate", findCertificate(name, context), keys, context),
    answer: () => ({}),
  },
  UntagOpenIDConnectProvider: {
    resolve: ({ OpenIDConnectProviderArn: arn, TagKeys: keys }, context) =>
      untag("iam-oidc-provider", findOidcProvider(arn, context), keys, context),
    answer: () => ({}),
  },
  UntagSAMLProvider: {
    resolve: ({ SAMLProviderArn: arn, TagKeys: keys }, context) =>
      untag("iam-saml-provider", findSamlProvider(arn, context), keys, context),
    answer: () => ({}),
  },

  ListUserTags: {
    resolve: (input, context) => list("iam-user", findUser(input.UserName, context), input, context),
    answer: listed,
  },
  ListRoleTags: {
    resolve: (input, context) => list("iam-role", findRole(input.RoleName, context), input, context),
    answer: listed,
  },
  ListPolicyTags: {
    resolve: (input, context) => list("iam-policy", ownPolicy(input.PolicyArn, context), input, context),
    answer: listed,
  },
  ListInstanceProfileTags: {
    resolve: (input, context) =>
      list("iam-instance-profile", findProfile(input.InstanceProfileName, context), input, context),
    answer: listed,
  },
  ListMFADeviceTags: {
    resolve: (input, context) => list("iam-mfa", findDevice(input.SerialNumber, context), input, context),
    answer: listed,
  },
  ListServerCertificateTags: {
    resolve: (input, context) =>
      list("iam-server-certificate", findCertificate(input.ServerCertificateName, context), input, context),
    answer: listed,
  },
  ListOpenIDConnectProviderTags: {
    resolve: (input, context) =>
      list("iam-oidc-provider", findOidcProvider(input.OpenIDConnectProviderArn, context), input, context),
    answer: listed,
  },
  ListSAMLProviderTags: {
    resolve: (input, context) =>
      list("iam-saml-provider", findSamlProvider(input.SAMLProviderArn, context), input, context),
    answer: listed,
  },
} satisfies OperationsOf<typeof iam, IamContext>;

type TaggedKind =
  | "iam-user"
  | "iam-role"
  | "iam-policy"
  | "iam-instance-profile"
  | "iam-mfa"
  | "iam-server-certificate"
  | "iam-oidc-provider"
  | "iam-saml-provider";

/** AWS's own policies have no tags. */
function ownPolicy(arn: string, context: IamContext): PolicyRecord {
  const managed = findPolicy(arn, context);
  refuseAws(managed);
  return managed.policy;
}

const tag = <K extends TaggedKind>(kind: K, record: IamKinds[K], more: readonly Tag[], context: IamContext) =>
  retag(kind, record, withTags(record.tags, more), context);

const untag = <K extends TaggedKind>(
  kind: K,
  record: IamKinds[K],
  keys: readonly string[],
  context: IamContext,
) => retag(kind, record, withoutTags(record.tags, keys), context);

const retag = <K extends TaggedKind>(
  kind: K,
  record: IamKinds[K],
  tags: Tags,
  context: IamContext,
): OperationPlan => ({
  touches: touching(kind, record, context),
  transaction: context.records.rewrite(kind, { ...record, tags }),
});

function list<K extends TaggedKind>(
  kind: K,
  record: IamKinds[K],
  input: { Marker?: string | undefined; MaxItems?: number | undefined },
  context: IamContext,
) {
  return {
    touches: touching(kind, record, context),
    ...page(describeTags(record.tags), ({ Key }) => Key, input),
  };
}

function listed({ items, truncation }: { items: readonly Tag[]; truncation: Truncation }) {
  return { Tags: [...items], ...truncation };
}
