import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { EC2 } from "@aws-sdk/client-ec2";
import { IAM } from "@aws-sdk/client-iam";
import { SSM } from "@aws-sdk/client-ssm";
import { STS } from "@aws-sdk/client-sts";
import { testRegion } from "#testing/region.ts";
import { servedOperations } from "../operations.ts";
import { isInReference } from "./reference.ts";

const limit = { timeout: 30_000 };
const account = "111122223333";
const one = { ImageId: "ami-0aaaaaaaaaaaaaaaa", InstanceType: "t3.micro" as const, MinCount: 1, MaxCount: 1 };

type Statement = Readonly<Record<string, unknown>>;
const document = (...statements: Statement[]) =>
  JSON.stringify({
    Version: "2012-10-17",
    Statement: statements.map((it) => ({
      Effect: "Allow",
      ...("NotAction" in it ? {} : { Action: "*" }),
      Resource: "*",
      ...it,
    })),
  });

/** A region with a user "ada", whose one policy is what `allow` says. */
async function scene(t: TestContext) {
  const region = await testRegion(t, { notesRoot: true });
  const { clientConfig } = region;
  const iam = new IAM(clientConfig);
  await iam.createUser({ UserName: "ada", Tags: [{ Key: "team", Value: "blue" }] });
  const { AccessKey: key } = await iam.createAccessKey({ UserName: "ada" });
  const credentials = {
    accessKeyId: key?.AccessKeyId ?? "",
    secretAccessKey: key?.SecretAccessKey ?? "",
  };
  const as = (who: typeof credentials & { sessionToken?: string }) => {
    const config = { ...clientConfig, credentials: who };
    const clients = {
      ec2: new EC2(config),
      iam: new IAM(config),
      sts: new STS(config),
      ssm: new SSM(config),
    };
    t.after(() => Object.values(clients).forEach((it) => it.destroy()));
    return clients;
  };
  t.after(() => iam.destroy());
  return {
    ...region,
    root: region.client,
    iam,
    as,
    credentials,
    ada: as(credentials),
    allow: (...statements: Statement[]) =>
      iam.putUserPolicy({ UserName: "ada", PolicyName: "p", PolicyDocument: document(...statements) }),
  };
}

const denied = (call: Promise<unknown>, name = "AccessDenied", message = /./) =>
  assert.rejects(call, { name, message });
const unauthorised = (call: Promise<unknown>, message = /./) =>
  denied(call, "UnauthorizedOperation", message);
const dry = (call: Promise<unknown>) => denied(call, "DryRunOperation");

test("every operation that is served has its resources in AWS's reference", () => {
  const missing = Object.entries(servedOperations).flatMap(([service, operations]) =>
    Object.keys(operations).filter((name) => !isInReference(service, name)),
  );
  assert.deepEqual(missing, []);
});

test(
  "who has no policy may do nothing but ask who he is, and learns nothing of what is there",
  limit,
  async (t) => {
    const { ada, root } = await scene(t);
    assert.equal((await ada.sts.getCallerIdentity({})).Arn, `arn:aws:iam::${account}:user/ada`);
    await unauthorised(
      ada.ec2.describeVpcs({}),
      /^You are not authorized to perform this operation. User: arn:aws:iam::111122223333:user\/ada is not authorized to perform: ec2:DescribeVpcs because no identity-based policy allows the ec2:DescribeVpcs action/,
    );
    await denied(
      ada.iam.createUser({ UserName: "eve" }),
      "AccessDenied",
      /^User: arn:aws:iam::111122223333:user\/ada is not authorized to perform: iam:CreateUser on resource: arn:aws:iam::111122223333:user\/eve because no identity-based policy allows the iam:CreateUser action$/,
    );
    await denied(ada.ssm.getParameter({ Name: "/a" }), "AccessDeniedException", /ssm:GetParameter/);
    await unauthorised(ada.ec2.terminateInstances({ InstanceIds: ["i-00000000000000000"] }));
    await denied(ada.iam.getUser({ UserName: "nobody" }), "AccessDenied");
    assert.equal((await root.describeVpcs({})).Vpcs?.length, 1);
  },
);

