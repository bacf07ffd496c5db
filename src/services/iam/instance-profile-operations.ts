import type * as iam from "@aws-sdk/client-iam";
import type { InstanceProfile } from "@aws-sdk/client-iam";
import type { OperationsOf } from "#api/operation.ts";
import type { IamContext } from "./context.ts";
import { alreadyExists, deleteConflict, noSuchEntity, quotaExceeded } from "./errors.ts";
import { arnOf, findProfile, findOwnRole, findRole, touching, untagged } from "./holder.ts";
import { checkName, checkPath, newUniqueId } from "./names.ts";
import { page, type Truncation } from "./pagination.ts";
import type { InstanceProfileRecord, RoleRecord, UseOf } from "./records.ts";
import { describeRole } from "./role-operations.ts";
import { tagsMember, withTags } from "./tags.ts";

const mostProfiles = 1000;

export const instanceProfileOperations = {
  CreateInstanceProfile: {
    resolve(input, context) {
      const { records, now, random } = context;
      checkName("instanceProfileName", input.InstanceProfileName);
      const profile: InstanceProfileRecord = {
        id: newUniqueId("AIPA", random),
        name: input.InstanceProfileName,
        path: checkPath(input.Path ?? "/"),
        createdAt: now().toISOString(),
        tags: withTags({}, input.Tags),
      };
      if (records.named("iam-instance-profile", profile.name))
        throw alreadyExists(`Instance Profile ${profile.name} already exists.`);
      if (records.all("iam-instance-profile").length >= mostProfiles)
        throw quotaExceeded("InstanceProfilesPerAccount", mostProfiles);
      return {
        touches: touching("iam-instance-profile", untagged(profile), context),
        transaction: records.create("iam-instance-profile", profile),
        profile,
      };
    },
    answer: ({ profile }: { profile: InstanceProfileRecord }, context) => ({
      InstanceProfile: { ...describeProfile(profile, context), ...tagsMember(profile.tags) },
    }),
  },

  GetInstanceProfile: {
    resolve({ InstanceProfileName: name }, context) {
      const profile = findProfile(name, context);
      return { touches: touching("iam-instance-profile", profile, context), profile };
    },
    answer: ({ profile }: { profile: InstanceProfileRecord }, context) => ({
      InstanceProfile: { ...describeProfile(profile, context), ...tagsMember(profile.tags) },
    }),
  },

  ListInstanceProfiles: {
    resolve(input, { records }) {
      const prefix = input.PathPrefix ?? "/";
      const profiles = records.all("iam-instance-profile").filter(({ path }) => path.startsWith(prefix));
      return { touches: [], ...page(profiles, ({ name }) => name, input) };
    },
    answer: (plan: Page, context) => listed(plan, context),
  },

  ListInstanceProfilesForRole: {
    resolve(input, context) {
      const role = findRole(input.RoleName, context);
      const profiles = context.records
        .usersOf(role.id, "profile")
        .flatMap((id) => context.records.get("iam-instance-profile", id) ?? []);
      return {
        touches: touching("iam-role", role, context),
        ...page(profiles, ({ name }) => name, input),
      };
    },
    answer: (plan: Page, context) => listed(plan, context),
  },

  DeleteInstanceProfile: {
    resolve({ InstanceProfileName: name }, context) {
      const profile = findProfile(name, context);
      if (profile.role !== undefined)
        throw deleteConflict("Cannot delete entity, must remove roles from instance profile first.");
      return {
        touches: touching("iam-instance-profile", profile, context),
        transaction: context.records.remove("iam-instance-profile", profile),
      };
    },
    answer: () => ({}),
  },

  /** It holds one role. */
  AddRoleToInstanceProfile: {
    resolve({ InstanceProfileName: profileName, RoleName: roleName }, context) {
      const profile = findProfile(profileName, context);
      const role = findOwnRole(roleName, context);
      if (profile.role !== undefined) throw quotaExceeded("InstanceSessionsPerInstanceProfile", 1);
      const changed = { ...profile, role: role.id };
      return {
        touches: [
          ...touching("iam-instance-profile", profile, context),
          ...touching("iam-role", role, context, { "iam:PassedToService": "ec2.amazonaws.com" }).map(
            (it) => ({
              ...it,
              action: "iam:PassRole",
            }),
          ),
        ],
        transaction: context.records.rewrite("iam-instance-profile", changed, { using: [holding(role)] }),
      };
    },
    answer: () => ({}),
  },

  RemoveRoleFromInstanceProfile: {
    resolve({ InstanceProfileName: profileName, RoleName: roleName }, context) {
      const profile = findProfile(profileName, context);
      const role = findOwnRole(roleName, context);
      if (profile.role !== role.id)
        throw noSuchEntity(`Role ${role.name} is not in the instance profile ${profile.name}.`);
      const { role: _, ...changed } = profile;
      return {
        touches: touching("iam-instance-profile", profile, context),
        transaction: context.records.rewrite("iam-instance-profile", changed, { leaving: [holding(role)] }),
      };
    },
    answer: () => ({}),
  },
} satisfies OperationsOf<typeof iam, IamContext>;

const holding = ({ id }: RoleRecord): UseOf => ({ id, use: "profile", kind: "iam-role" });

/** As lists give it. */
export function describeProfile(profile: InstanceProfileRecord, context: IamContext): InstanceProfile {
  const role = profile.role === undefined ? undefined : context.records.get("iam-role", profile.role);
  return {
    Path: profile.path,
    InstanceProfileName: profile.name,
    InstanceProfileId: profile.id,
    Arn: arnOf("iam-instance-profile", profile, context),
    CreateDate: new Date(profile.createdAt),
    Roles: role ? [describeRole(role, context)] : [],
  };
}

interface Page {
  readonly items: readonly InstanceProfileRecord[];
  readonly truncation: Truncation;
}
const listed = ({ items, truncation }: Page, context: IamContext) => ({
  InstanceProfiles: items.map((it) => describeProfile(it, context)),
  ...truncation,
});
