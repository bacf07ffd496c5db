import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { EC2 } from "@aws-sdk/client-ec2";
import { IAM } from "@aws-sdk/client-iam";
import { STS, type Credentials } from "@aws-sdk/client-sts";
import { SignJWT, UnsecuredJWT } from "jose";
import { startIssuer } from "#testing/issuer.ts";
import { testRegion } from "#testing/region.ts";

const limit = { timeout: 60_000 };
const account = "111122223333";
const RoleArn = `arn:aws:iam::${account}:role/web`;
const me = { RoleArn, RoleSessionName: "me" };
const notAuthorised = {
  name: "AccessDenied",
  message: "Not authorized to perform sts:AssumeRoleWithWebIdentity",
};

async function scene(t: TestContext) {
  const [issuer, region] = [await startIssuer(t), await testRegion(t, { issuerFrom: ["127.0.0.0/8"] })];
  const { clientConfig } = region;
  const iam = new IAM(clientConfig);
  const { credentials: _, ...unsigned } = clientConfig;
  const anybody = new STS(unsigned);
  const host = issuer.url.slice("https://".length);
  const provider = `arn:aws:iam::${account}:oidc-provider/${host}`;
  await iam.createOpenIDConnectProvider({
    Url: issuer.url,
    ClientIDList: ["croft"],
    ThumbprintList: [issuer.thumbprint],
  });
  const trusting = (more: object = {}, Action: string | string[] = "sts:AssumeRoleWithWebIdentity") =>
    JSON.stringify({
      Version: "2012-10-17",
      Statement: { Effect: "Allow", Principal: { Federated: provider }, Action, ...more },
    });
  const trust = (PolicyDocument: string) => iam.updateAssumeRolePolicy({ RoleName: "web", PolicyDocument });
  await iam.createRole({ RoleName: "web", AssumeRolePolicyDocument: trusting() });
  const assume = async (token: string | Promise<string>, more: object = {}) =>
    anybody.assumeRoleWithWebIdentity({ ...me, WebIdentityToken: await token, ...more });
  const as = (given: Credentials | undefined) => {
    const credentials = {
      accessKeyId: given?.AccessKeyId ?? "",
      secretAccessKey: given?.SecretAccessKey ?? "",
      sessionToken: given?.SessionToken ?? "",
    };
    const clients = {
      ec2: new EC2({ ...clientConfig, credentials }),
      sts: new STS({ ...clientConfig, credentials }),
    };
    t.after(() => Object.values(clients).forEach((it) => it.destroy()));
    return clients;
  };
  t.after(() => [iam, anybody].forEach((it) => it.destroy()));
  return { issuer, iam, anybody, host, provider, trusting, trust, assume, as, region };
}

test(
  "whoever has a token of a provider that the role trusts assumes it, and signs nothing",
  limit,
  async (t) => {
    const { issuer, iam, provider, host, assume, as } = await scene(t);
    const PolicyDocument = JSON.stringify({
      Version: "2012-10-17",
      Statement: [
        {
          Effect: "Allow",
          Action: "ec2:DescribeVpcs",
          Resource: "*",
          Condition: { StringEquals: { [`${host}:sub`]: "ada", "aws:FederatedProvider": provider } },
        },
        {
          Effect: "Allow",
          Action: "ec2:DescribeSubnets",
          Resource: "*",
          Condition: { StringEquals: { [`${host}:sub`]: "eve" } },
        },
      ],
    });
    await iam.putRolePolicy({ RoleName: "web", PolicyName: "read", PolicyDocument });
    const given = await assume(issuer.token());
    assert.deepEqual(
      [given.SubjectFromWebIdentityToken, given.Audience, given.Provider, given.AssumedRoleUser?.Arn],
      ["ada", "croft", provider, `arn:aws:sts::${account}:assumed-role/web/me`],
    );
    const session = as(given.Credentials);
    assert.equal((await session.sts.getCallerIdentity({})).Arn, given.AssumedRoleUser?.Arn);
    await session.ec2.describeVpcs({});
    await assert.rejects(session.ec2.describeSubnets({}), { name: "UnauthorizedOperation" });
    await assert.rejects(assume(issuer.token(), { DurationSeconds: 7200 }), { name: "ValidationError" });
  },
);

