import assert from "node:assert/strict";
import { test } from "node:test";
import { CommandFailed } from "#drivers/linux/commands.ts";
import type { awsCli } from "./aws-cli.ts";

const all = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}';
const byEc2 =
  '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}';

type Cli = ReturnType<typeof awsCli>;

/** Every operation, paginator and waiter of IAM's entities and policies. What is one after the other is so because it must. */
export function iamTests(
  aws: Cli,
  /** The CLI with these variables of its environment: another caller's. */
  awsAs: (environment: Readonly<Record<string, string>>) => Cli,
): void {
  const arn = "arn:aws:iam::000000000000:policy/all";
  const [user, group, role, profile, policy] = [
    "--user-name ada",
    "--group-name staff",
    "--role-name web",
    "--instance-profile-name web",
    `--policy-arn ${arn}`,
  ];
  const together = (...commands: string[]) => Promise.all(commands.map((it) => aws.text(`iam ${it}`)));
  const line = async (command: string) => (await aws.rows(`iam ${command}`)).flat();
  const tagged = [`user ${user}`, `role ${role}`, `policy ${policy}`, `instance-profile ${profile}`];
  const holders = [`user-policy ${user}`, `group-policy ${group}`, `role-policy ${role}`];

  test("users, groups, roles, policies and instance profiles are made, tagged and listed", async () => {
    await together(
      `create-policy --policy-name all --policy-document ${all}`,
      `create-user ${user}`,
      `create-group ${group}`,
      `create-role ${role} --assume-role-policy-document ${byEc2}`,
      `create-instance-profile ${profile}`,
    );
    await together(
      `wait user-exists ${user}`,
      `wait role-exists ${role}`,
      `wait policy-exists ${policy}`,
      `wait instance-profile-exists ${profile}`,
      ...tagged.map((it) => `tag-${it} --tags Key=a,Value=1`),
    );
    const tagLists = await Promise.all(
      tagged.map((it) => {
        const [what, ...of] = it.split(" ");
        // Debian's CLI knows pages of users' tags alone.
        const pages = what === "user" ? " --page-size 1" : "";
        return line(`list-${what}-tags ${of.join(" ")} --query Tags[].Key${pages}`);
      }),
    );
    assert.deepEqual(tagLists, [["a"], ["a"], ["a"], ["a"]]);
    await together(...tagged.map((it) => `untag-${it} --tag-keys a`));
    const [users, groups, roles, profiles, policies] = await Promise.all([
      line("list-users --page-size 1 --query Users[].UserName"),
      line("list-groups --page-size 1 --query Groups[].GroupName"),
      line("list-roles --page-size 1 --query Roles[].RoleName"),
      line("list-instance-profiles --page-size 1 --query InstanceProfiles[].InstanceProfileName"),
      line("list-policies --page-size 20 --query Policies[].PolicyName"),
    ]);
    assert.deepEqual([users, groups, roles, profiles], [["ada"], ["staff"], ["web"], ["web"]]);
    assert.ok(policies.includes("all") && policies.includes("AdministratorAccess"), policies.join(" "));
    await together(
      `update-user ${user} --new-path /people/`,
      `update-group ${group} --new-path /people/`,
      `update-role ${role} --max-session-duration 7200`,
    );
    await together(`update-role-description ${role} --description instances`);
    await together(`update-assume-role-policy ${role} --policy-document ${byEc2}`);
    assert.deepEqual(await line(`get-role ${role} --query Role.[MaxSessionDuration,Description]`), [
      "7200",
      "instances",
    ]);
    assert.deepEqual(await line(`get-user ${user} --query User.Arn`), [
      "arn:aws:iam::000000000000:user/people/ada",
    ]);
    assert.equal(await aws.refusal(`iam create-user ${user}`), "EntityAlreadyExists");
    assert.equal(await aws.refusal("iam get-user --user-name nobody"), "NoSuchEntity");
  });

  test("policies have versions, are attached, written in and bound", async () => {
    await together(`create-policy-version ${policy} --policy-document ${all}`);
    await together(`set-default-policy-version ${policy} --version-id v2`);
    assert.deepEqual(
      await line(`list-policy-versions ${policy} --page-size 1 --query Versions[].VersionId`),
      ["v2", "v1"],
    );
    assert.deepEqual(
      await line(
        `get-policy-version ${policy} --version-id v2 --query PolicyVersion.Document.Statement.Action`,
      ),
      ["*"],
    );
    await together(`delete-policy-version ${policy} --version-id v1`);
    await together(...holders.map((it) => `attach-${it} ${policy}`));
    await together(...holders.map((it) => `put-${it} --policy-name in --policy-document ${all}`));
    const [attached, inline, documents] = await Promise.all(
      [
        (it: string) =>
          `list-attached-${it.replace("-policy", "-policies")} --page-size 1 --query AttachedPolicies[].PolicyName`,
        (it: string) => `list-${it.replace("-policy", "-policies")} --page-size 1 --query PolicyNames`,
        (it: string) => `get-${it} --policy-name in --query PolicyDocument.Statement.Effect`,
      ].map((command) => Promise.all(holders.map((it) => line(command(it))))),
    );
    assert.deepEqual(attached?.flat(), ["all", "all", "all"]);
    const source = "--policy-source-arn arn:aws:iam::000000000000:role/web";
    assert.deepEqual(
      await Promise.all([
        line(
          `simulate-principal-policy ${source} --action-names s3:GetObject --page-size 1 --query EvaluationResults[].EvalDecision`,
        ),
        line(`get-context-keys-for-principal-policy ${source} --query ContextKeyNames`),
      ]),
      [["allowed"], []],
    );
    assert.deepEqual(inline?.flat(), ["in", "in", "in"]);
    assert.deepEqual(documents?.flat(), ["Allow", "Allow", "Allow"]);
    await together(
      `put-user-permissions-boundary ${user} --permissions-boundary ${arn}`,
      `put-role-permissions-boundary ${role} --permissions-boundary ${arn}`,
    );
    assert.deepEqual(
      await line(
        `get-policy ${policy} --query Policy.[DefaultVersionId,AttachmentCount,PermissionsBoundaryUsageCount]`,
      ),
      ["v2", "3", "2"],
    );
    assert.deepEqual(
      await line(`list-entities-for-policy ${policy} --page-size 1 --query PolicyUsers[].UserName`),
      ["ada"],
    );
    await together(`delete-user-permissions-boundary ${user}`, `delete-role-permissions-boundary ${role}`);
  });

  test("a user signs in by keys, is held to policy, and assumes a role", async () => {
    const [keyId = "", secret = ""] = await line(
      `create-access-key ${user} --query AccessKey.[AccessKeyId,SecretAccessKey]`,
    );
    assert.deepEqual(
      await Promise.all([
        line(`list-access-keys ${user} --page-size 1 --query AccessKeyMetadata[].AccessKeyId`),
        line(`get-access-key-last-used --access-key-id ${keyId} --query UserName`),
        aws.text(`sts get-access-key-info --access-key-id ${keyId}`).then((it) => it.trim().split("\t")),
      ]),
      [[keyId], ["ada"], ["000000000000"]],
    );
    const ada = awsAs({ AWS_ACCESS_KEY_ID: keyId, AWS_SECRET_ACCESS_KEY: secret });
    const [adaArn = ""] = (await ada.rows("sts get-caller-identity --query Arn")).flat();
    assert.equal(adaArn, "arn:aws:iam::000000000000:user/people/ada");
    const trust = byEc2.replace('"Service":"ec2.amazonaws.com"', `"AWS":"${adaArn}"`);
    await together(`update-assume-role-policy ${role} --policy-document ${trust}`);
    const assume = `sts assume-role --role-arn arn:aws:iam::000000000000:role/web --role-session-name me`;
    const given = (
      await ada.rows(`${assume} --query Credentials.[AccessKeyId,SecretAccessKey,SessionToken]`)
    ).flat();
    const web = awsAs({
      AWS_ACCESS_KEY_ID: given[0] ?? "",
      AWS_SECRET_ACCESS_KEY: given[1] ?? "",
      AWS_SESSION_TOKEN: given[2] ?? "",
    });
    assert.deepEqual(await web.rows("sts get-caller-identity --query Arn"), [
      ["arn:aws:sts::000000000000:assumed-role/web/me"],
    ]);
    await Promise.all([ada.text("sts get-session-token"), ada.text("sts get-federation-token --name guest")]);
    await together(
      `put-user-policy ${user} --policy-name in --policy-document ${all.replace("Allow", "Deny")}`,
    );
    const failed: unknown = await ada
      .text("ec2 create-vpc --cidr-block 10.9.0.0/16")
      .catch((it: unknown) => it);
    const told = failed instanceof CommandFailed ? failed.stderr : "";
    const [, message = ""] = /\(UnauthorizedOperation\).*failure message: (\S+)/.exec(told) ?? [];
    const decoded = await aws.text(`sts decode-authorization-message --encoded-message ${message}`);
    assert.equal(JSON.parse(decoded).context.action, "ec2:CreateVpc");
    await together(`update-access-key ${user} --access-key-id ${keyId} --status Inactive`);
    assert.equal(await ada.refusal("sts get-caller-identity"), "InvalidClientTokenId");
    await together(`delete-access-key ${user} --access-key-id ${keyId}`);
  });

  test("users are in groups, roles in instance profiles, and all of it goes", async () => {
    await together(
      `add-user-to-group ${group} ${user}`,
      `add-role-to-instance-profile ${profile} ${role}`,
      "create-account-alias --account-alias my-region",
    );
    assert.deepEqual(
      await Promise.all([
        line(`get-group ${group} --page-size 1 --query Users[].UserName`),
        line(`list-groups-for-user ${user} --page-size 1 --query Groups[].GroupName`),
        line(`get-instance-profile ${profile} --query InstanceProfile.Roles[].RoleName`),
        line(`list-instance-profiles-for-role ${role} --page-size 1 --query InstanceProfiles[].Path`),
        line("list-account-aliases --page-size 1 --query AccountAliases"),
        line("get-account-summary --query SummaryMap.Users"),
        line(
          "get-account-authorization-details --page-size 1 --filter User --query UserDetailList[].GroupList[]",
        ),
      ]),
      [["ada"], ["staff"], ["web"], ["/"], ["my-region"], ["1"], ["staff"]],
    );
    assert.equal(await aws.refusal(`iam delete-user ${user}`), "DeleteConflict");
    await together(
      "delete-account-alias --account-alias my-region",
      `remove-user-from-group ${group} ${user}`,
      `remove-role-from-instance-profile ${profile} ${role}`,
    );
    await together(...holders.map((it) => `detach-${it} ${policy}`));
    await together(...holders.map((it) => `delete-${it} --policy-name in`));
    await together(
      `delete-user ${user}`,
      `delete-group ${group}`,
      `delete-role ${role}`,
      `delete-instance-profile ${profile}`,
      `delete-policy ${policy}`,
    );
  });
}
