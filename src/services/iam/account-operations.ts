import type * as iam from "@aws-sdk/client-iam";
import type {
  EntityType,
  GetAccountAuthorizationDetailsCommandOutput,
  ManagedPolicyDetail,
  SummaryKeyType,
} from "@aws-sdk/client-iam";
import type { OperationsOf } from "#api/operation.ts";
import { percentEncoded } from "#wire/percent-encoding.ts";
import { awsManagedPolicies } from "./aws-managed-policies.ts";
import type { IamContext } from "./context.ts";
import { alreadyExists, noSuchEntity, validationError } from "./errors.ts";
import { describeGroup } from "./group-operations.ts";
import { attachedPolicies, boundaryMember } from "./holder.ts";
import { describeProfile } from "./instance-profile-operations.ts";
import { describePolicy, policyArn, type ManagedPolicy } from "./managed-policy.ts";
import { page, type Truncation } from "./pagination.ts";
import { describeWholeVersion } from "./policy-version-operations.ts";
import { quotas } from "./quotas.ts";
import type { GroupRecord, PolicyHolder, RoleRecord, UserRecord } from "./records.ts";
import { describeRole, lastUse } from "./role-operations.ts";
import { tagsMember } from "./tags.ts";
import { describeUser } from "./user-operations.ts";

/** What is said of the account as a whole. */
export const accountOperations = {
  /** An account has one alias: another takes its place. */
  CreateAccountAlias: {
    resolve({ AccountAlias: alias }, { records }) {
      if (!/^[a-z0-9](-?[a-z0-9])*$/.test(alias) || /^\d{12}$/.test(alias))
        throw validationError(`The specified value for accountAlias is invalid: ${alias}`);
      if (records.get("iam-alias", "alias")?.alias === alias)
        throw alreadyExists(`The account alias ${alias} already exists.`);
      return { touches: [], transaction: records.rewrite("iam-alias", { id: "alias", alias }) };
    },
    answer: () => ({}),
  },
  DeleteAccountAlias: {
    resolve({ AccountAlias: alias }, { records }) {
      if (records.get("iam-alias", "alias")?.alias !== alias)
        throw noSuchEntity(`The account alias ${alias} cannot be found for this account.`);
      return { touches: [], transaction: records.forget("iam-alias", "alias") };
    },
    answer: () => ({}),
  },
  ListAccountAliases: {
    resolve(input, { records }) {
      const aliases = records.all("iam-alias").map(({ alias }) => alias);
      return { touches: [], ...page(aliases, (alias) => alias, input) };
    },
    answer: ({ items, truncation }: { items: readonly string[]; truncation: Truncation }) => ({
      AccountAliases: [...items],
      ...truncation,
    }),
  },

  GetAccountSummary: {
    resolve: () => ({ touches: [] }),
    answer: (_plan, context) => ({ SummaryMap: summary(context) }),
  },

  /** Everything, or what the filter names, page by page. */
  GetAccountAuthorizationDetails: {
    resolve(input, context) {
      const wanted = new Set<EntityType>(input.Filter?.length ? input.Filter : allTypes);
      const details = detailed(context).filter(({ type }) => wanted.has(type));
      return { touches: [], ...page(details, ({ type, name }) => `${type}/${name}`, input) };
    },
    answer: ({ items, truncation }: { items: readonly Detail[]; truncation: Truncation }, context) => ({
      UserDetailList: items.flatMap(({ user }) => (user ? userDetail(user, context) : [])),
      GroupDetailList: items.flatMap(({ group }) => (group ? groupDetail(group, context) : [])),
      RoleDetailList: items.flatMap(({ role }) => (role ? roleDetail(role, context) : [])),
      Policies: items.flatMap(({ policy }) => (policy ? policyDetail(policy, context) : [])),
      ...truncation,
    }),
  },
} satisfies OperationsOf<typeof iam, IamContext>;