test(
  "a policy acts on the next call, by user, group, and managed version; a deny anywhere wins",
  limit,
  async (t) => {
    const { ada, iam, allow } = await scene(t);
    await allow({ Action: "ec2:DescribeVpcs" });
    await ada.ec2.describeVpcs({});
    await unauthorised(ada.ec2.describeSubnets({}));
    await iam.createGroup({ GroupName: "g" });
    await iam.attachGroupPolicy({
      GroupName: "g",
      PolicyArn: "arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess",
    });
    await unauthorised(ada.ec2.describeSubnets({}));
    await iam.addUserToGroup({ GroupName: "g", UserName: "ada" });
    await ada.ec2.describeSubnets({});
    const { Policy } = await iam.createPolicy({
      PolicyName: "no",
      PolicyDocument: document({ Action: "s3:*" }),
    });
    const PolicyArn = Policy?.Arn ?? "";
    await iam.attachUserPolicy({ UserName: "ada", PolicyArn });
    await ada.ec2.describeSubnets({});
    await iam.createPolicyVersion({
      PolicyArn,
      PolicyDocument: document({ Effect: "Deny", Action: "ec2:DescribeSubnets" }),
      SetAsDefault: true,
    });
    await unauthorised(ada.ec2.describeSubnets({}), /with an explicit deny in an identity-based policy/);
    await ada.ec2.describeVpcs({});
    await iam.putUserPermissionsBoundary({
      UserName: "ada",
      PermissionsBoundary: "arn:aws:iam::aws:policy/AmazonS3FullAccess",
    });
    await unauthorised(ada.ec2.describeVpcs({}), /because no permissions boundary allows/);
  },
);

test("a launch must be allowed on all that it touches, and on the tags it gives", limit, async (t) => {
  const { ada, allow, root } = await scene(t);
  const { Subnets: [subnet, other] = [] } = await root.describeSubnets({});
  const arn = (what: string) => `arn:aws:ec2:eu-central-1:${account}:${what}`;
  const launch = { ...one, SubnetId: subnet?.SubnetId };
  const rest = ["image", "network-interface", "security-group", "volume"].map((it) =>
    it === "image" ? "arn:aws:ec2:*::image/*" : arn(`${it}/*`),
  );
  const small = { StringEquals: { "ec2:InstanceType": "t3.micro" } };
  const here = arn(`subnet/${subnet?.SubnetId}`);
  await allow(
    { Action: "ec2:RunInstances", Resource: [...rest, here] },
    { Action: "ec2:RunInstances", Resource: arn("instance/*"), Condition: small },
  );
  await dry(ada.ec2.runInstances({ ...launch, DryRun: true }));
  await unauthorised(
    ada.ec2.runInstances({ ...launch, InstanceType: "t3.small" }),
    /ec2:RunInstances on resource: arn:aws:ec2:eu-central-1:111122223333:instance\/\*/,
  );
  await unauthorised(ada.ec2.runInstances({ ...launch, SubnetId: other?.SubnetId }), /subnet\/subnet-/);
  const Tags = [{ Key: "team", Value: "blue" }];
  const TagSpecifications = [{ ResourceType: "instance" as const, Tags }];
  await unauthorised(ada.ec2.runInstances({ ...launch, TagSpecifications }), /ec2:CreateTags/);
  await allow(
    { Action: "ec2:RunInstances" },
    {
      Action: "ec2:CreateTags",
      Resource: arn("instance/*"),
      Condition: {
        StringEquals: {
          "ec2:CreateAction": "RunInstances",
          "aws:RequestTag/team": "${aws:PrincipalTag/team}",
        },
        "ForAllValues:StringEquals": { "aws:TagKeys": ["team"] },
      },
    },
  );
  await dry(ada.ec2.runInstances({ ...launch, TagSpecifications, DryRun: true }));
  const green = [{ ResourceType: "instance" as const, Tags: [{ Key: "team", Value: "green" }] }];
  await unauthorised(ada.ec2.runInstances({ ...launch, TagSpecifications: green }), /ec2:CreateTags/);
  await unauthorised(ada.ec2.runInstances({ ...launch, TagSpecifications: green, DryRun: true }));
  assert.deepEqual((await root.describeInstances({})).Reservations, []);
});

