import type * as iam from "@aws-sdk/client-iam";
import { ApiError } from "#api/error.ts";
import type { OperationsOf } from "#api/operation.ts";
import type { Expectation } from "#store/store.ts";
import type { IamContext } from "./context.ts";
import { alreadyExists, noSuchEntity, validationError } from "./errors.ts";
import { raise, touching, userOrCaller } from "./holder.ts";
import { isPassword, passwordHash } from "./password-hash.ts";
import { checkPassword, passwordPolicy, passwordPolicyViolation } from "./password-policy.ts";
import type { LoginProfileRecord, UserRecord } from "./records.ts";

/** As many as a policy may ask for. */
const mostFormer = 24;

/** Passwords of users, for the console. They are hashed once the call is allowed and all else about it was looked at. */
export const loginProfileOperations = {
  CreateLoginProfile: {
    resolve({ UserName: name, Password: password, PasswordResetRequired: mustReset = false }, context) {
      const { records, now } = context;
      const user = userOrCaller(name, context);
      if (password === undefined) throw validationError("The Password parameter is required.");
      if (records.get("iam-login-profile", user.id))
        throw alreadyExists(`Login Profile for user ${user.name} already exists.`);
      checkPassword(password, context);
      const asRead = records.asRead("iam-login-profile", user.id);
      const at = now().toISOString();
      const about = { id: user.id, createdAt: at, changedAt: at, mustReset, former: [] };
      return {
        touches: touching("iam-user", user, context),
        costly: async () =>
          records.rewrite(
            "iam-login-profile",
            { ...about, hash: await passwordHash(password) },
            { using: [useOf(user)], asRead },
          ),
        described: describe(about, user),
      };
    },
    answer: ({ described }: { described: Described }) => ({ LoginProfile: described }),
  },

  GetLoginProfile: {
    resolve({ UserName: name }, context) {
      const user = userOrCaller(name, context);
      return {
        touches: touching("iam-user", user, context),
        described: describe(profileOf(user, context), user),
      };
    },
    answer: ({ described }: { described: Described }) => ({ LoginProfile: described }),
  },

  UpdateLoginProfile: {
    resolve({ UserName: name, Password: password, PasswordResetRequired: mustReset }, context) {
      const user = userOrCaller(name, context);
      const before = profileOf(user, context);
      const profile = { ...before, mustReset: mustReset ?? before.mustReset };
      const touches = touching("iam-user", user, context);
      if (password === undefined)
        return { touches, transaction: context.records.rewrite("iam-login-profile", profile) };
      checkPassword(password, context);
      const asRead = context.records.asRead("iam-login-profile", user.id);
      return { touches, costly: async () => changed(profile, password, asRead, context) };
    },
    answer: () => ({}),
  },

  DeleteLoginProfile: {
    resolve({ UserName: name }, context) {
      const user = userOrCaller(name, context);
      profileOf(user, context);
      return {
        touches: touching("iam-user", user, context),
        transaction: context.records.forget("iam-login-profile", user.id, [useOf(user)]),
      };
    },
    answer: () => ({}),
  },

  /** The caller's own, by the one he has. Who tries wrong ones has to wait, as with MFA codes. */
  ChangePassword: {
    resolve({ OldPassword: old, NewPassword: password }, context) {
      const { caller, records, wrongTries, now } = context;
      const user = caller.type === "User" ? records.get("iam-user", caller.principalId ?? "") : undefined;
      if (!user) throw new ApiError("InvalidUserType", "Only IAM Users can change their own password.");
      const profile = profileOf(user, context);
      checkPassword(password, context);
      const asRead = records.asRead("iam-login-profile", user.id);
      return {
        touches: touching("iam-user", user, context),
        async costly() {
          if (!wrongTries.mayTry(user.id, now())) throw wrongPassword();
          // Counted before it is known, so that many at once are too.
          wrongTries.wrong(user.id, now());
          if (!(await isPassword(old, profile.hash))) throw wrongPassword();
          wrongTries.right(user.id);
          return changed({ ...profile, mustReset: false }, password, asRead, context);
        },
      };
    },
    answer: () => ({}),
  },
} satisfies OperationsOf<typeof iam, IamContext>;

const wrongPassword = () => new ApiError("AccessDenied", "The old password was incorrect.", { status: 403 });

const useOf = ({ id }: UserRecord) => ({ id, use: "login", kind: "iam-user" }) as const;

/** Throws NoSuchEntity. */
const profileOf = (user: UserRecord, { records }: IamContext): LoginProfileRecord =>
  records.get("iam-login-profile", user.id) ??
  raise(noSuchEntity(`Login Profile for User ${user.name} cannot be found.`));

/** With another password. Throws PasswordPolicyViolation of one that the user had too lately. */
async function changed(
  profile: LoginProfileRecord,
  password: string,
  asRead: Expectation,
  context: IamContext,
) {
  const { hash, former } = profile;
  const had = [hash, ...former];
  for (const it of had.slice(0, passwordPolicy(context)?.notAgain ?? 0))
    if (await isPassword(password, it))
      throw passwordPolicyViolation(
        "Policy constraint violation with password reuse prevention during password change",
      );
  const after: LoginProfileRecord = {
    ...profile,
    hash: await passwordHash(password),
    former: had.slice(0, mostFormer),
    changedAt: context.now().toISOString(),
  };
  return context.records.rewrite("iam-login-profile", after, { asRead });
}

type Described = ReturnType<typeof describe>;
const describe = (
  { createdAt, mustReset }: Pick<LoginProfileRecord, "createdAt" | "mustReset">,
  { name }: UserRecord,
) => ({ UserName: name, CreateDate: new Date(createdAt), PasswordResetRequired: mustReset });