test(
  "a token that is another's, changed, expired, unsigned or for others opens nothing",
  limit,
  async (t) => {
    const { issuer, assume, iam, provider } = await scene(t);
    const invalid = (token: string | Promise<string>, message: RegExp) =>
      assert.rejects(assume(token), (error: Error) => {
        assert.equal(error.name, "InvalidIdentityTokenException", String(error));
        assert.match(error.message, message);
        return true;
      });
    const now = Math.trunc(Date.now() / 1000);
    await assert.rejects(assume(issuer.token({ exp: now - 1 })), {
      name: "ExpiredTokenException",
      message: /^Token expired: /,
    });
    await invalid("nothing", /not a valid JWT/);
    await invalid(issuer.token({ aud: "other" }), /^Incorrect token audience$/);
    await invalid(issuer.token({ azp: "other" }), /^Incorrect token audience$/);
    await invalid(
      issuer.token({ iss: "https://accounts.example.com" }),
      /^No OpenIDConnect provider found in your account for https:\/\/accounts\.example\.com$/,
    );
    await invalid(issuer.token({ iss: issuer.url.toUpperCase() }), /^No OpenIDConnect provider/);
    await invalid(issuer.token({ nbf: now + 600 }), /nbf/);
    await invalid(issuer.token({ iat: now + 600 }), /future/);
    await invalid(issuer.token({ exp: "never" }), /exp/);
    // Signed by a key that the issuer does not publish, under the name of one that it does, and by no key.
    const stranger = await issuer.newKey("first");
    await invalid(issuer.token({}, stranger), /signature/);
    await invalid(issuer.token({}, { ...stranger, kid: "stranger" }), /verification key/);
    const said = { iss: issuer.url, aud: "croft", sub: "ada", iat: now, exp: now + 60 };
    await invalid(new UnsecuredJWT(said).encode(), /./);
    const shared = new SignJWT(said)
      .setProtectedHeader({ alg: "HS256", kid: "first" })
      .sign(Buffer.alloc(32));
    await invalid(shared, /./);
    const [head, , signature] = (await issuer.token()).split(".");
    const changed = Buffer.from(JSON.stringify({ ...said, sub: "eve" })).toString("base64url");
    await invalid(`${head}.${changed}.${signature}`, /signature/);
    await assert.rejects(assume(issuer.token(), { ProviderId: "www.amazon.com" }), {
      name: "InvalidIdentityTokenException",
    });
    await iam.deleteOpenIDConnectProvider({ OpenIDConnectProviderArn: provider });
    await invalid(issuer.token(), /^No OpenIDConnect provider/);
  },
);

test("a role that trusts somebody else, or is not there, is refused in the same words", limit, async (t) => {
  const { issuer, assume, trust, trusting, host, provider, anybody } = await scene(t);
  await assert.rejects(assume(issuer.token(), { RoleArn: `${RoleArn}s` }), notAuthorised);
  const conditions = (operator: string, key: string, value: unknown) =>
    trust(trusting({ Condition: { [operator]: { [`${host}:${key}`]: value } } }));
  await conditions("StringEquals", "sub", "eve");
  await assert.rejects(assume(issuer.token()), notAuthorised);
  await assume(issuer.token({ sub: "eve" }));
  await conditions("ForAnyValue:StringEquals", "amr", "mfa");
  await assert.rejects(assume(issuer.token({ amr: ["pwd"] })), notAuthorised);
  await assume(issuer.token({ amr: ["pwd", "mfa"] }));
  await conditions("StringEquals", "oaud", "api");
  await assert.rejects(assume(issuer.token()), notAuthorised);
  await assume(issuer.token({ azp: "croft", aud: "api" }));

  const statement = (Principal: unknown, Effect = "Allow") => ({
    Effect,
    Principal,
    Action: "sts:AssumeRoleWithWebIdentity",
  });
  const document = (...Statement: object[]) => JSON.stringify({ Version: "2012-10-17", Statement });
  for (const Principal of [
    "*",
    { AWS: account },
    { AWS: "*" },
    { Federated: `${provider}/x` },
    { Federated: provider.replace(account, "444455556666") },
  ]) {
    await trust(document(statement(Principal)));
    await assert.rejects(assume(issuer.token()), notAuthorised, JSON.stringify(Principal));
  }
  await trust(document(statement({ Federated: provider }), statement("*", "Deny")));
  await assert.rejects(assume(issuer.token()), notAuthorised);
  await trust(trusting({}, "sts:AssumeRole"));
  await assert.rejects(assume(issuer.token()), notAuthorised);
  // A key of the account opens no role that trusts the provider alone, and nothing else is done unsigned.
  await trust(trusting({}, ["sts:AssumeRole", "sts:AssumeRoleWithWebIdentity"]));
  await assume(issuer.token());
  await assert.rejects(anybody.getCallerIdentity({}));
});