test("public addresses at a launch can be denied, also those that its subnet gives", limit, async (t) => {
  const { ada, allow } = await scene(t);
  const isPublic = { Bool: { "ec2:AssociatePublicIpAddress": "true" } };
  await allow(
    { Action: "ec2:RunInstances" },
    { Effect: "Deny", Action: "ec2:RunInstances", Resource: "*", Condition: isPublic },
  );
  const launch = (AssociatePublicIpAddress?: boolean) =>
    ada.ec2.runInstances({
      ...one,
      NetworkInterfaces: [{ DeviceIndex: 0, AssociatePublicIpAddress }],
      DryRun: true,
    });
  await unauthorised(launch(true), /explicit deny/);
  await unauthorised(launch(), /explicit deny/);
  await dry(launch(false));
});

test("tags decide over what is there, and are not changed by who may not", limit, async (t) => {
  const { ada, allow, root } = await scene(t);
  const volume = async (team: string) => {
    const Tags = [{ Key: "team", Value: team }];
    const made = { AvailabilityZone: "eu-central-1a", Size: 1 };
    const { VolumeId = "" } = await root.createVolume({
      ...made,
      TagSpecifications: [{ ResourceType: "volume", Tags }],
    });
    return VolumeId;
  };
  const [blue, green] = [await volume("blue"), await volume("green")];
  const own = { StringEquals: { "ec2:ResourceTag/team": "${aws:PrincipalTag/team}" } };
  await allow({ Action: ["ec2:DeleteVolume", "ec2:CreateTags"], Condition: own });
  await dry(ada.ec2.deleteVolume({ VolumeId: blue, DryRun: true }));
  await unauthorised(ada.ec2.deleteVolume({ VolumeId: green }));
  await unauthorised(
    ada.ec2.createTags({ Resources: [green], Tags: [{ Key: "team", Value: "blue" }] }),
    /ec2:CreateTags on resource: .*volume\/vol-/,
  );
  // One of several that may not is enough.
  await unauthorised(ada.ec2.createTags({ Resources: [blue, green], Tags: [{ Key: "a", Value: "" }] }));
});

test("EC2's message decodes to what was missing, for who may decode it", limit, async (t) => {
  const { ada, allow, as, credentials } = await scene(t);
  await allow({ Action: "ec2:DescribeVpcs" });
  const error: unknown = await ada.ec2.createVpc({ CidrBlock: "10.0.0.0/16" }).catch((it: unknown) => it);
  const [, EncodedMessage = ""] =
    /failure message: (\S+)$/.exec(error instanceof Error ? error.message : "") ?? [];
  await denied(ada.sts.decodeAuthorizationMessage({ EncodedMessage }));
  await allow({ Action: "sts:DecodeAuthorizationMessage" });
  const { DecodedMessage = "" } = await as(credentials).sts.decodeAuthorizationMessage({ EncodedMessage });
  const { allowed, explicitDeny, context } = JSON.parse(DecodedMessage);
  assert.deepEqual([allowed, explicitDeny, context.action], [false, false, "ec2:CreateVpc"]);
  assert.equal(context.resource, `arn:aws:ec2:eu-central-1:${account}:vpc/*`);
  assert.equal(context.principal.arn, `arn:aws:iam::${account}:user/ada`);
  await denied(
    ada.sts.decodeAuthorizationMessage({ EncodedMessage: "bm9uZQ==" }),
    "InvalidAuthorizationMessageException",
  );
});

test("where a call comes from and which region it is for can be asked about", limit, async (t) => {
  const { ada, allow, clientConfig, credentials } = await scene(t);
  await allow({
    Action: "ec2:Describe*",
    Condition: {
      StringEquals: { "ec2:Region": "eu-central-1", "aws:RequestedRegion": "eu-central-1" },
      IpAddress: { "aws:SourceIp": "127.0.0.1" },
      ArnLike: { "aws:PrincipalArn": "arn:aws:iam::*:user/ada" },
    },
  });
  await ada.ec2.describeVpcs({});
  const elsewhere = new EC2({ ...clientConfig, credentials, region: "us-east-1" });
  t.after(() => elsewhere.destroy());
  await unauthorised(elsewhere.describeVpcs({}));
  await allow({ Action: "ec2:*", Condition: { NotIpAddress: { "aws:SourceIp": "127.0.0.0/8" } } });
  await unauthorised(ada.ec2.describeVpcs({}));
});

