import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { IAM } from "@aws-sdk/client-iam";
import { iamScene } from "#testing/iam.ts";

const limit = { timeout: 60_000 };
const user = { UserName: "ada" };
const good = "Correct-horse-1";

/** A user "ada", who signs by a key of her own. */
async function scene(t: TestContext) {
  const { iam, refused, clientConfig } = await iamScene(t);
  await iam.createUser(user);
  const { AccessKey: key } = await iam.createAccessKey(user);
  const credentials = { accessKeyId: key?.AccessKeyId ?? "", secretAccessKey: key?.SecretAccessKey ?? "" };
  const ada = new IAM({ ...clientConfig, credentials });
  t.after(() => ada.destroy());
  const weak = (call: Promise<unknown>, message = /does not conform to the account password policy/) =>
    refused(call, "PasswordPolicyViolationException", message);
  return { iam, ada, refused, weak };
}

test("a user has one login profile, which goes before the user does", limit, async (t) => {
  const { iam, refused } = await scene(t);
  const none = (call: Promise<unknown>) =>
    refused(call, "NoSuchEntityException", /Login Profile for User ada cannot be found/);
  await none(iam.getLoginProfile(user));
  await none(iam.updateLoginProfile({ ...user, Password: good }));
  await none(iam.deleteLoginProfile(user));
  await refused(iam.createLoginProfile(user), "ValidationError");
  await refused(iam.createLoginProfile({ Password: good }), "ValidationError", /Must specify userName/);
  const both = await Promise.allSettled([
    iam.createLoginProfile({ ...user, Password: good, PasswordResetRequired: true }),
    iam.createLoginProfile({ ...user, Password: good, PasswordResetRequired: true }),
  ]);
  const [made, ...more] = both.flatMap((it) => (it.status === "fulfilled" ? [it.value.LoginProfile] : []));
  assert.deepEqual([made?.UserName, made?.PasswordResetRequired, more.length], ["ada", true, 0]);
  assert.deepEqual((await iam.getLoginProfile(user)).LoginProfile, made);
  await iam.updateLoginProfile({ ...user, PasswordResetRequired: false });
  assert.equal((await iam.getLoginProfile(user)).LoginProfile?.PasswordResetRequired, false);
  await refused(iam.deleteUser(user), "DeleteConflictException");
  await iam.deleteLoginProfile(user);
  const { AccessKeyMetadata: [key] = [] } = await iam.listAccessKeys(user);
  await iam.deleteAccessKey({ ...user, AccessKeyId: key?.AccessKeyId });
  await iam.deleteUser(user);
});

test(
  "without a policy passwords have eight characters of three kinds, and are not the account's name",
  limit,
  async (t) => {
    const { iam, weak } = await scene(t);
    await iam.createAccountAlias({ AccountAlias: "my-region-1" });
    for (const Password of ["Short-1", "only-lowercase", "NotEnough", "Żółw-jest-1", "my-region-1"])
      await weak(iam.createLoginProfile({ ...user, Password }));
    await iam.createLoginProfile({ ...user, Password: good });
  },
);

test(
  "the account's policy says what passwords are; what it does not say is AWS's default",
  limit,
  async (t) => {
    const { iam, refused, weak } = await scene(t);
    await refused(
      iam.getAccountPasswordPolicy({}),
      "NoSuchEntityException",
      /domain name 111122223333 cannot be found/,
    );
    await refused(iam.deleteAccountPasswordPolicy({}), "NoSuchEntityException");
    await iam.updateAccountPasswordPolicy({
      MinimumPasswordLength: 10,
      RequireSymbols: true,
      MaxPasswordAge: 90,
    });
    for (const Password of ["a-short", "longbutplain"])
      await weak(iam.createLoginProfile({ ...user, Password }));
    await iam.createLoginProfile({ ...user, Password: "long-and-lowercase" });
    assert.deepEqual((await iam.getAccountPasswordPolicy({})).PasswordPolicy, {
      MinimumPasswordLength: 10,
      RequireSymbols: true,
      RequireNumbers: false,
      RequireUppercaseCharacters: false,
      RequireLowercaseCharacters: false,
      AllowUsersToChangePassword: false,
      ExpirePasswords: true,
      MaxPasswordAge: 90,
      HardExpiry: false,
    });
    await iam.updateAccountPasswordPolicy({ RequireNumbers: true });
    const { PasswordPolicy } = await iam.getAccountPasswordPolicy({});
    assert.deepEqual(
      [
        PasswordPolicy?.MinimumPasswordLength,
        PasswordPolicy?.RequireSymbols,
        PasswordPolicy?.ExpirePasswords,
      ],
      [6, false, false],
    );
    await refused(iam.updateAccountPasswordPolicy({ MinimumPasswordLength: 5 }), "ValidationError");
    await iam.deleteAccountPasswordPolicy({});
  },
);

test(
  "users change their passwords where the account lets them, by the old one, and not back to it",
  limit,
  async (t) => {
    const { iam, ada, refused, weak } = await scene(t);
    await iam.createLoginProfile({ ...user, Password: good, PasswordResetRequired: true });
    const change = (OldPassword: string, NewPassword: string) =>
      ada.changePassword({ OldPassword, NewPassword });
    const next = "Battery-staple-2";
    await refused(change(good, next), "AccessDenied", /is not authorized to perform: iam:ChangePassword/);
    await iam.updateAccountPasswordPolicy({ AllowUsersToChangePassword: true, PasswordReusePrevention: 2 });
    await refused(change("Wrong-horse-1", next), "AccessDenied", /old password was incorrect/);
    await weak(change(good, "a"));
    await weak(change(good, good), /password reuse prevention/);
    await change(good, next);
    assert.equal((await iam.getLoginProfile(user)).LoginProfile?.PasswordResetRequired, false);
    await weak(change(next, good), /password reuse prevention/);
    await weak(iam.updateLoginProfile({ ...user, Password: next }), /password reuse prevention/);
    await iam.updateLoginProfile({ ...user, Password: "Third-time-3" });
    await change("Third-time-3", good);
    assert.equal((await ada.getAccountPasswordPolicy({})).PasswordPolicy?.PasswordReusePrevention, 2);
    await refused(ada.getLoginProfile(user), "AccessDenied");
    await refused(
      iam.changePassword({ OldPassword: good, NewPassword: next }),
      "InvalidUserTypeException",
      /Only IAM Users/,
    );
    for (let tried = 0; tried < 5; tried++)
      await refused(change("Wrong-horse-1", next), "AccessDenied", /old password/);
    await refused(change(good, next), "AccessDenied", /old password/);
    await iam.deleteLoginProfile(user);
    await refused(change(good, next), "NoSuchEntityException");
  },
);

test("who is not allowed costs nothing: no password is hashed for him", limit, async (t) => {
  const { iam, ada, refused } = await scene(t);
  await iam.createLoginProfile({ ...user, Password: good });
  const began = process.cpuUsage();
  await Promise.all(
    Array.from({ length: 30 }, () =>
      refused(ada.updateLoginProfile({ ...user, Password: good }), "AccessDenied"),
    ),
  );
  // Each hash is a fifth of a second and more.
  const { user: used } = process.cpuUsage(began);
  assert.ok(used < 2_000_000, `${used} µs`);
});