/** AWS's keys; what Croft does not have is none. AWS, GetAccountSummary. */
function summary({ records }: IamContext): Partial<Record<SummaryKeyType, number>> {
  const devices = records.all("iam-mfa");
  return {
    ...quotas,
    AccountAccessKeysPresent: 1,
    AccountMFAEnabled: 0,
    AccountPasswordPresent: 0,
    AccountSigningCertificatesPresent: 0,
    Groups: records.all("iam-group").length,
    MFADevices: devices.length,
    MFADevicesInUse: devices.filter(({ assigned }) => assigned).length,
    Policies: records.all("iam-policy").length,
    PolicyVersionsInUse: records.all("iam-policy").reduce((sum, { versions }) => sum + versions.length, 0),
    Providers: records.all("iam-oidc-provider").length + records.all("iam-saml-provider").length,
    ServerCertificates: records.all("iam-server-certificate").length,
    Users: records.all("iam-user").length,
  };
}

const allTypes = ["User", "Group", "Role", "LocalManagedPolicy", "AWSManagedPolicy"] as const;

interface Detail {
  readonly type: EntityType;
  readonly name: string;
  readonly user?: UserRecord;
  readonly group?: GroupRecord;
  readonly role?: RoleRecord;
  readonly policy?: ManagedPolicy;
}

/** Of AWS's own policies those that are in use. */
function detailed(context: IamContext): Detail[] {
  const { records } = context;
  const isUsed = (id: string) =>
    records.usersOf(id, "attached").length + records.usersOf(id, "boundary").length > 0;
  return [
    ...records.all("iam-user").map((user) => ({ type: "User" as const, name: user.name, user })),
    ...records.all("iam-group").map((group) => ({ type: "Group" as const, name: group.name, group })),
    ...records.all("iam-role").map((role) => ({ type: "Role" as const, name: role.name, role })),
    ...records.all("iam-policy").map((policy) => ({
      type: "LocalManagedPolicy" as const,
      name: policy.name,
      policy: { arn: policyArn(policy, context), policy, isAws: false },
    })),
    ...[...awsManagedPolicies]
      .filter(([, { id }]) => isUsed(id))
      .map(([arn, policy]) => ({
        type: "AWSManagedPolicy" as const,
        name: policy.name,
        policy: { arn, policy, isAws: true },
      })),
  ];
}

type Details = GetAccountAuthorizationDetailsCommandOutput;
type OneOf<List> = NonNullable<List> extends readonly (infer Element)[] ? Element : never;

const inlinePolicies = ({ inline }: PolicyHolder) =>
  Object.entries(inline).map(([PolicyName, text]) => ({ PolicyName, PolicyDocument: percentEncoded(text) }));

const userDetail = (user: UserRecord, context: IamContext): OneOf<Details["UserDetailList"]> => ({
  ...describeUser(user, context),
  UserPolicyList: inlinePolicies(user),
  GroupList: user.groups.flatMap((id) => context.records.get("iam-group", id)?.name ?? []),
  AttachedManagedPolicies: attachedPolicies(user),
  ...boundaryMember(user),
  ...tagsMember(user.tags),
});

const groupDetail = (group: GroupRecord, context: IamContext): OneOf<Details["GroupDetailList"]> => ({
  ...describeGroup(group, context),
  GroupPolicyList: inlinePolicies(group),
  AttachedManagedPolicies: attachedPolicies(group),
});

function roleDetail(role: RoleRecord, context: IamContext): OneOf<Details["RoleDetailList"]> {
  const { Description: _, MaxSessionDuration: __, ...described } = describeRole(role, context);
  return {
    ...described,
    InstanceProfileList: context.records
      .usersOf(role.id, "profile")
      .flatMap((id) => context.records.get("iam-instance-profile", id) ?? [])
      .map((it) => describeProfile(it, context)),
    RolePolicyList: inlinePolicies(role),
    AttachedManagedPolicies: attachedPolicies(role),
    ...boundaryMember(role),
    ...tagsMember(role.tags),
    RoleLastUsed: lastUse(role, context),
  };
}

const policyDetail = (managed: ManagedPolicy, context: IamContext): ManagedPolicyDetail => ({
  ...describePolicy(managed, context),
  ...(managed.policy.description !== undefined && { Description: managed.policy.description }),
  PolicyVersionList: managed.policy.versions.map((it) => describeWholeVersion(it, managed.policy)),
});