test(
  "an inactive or deleted key is nobody's, a key's secret only its own, and its use is noted",
  limit,
  async (t) => {
    const { ada, as, credentials, iam, until, feed, clientConfig } = await scene(t);
    const rootKeyId = clientConfig.credentials.accessKeyId;
    const AccessKeyId = credentials.accessKeyId;
    const { AccessKey: second } = await iam.createAccessKey({ UserName: "ada" });
    await denied(iam.createAccessKey({ UserName: "ada" }), "LimitExceededException");
    await denied(iam.deleteUser({ UserName: "ada" }), "DeleteConflictException");
    assert.equal((await iam.getAccessKeyLastUsed({ AccessKeyId })).AccessKeyLastUsed?.ServiceName, "N/A");
    assert.equal(
      (await ada.sts.getAccessKeyInfo({ AccessKeyId }).catch(() => undefined))?.Account,
      undefined,
    );
    await ada.sts.getCallerIdentity({});
    await until(() => feed.list("iam-access-key-use/").some(({ key }) => key.endsWith(AccessKeyId)));
    const { AccessKeyLastUsed, UserName } = await iam.getAccessKeyLastUsed({ AccessKeyId });
    assert.deepEqual(
      [UserName, AccessKeyLastUsed?.ServiceName, AccessKeyLastUsed?.Region],
      ["ada", "sts", "eu-central-1"],
    );
    const mixed = as({
      accessKeyId: second?.AccessKeyId ?? "",
      secretAccessKey: credentials.secretAccessKey,
    });
    await denied(mixed.sts.getCallerIdentity({}), "SignatureDoesNotMatch");
    await iam.updateAccessKey({ UserName: "ada", AccessKeyId, Status: "Inactive" });
    await denied(ada.sts.getCallerIdentity({}), "InvalidClientTokenId");
    await denied(ada.ec2.describeVpcs({}), "AuthFailure");
    await iam.updateAccessKey({ UserName: "ada", AccessKeyId, Status: "Active" });
    await ada.sts.getCallerIdentity({});
    await iam.deleteAccessKey({ UserName: "ada", AccessKeyId });
    await denied(ada.sts.getCallerIdentity({}), "InvalidClientTokenId");
    await iam.deleteAccessKey({ UserName: "ada", AccessKeyId: second?.AccessKeyId });
    await iam.detachUserPolicy({ UserName: "ada", PolicyArn: "x" }).catch(() => {});
    await iam.deleteUser({ UserName: "ada" });
    // But of the root's.
    const uses = feed.list("iam-access-key-use/").map(({ key }) => key.split("/").at(-1));
    assert.deepEqual([feed.list("iam-access-key/"), uses], [[], [rootKeyId]]);
  },
);

test("who puts a role into an instance profile must be allowed to pass it", limit, async (t) => {
  const { ada, allow, iam } = await scene(t);
  const AssumeRolePolicyDocument = JSON.stringify({
    Version: "2012-10-17",
    Statement: { Effect: "Allow", Principal: { Service: "ec2.amazonaws.com" }, Action: "sts:AssumeRole" },
  });
  await iam.createRole({ RoleName: "admin", AssumeRolePolicyDocument });
  const web = { InstanceProfileName: "web", RoleName: "admin" };
  await iam.createInstanceProfile(web);
  await allow({ Action: "iam:*InstanceProfile" });
  await denied(
    ada.iam.addRoleToInstanceProfile(web),
    "AccessDenied",
    /iam:PassRole on resource: .*role\/admin/,
  );
  const passing = (service: string) => ({
    Action: "iam:PassRole",
    Condition: { StringEquals: { "iam:PassedToService": service } },
  });
  await allow({ Action: "iam:*InstanceProfile" }, passing("lambda.amazonaws.com"));
  await denied(ada.iam.addRoleToInstanceProfile(web), "AccessDenied", /iam:PassRole/);
  await allow({ Action: "iam:*InstanceProfile" }, passing("ec2.amazonaws.com"));
  await ada.iam.addRoleToInstanceProfile(web);
});