test(
  "session tags and the source identity come out of the token, if the role's trust allows them",
  limit,
  async (t) => {
    const { issuer, assume, trust, trusting, as, iam } = await scene(t);
    const aws = "https://aws.amazon.com/";
    const tags = { [`${aws}tags`]: { principal_tags: { team: ["a"] }, transitive_tag_keys: ["team"] } };
    const flat = { [`${aws}tags/principal_tags/team`]: "a", [`${aws}tags/transitive_tag_keys`]: ["team"] };
    const web = "sts:AssumeRoleWithWebIdentity";
    await assert.rejects(assume(issuer.token(tags)), { message: "Not authorized to perform sts:TagSession" });
    await assert.rejects(assume(issuer.token({ [`${aws}source_identity`]: "ada" })), {
      message: "Not authorized to perform sts:SetSourceIdentity",
    });
    const Condition = { StringEqualsIfExists: { "aws:RequestTag/team": "a" } };
    await trust(trusting({ Condition }, [web, "sts:TagSession", "sts:SetSourceIdentity"]));
    await assert.rejects(
      assume(issuer.token({ [`${aws}tags`]: { principal_tags: { team: ["b"] } } })),
      notAuthorised,
    );
    const PolicyDocument = JSON.stringify({
      Version: "2012-10-17",
      Statement: {
        Effect: "Allow",
        Action: "ec2:DescribeVpcs",
        Resource: "*",
        Condition: { StringEquals: { "aws:PrincipalTag/team": "a", "aws:SourceIdentity": "ada" } },
      },
    });
    await iam.putRolePolicy({ RoleName: "web", PolicyName: "read", PolicyDocument });
    for (const claims of [tags, flat]) {
      const given = await assume(issuer.token({ ...claims, [`${aws}source_identity`]: "ada" }));
      assert.equal(given.SourceIdentity, "ada");
      await as(given.Credentials).ec2.describeVpcs({});
    }
    for (const bad of [
      { principal_tags: 5 },
      { principal_tags: { a: ["1", "2"] } },
      [],
      { transitive_tag_keys: "a" },
    ])
      await assert.rejects(assume(issuer.token({ [`${aws}tags`]: bad })), {
        name: "InvalidIdentityTokenException",
      });
    await assert.rejects(assume(issuer.token({ [`${aws}source_identity`]: "a b" })), {
      name: "InvalidIdentityTokenException",
    });
  },
);

test("a provider's new key is found, and one that cannot be asked is told so", limit, async (t) => {
  const { issuer, assume, iam, provider } = await scene(t);
  const next = await issuer.newKey("next", "ES256");
  await next.publish();
  await assume(issuer.token({}, next));
  // Told of by another thumbprint too, it is asked again.
  issuer.instead.set("/keys", { status: 503 });
  const ThumbprintList = [issuer.thumbprint, "0".repeat(40)];
  await iam.updateOpenIDConnectProviderThumbprint({ OpenIDConnectProviderArn: provider, ThumbprintList });
  await assert.rejects(assume(issuer.token()), { name: "IDPCommunicationErrorException" });
  await iam.updateOpenIDConnectProviderThumbprint({
    OpenIDConnectProviderArn: provider,
    ThumbprintList: ["0".repeat(40)],
  });
  await assert.rejects(assume(issuer.token()), {
    name: "InvalidIdentityTokenException",
    message: "OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint",
  });
});

test("a provider vouches for its own account's roles only", limit, async (t) => {
  const { issuer, assume, region, provider } = await scene(t);
  const { clientConfig } = await region.newAccount("444455556666");
  const theirs = new IAM(clientConfig);
  t.after(() => theirs.destroy());
  const AssumeRolePolicyDocument = JSON.stringify({
    Version: "2012-10-17",
    Statement: {
      Effect: "Allow",
      Principal: { Federated: provider },
      Action: "sts:AssumeRoleWithWebIdentity",
    },
  });
  await theirs.createRole({ RoleName: "web", AssumeRolePolicyDocument });
  const elsewhere = { RoleArn: "arn:aws:iam::444455556666:role/web" };
  await assert.rejects(assume(issuer.token(), elsewhere), {
    name: "InvalidIdentityTokenException",
    message: /^No OpenIDConnect provider/,
  });
  await assert.rejects(assume(issuer.token(), { RoleArn: RoleArn.replace(account, "999955556666") }), {
    name: "InvalidIdentityTokenException",
  });
});
