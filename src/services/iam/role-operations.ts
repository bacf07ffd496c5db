import type * as iam from "@aws-sdk/client-iam";
import type { Role, RoleLastUsed } from "@aws-sdk/client-iam";
import type { OperationsOf } from "#api/operation.ts";
import { percentEncoded } from "#wire/percent-encoding.ts";
import type { IamContext } from "./context.ts";
import { deleteConflict, malformedDocument, quotaExceeded, validationError } from "./errors.ts";
import {
  arnOf,
  boundaryMember,
  findOwnRole,
  findRole,
  refuseHolding,
  refuseTaken,
  touching,
  untagged,
} from "./holder.ts";
import { useOfPolicy } from "./managed-policy.ts";
import { checkName, checkPath, newUniqueId } from "./names.ts";
import { page, type Truncation } from "./pagination.ts";
import { checkTrustSize, readDocument } from "./policy-text.ts";
import type { RoleRecord } from "./records.ts";
import { tagsMember, withTags } from "./tags.ts";
import { trustedIds, trustInForce } from "./trust.ts";

export const mostRoles = 1000;
const daysTracked = 400;

export const roleOperations = {
  CreateRole: {
    resolve(input, context) {
      const { records, now, random } = context;
      checkName("roleName", input.RoleName);
      const role: RoleRecord = {
        id: newUniqueId("AROA", random),
        name: input.RoleName,
        path: checkPath(input.Path ?? "/"),
        createdAt: now().toISOString(),
        tags: withTags({}, input.Tags),
        attached: [],
        inline: {},
        boundary: input.PermissionsBoundary,
        description: checkDescription(input.Description),
        ...trustOf(input.AssumeRolePolicyDocument, context),
        maxSessionSeconds: input.MaxSessionDuration ?? 3600,
      };
      const uses = role.boundary === undefined ? [] : [useOfPolicy(role.boundary, "boundary", context)];
      refuseTaken("iam-role", role.name, context);
      if (records.all("iam-role").length >= mostRoles) throw quotaExceeded("RolesPerAccount", mostRoles);
      return {
        touches: touching("iam-role", untagged(role), context),
        transaction: records.create("iam-role", role, uses),
        role,
      };
    },
    answer: ({ role }: { role: RoleRecord }, context) => ({ Role: describeWholeRole(role, context) }),
  },

  GetRole: {
    resolve({ RoleName: name }, context) {
      const role = findRole(name, context);
      return { touches: touching("iam-role", role, context), role };
    },
    answer: ({ role }: { role: RoleRecord }, context) => ({
      Role: { ...describeWholeRole(role, context), RoleLastUsed: lastUse(role, context) },
    }),
  },

  ListRoles: {
    resolve(input, { records }) {
      const prefix = input.PathPrefix ?? "/";
      const roles = records.all("iam-role").filter(({ path }) => path.startsWith(prefix));
      return { touches: [], ...page(roles, ({ name }) => name, input) };
    },
    answer: ({ items, truncation }: { items: readonly RoleRecord[]; truncation: Truncation }, context) => ({
      Roles: items.map((it) => describeRole(it, context)),
      ...truncation,
    }),
  },

  UpdateRole: {
    resolve({ RoleName: name, Description: description, MaxSessionDuration: seconds }, context) {
      const role = (seconds === undefined ? findRole : findOwnRole)(name, context);
      return changed(
        role,
        {
          ...role,
          description: checkDescription(description) ?? role.description,
          maxSessionSeconds: seconds ?? role.maxSessionSeconds,
        },
        context,
      );
    },
    answer: () => ({}),
  },

  UpdateRoleDescription: {
    resolve({ RoleName: name, Description: description }, context) {
      const role = findRole(name, context);
      return changed(role, { ...role, description: checkDescription(description) }, context);
    },
    answer: ({ role }: { role: RoleRecord }, context) => ({ Role: describeRole(role, context) }),
  },

  UpdateAssumeRolePolicy: {
    resolve({ RoleName: name, PolicyDocument: document }, context) {
      const role = findOwnRole(name, context);
      return changed(role, { ...role, ...trustOf(document, context) }, context);
    },
    answer: () => ({}),
  },

  DeleteRole: {
    resolve({ RoleName: name }, context) {
      const role = findOwnRole(name, context);
      if (context.records.usersOf(role.id, "profile").length > 0)
        throw deleteConflict("Cannot delete entity, must remove roles from instance profile first.");
      refuseHolding(role);
      const leaving = role.boundary === undefined ? [] : [useOfPolicy(role.boundary, "boundary", context)];
      return {
        touches: touching("iam-role", role, context),
        transaction: context.records.removeRole(role, leaving),
      };
    },
    answer: () => ({}),
  },
} satisfies OperationsOf<typeof iam, IamContext>;

const changed = (before: RoleRecord, role: RoleRecord, context: IamContext) => ({
  touches: touching("iam-role", before, context),
  transaction: context.records.rewrite("iam-role", role),
  role,
});

/** Who may assume the role. Users and roles that are named must be there, where their account is one of the region's. */
function trustOf(document: string, context: IamContext): Pick<RoleRecord, "trust" | "trusted"> {
  const policy = readDocument(document, "trust");
  checkTrustSize(document);
  const bad = (principal: string) => malformedDocument(`Invalid principal in policy: "AWS":"${principal}"`);
  return { trust: document, trusted: trustedIds(policy, context.accounts, bad) };
}

export function checkDescription(text: string | undefined): string | undefined {
  if (text !== undefined && !/^[\t\n\r\x20-\x7e\xa1-\xff]*$/.test(text))
    throw validationError("The specified value for description is invalid.");
  return text;
}

/** As lists give it. */
export const describeRole = (role: RoleRecord, context: IamContext): Role => ({
  Path: role.path,
  RoleName: role.name,
  RoleId: role.id,
  Arn: arnOf("iam-role", role, context),
  CreateDate: new Date(role.createdAt),
  AssumeRolePolicyDocument: percentEncoded(trustInForce(role, context.accounts)),
  ...(role.description !== undefined && { Description: role.description }),
  MaxSessionDuration: role.maxSessionSeconds,
});

/** Nothing when its sessions did not sign for 400 days. AWS, "RoleLastUsed". */
export function lastUse({ id }: RoleRecord, { records, now }: IamContext): RoleLastUsed {
  const use = records.get("iam-role-use", id);
  const since = now().getTime() - daysTracked * 86_400_000;
  return use && new Date(use.at).getTime() > since
    ? { LastUsedDate: new Date(use.at), Region: use.region }
    : {};
}

export const describeWholeRole = (role: RoleRecord, context: IamContext): Role => ({
  ...describeRole(role, context),
  ...boundaryMember(role),
  ...tagsMember(role.tags),
});