test(
  "an ARN is what it says letter by letter: no path, case or account written otherwise leads on",
  limit,
  async (t) => {
    const { ada, allow, iam } = await scene(t);
    const PolicyDocument = document({ Action: "ec2:*" });
    const policy = { PolicyName: "p", Path: "/team/", PolicyDocument };
    const { Policy } = await iam.createPolicy(policy);
    const arn = Policy?.Arn ?? "";
    assert.equal(arn, `arn:aws:iam::${account}:policy/team/p`);
    const AssumeRolePolicyDocument = JSON.stringify({
      Version: "2012-10-17",
      Statement: { Effect: "Allow", Principal: { AWS: account }, Action: "sts:AssumeRole" },
    });
    await iam.createRole({ RoleName: "boss", Path: "/team/", AssumeRolePolicyDocument });
    await allow({ Action: ["iam:*", "sts:AssumeRole"] });
    const of = (type: string, name: string) => (written: string) =>
      written.replace("X", `${type}/team/${name}`);
    const otherwise = [
      `arn:aws:iam::${account}:X/`,
      `arn:aws:iam::${account}:/X`,
      `arn:aws-cn:iam::${account}:X`,
      `arn:aws:iam::222233334444:X`,
      `arn:aws:iam:eu-central-1:${account}:X`,
      `arn:aws:sts::${account}:X`,
      `arn:aws:iam::${account}:other-X`,
      `arn:aws:iam::${account}:x/../X`,
    ];
    const inside = (type: string, name: string) => [
      `arn:aws:iam::${account}:${type}/${name}`,
      `arn:aws:iam::${account}:${type}//team/${name}`,
      `arn:aws:iam::${account}:${type}/team/./${name}`,
      `arn:aws:iam::${account}:${type}/team/../team/${name}`,
      `arn:aws:iam::${account}:${type}/other/../team/${name}`,
      `arn:aws:iam::${account}:${type}/team%2F${name}`,
      `arn:aws:iam::${account}:${type}/TEAM/${name}`,
      `arn:aws:iam::${account}:${type}/team/${name.toUpperCase()}`,
      `arn:aws:iam::${account}:${type}/team/*`,
    ];
    const refused = (call: Promise<unknown>, what: string) =>
      assert.rejects(
        call,
        { name: /^(NoSuchEntityException|AccessDenied|ValidationError|InvalidInput\w*)$/ },
        what,
      );
    for (const PolicyArn of [...otherwise.map(of("policy", "p")), ...inside("policy", "p")]) {
      await refused(ada.iam.getPolicy({ PolicyArn }), PolicyArn);
      await refused(ada.iam.attachUserPolicy({ UserName: "ada", PolicyArn }), PolicyArn);
      await refused(ada.iam.deletePolicy({ PolicyArn }), PolicyArn);
    }
    for (const RoleArn of [...otherwise.map(of("role", "boss")), ...inside("role", "boss")])
      await refused(ada.sts.assumeRole({ RoleArn, RoleSessionName: "me" }), RoleArn);
    assert.deepEqual((await iam.listAttachedUserPolicies({ UserName: "ada" })).AttachedPolicies, []);
    await ada.iam.attachUserPolicy({ UserName: "ada", PolicyArn: arn });
    await ada.sts.assumeRole({ RoleArn: `arn:aws:iam::${account}:role/team/boss`, RoleSessionName: "me" });

    // Who may do something below one path does it below no other.
    for (const Path of ["team", "/team", "/a b/", "//"])
      await refused(iam.createUser({ UserName: "eve", Path }), Path);
    await allow({ Action: "iam:*", Resource: `arn:aws:iam::${account}:user/team/*` });
    await ada.iam.createUser({ UserName: "bob", Path: "/team/" });
    await iam.createUser({ UserName: "team", Path: "/" });
    for (const UserName of ["ada", "team"]) await denied(ada.iam.createAccessKey({ UserName }));
    await denied(ada.iam.createUser({ UserName: "team2", Path: "/teams/" }));
    await denied(ada.iam.updateUser({ UserName: "bob", NewPath: "/" }));
  },
);
