import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test, type TestContext } from "node:test";
import { EC2 } from "@aws-sdk/client-ec2";
import { IAM } from "@aws-sdk/client-iam";
import { STS, type Credentials } from "@aws-sdk/client-sts";
import { encoded, makeSamlProvider, signIn } from "#testing/saml-provider.ts";
import { testRegion } from "#testing/region.ts";

const limit = { timeout: 60_000 };
const account = "111122223333";
const RoleArn = `arn:aws:iam::${account}:role/web`;
const PrincipalArn = `arn:aws:iam::${account}:saml-provider/corp`;
const me = { role: RoleArn, provider: PrincipalArn };
const notAuthorised = { name: "AccessDenied", message: "Not authorized to perform sts:AssumeRoleWithSAML" };

async function scene(t: TestContext) {
  const [idp, region] = [await makeSamlProvider(t), await testRegion(t)];
  const { clientConfig } = region;
  const iam = new IAM(clientConfig);
  const { credentials: _, ...unsigned } = clientConfig;
  const anybody = new STS(unsigned);
  await iam.createSAMLProvider({ Name: "corp", SAMLMetadataDocument: idp.metadata });
  const trusting = (more: object = {}, Action: string | string[] = "sts:AssumeRoleWithSAML") =>
    JSON.stringify({
      Version: "2012-10-17",
      Statement: { Effect: "Allow", Principal: { Federated: PrincipalArn }, Action, ...more },
    });
  await iam.createRole({ RoleName: "web", AssumeRolePolicyDocument: trusting() });
  const trust = (PolicyDocument: string) => iam.updateAssumeRolePolicy({ RoleName: "web", PolicyDocument });
  const assume = (SAMLAssertion: string, more: object = {}) =>
    anybody.assumeRoleWithSAML({ RoleArn, PrincipalArn, SAMLAssertion, ...more });
  const invalid = (SAMLAssertion: string, message: RegExp, what = "") =>
    assert.rejects(assume(SAMLAssertion), (error: Error) => {
      assert.equal(error.name, "InvalidIdentityTokenException", `${what}: ${error.message}`);
      assert.match(error.message, message, what);
      return true;
    });
  const ec2As = (given: Credentials | undefined) => {
    const credentials = {
      accessKeyId: given?.AccessKeyId ?? "",
      secretAccessKey: given?.SecretAccessKey ?? "",
      sessionToken: given?.SessionToken ?? "",
    };
    const ec2 = new EC2({ ...clientConfig, credentials });
    t.after(() => ec2.destroy());
    return ec2;
  };
  t.after(() => [iam, anybody].forEach((it) => it.destroy()));
  return { idp, iam, region, trusting, trust, assume, invalid, ec2As };
}

test(
  "whom a provider vouches for assumes the role that its assertion names, and signs nothing",
  limit,
  async (t) => {
    const { idp, iam, assume, ec2As } = await scene(t);
    const PolicyDocument = JSON.stringify({
      Version: "2012-10-17",
      Statement: {
        Effect: "Allow",
        Action: "ec2:DescribeVpcs",
        Resource: "*",
        Condition: { StringEquals: { "saml:sub": "ada", "aws:FederatedProvider": PrincipalArn } },
      },
    });
    await iam.putRolePolicy({ RoleName: "web", PolicyName: "read", PolicyDocument });
    for (const xml of [
      idp.sign(idp.response(me)),
      idp.sign(idp.response(me), "Response"),
      idp.sign(idp.sign(idp.response(me)), "Response"),
    ]) {
      const given = await assume(encoded(xml));
      const { $metadata: _, Credentials: credentials, ...said } = given;
      assert.deepEqual(said, {
        AssumedRoleUser: {
          Arn: `arn:aws:sts::${account}:assumed-role/web/ada`,
          AssumedRoleId: said.AssumedRoleUser?.AssumedRoleId,
        },
        Subject: "ada",
        SubjectType: "persistent",
        Issuer: idp.entityId,
        Audience: signIn,
        NameQualifier: createHash("sha1").update(`${idp.entityId}${account}/corp`).digest("base64"),
      });
      const ec2 = ec2As(credentials);
      await ec2.describeVpcs({});
      await assert.rejects(ec2.describeSubnets({}), { name: "UnauthorizedOperation" });
    }
  },
);

test("a response that is wrapped, changed, unsigned or signed by others opens nothing", limit, async (t) => {
  const { idp, assume, invalid } = await scene(t);
  const xml = idp.response(me);
  const signed = idp.sign(xml);
  await assume(encoded(signed));
  const [signature = ""] = /<ds:Signature.*<\/ds:Signature>/.exec(signed) ?? [];
  const [original = ""] = /<saml:Assertion.*<\/saml:Assertion>/.exec(signed) ?? [];
  const evil = original
    .replace(signature, "")
    .replace(">ada</saml:NameID>", ">eve</saml:NameID>")
    .replace('ID="assertion"', 'ID="evil"');
  const around = (assertions: string) => signed.replace(original, assertions);
  const bare = original.replace(signature, "");
  const stranger = await makeSamlProvider(t);
  const bad: Readonly<Record<string, string>> = {
    "no signature": xml,
    "changed subject": signed.replace(">ada</saml:NameID>", ">eve</saml:NameID>"),
    "changed recipient of the whole": idp
      .sign(xml, "Response")
      .replace(">ada</saml:NameID>", ">eve</saml:NameID>"),
    "evil before the original": around(evil + original),
    "evil after the original": around(original + evil),
    "original within evil's signature": around(
      evil.replace(
        "</saml:Issuer>",
        `</saml:Issuer>${signature.replace("</ds:Signature>", `<ds:Object>${bare}</ds:Object></ds:Signature>`)}`,
      ),
    ),
    "original within evil": around(evil.replace("</saml:Assertion>", `${original}</saml:Assertion>`)),
    "evil within original": around(original.replace("</saml:Assertion>", `${evil}</saml:Assertion>`)),
    "original among extensions": around(`<samlp:Extensions>${original}</samlp:Extensions>${evil}`),
    "original alone among extensions": around(`<samlp:Extensions>${original}</samlp:Extensions>`),
    "signature of the original in evil": around(evil.replace("</saml:Issuer>", `</saml:Issuer>${signature}`)),
    "signature of the original in evil of its ID": around(
      evil.replace('ID="evil"', 'ID="assertion"').replace("</saml:Issuer>", `</saml:Issuer>${signature}`),
    ),
    "evil with the original's ID": around(evil.replace('ID="evil"', 'ID="assertion"') + original),
    "signature beside the assertion": signed
      .replace(signature, "")
      .replace("<saml:Assertion", `${signature}<saml:Assertion`),
    "the whole's signature, another assertion": idp
      .sign(xml, "Response")
      .replace("</samlp:Response>", `${evil}</samlp:Response>`),
    "twice the signature": signed.replace(signature, signature + signature),
    "an ID in another attribute": signed.replace("<saml:Subject>", '<saml:Subject Id="assertion">'),
    "a comment in the subject": signed.replace(">ada</saml:NameID>", ">ada<!---->.eve</saml:NameID>"),
    "a comment anywhere": signed.replace("</samlp:Response>", "<!-- --></samlp:Response>"),
    "an instruction": signed.replace("</samlp:Response>", "<?a b?></samlp:Response>"),
    "a document type": `<!DOCTYPE a [<!ENTITY b "c">]>${signed}`,
    "two roots": signed + evil,
    "something after it": `${signed}x`,
    "no XML": "hello",
    "half of it": signed.slice(0, -20),
    "no response": original,
    "a stranger's, with his certificate": stranger.sign(xml),
    "SHA-1": idp.sign(xml, "Assertion", { signatureAlgorithm: "http://www.w3.org/2000/09/xmldsig#rsa-sha1" }),
    "a digest by SHA-1": idp.sign(xml, "Assertion", { digest: "http://www.w3.org/2000/09/xmldsig#sha1" }),
    "inclusive canonicalization": idp.sign(xml, "Assertion", {
      canonicalizationAlgorithm: "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
    }),
    "a reference to everything": signed.replace('URI="#assertion"', 'URI=""'),
    "a reference to the response": signed.replace('URI="#assertion"', 'URI="#response"'),
    "an encrypted assertion": around("<saml:EncryptedAssertion/>"),
  };
  for (const [what, text] of Object.entries(bad))
    await invalid(encoded(text), /^Response signature invalid$/, what);
  await invalid(Buffer.from([0xff, 0xfe, 0x41]).toString("base64"), /signature invalid/);
  await invalid("####", /signature invalid/);
});

test("an assertion that is old, not for AWS, or of another issuer opens nothing", limit, async (t) => {
  const { idp, assume, invalid, iam } = await scene(t);
  const ago = (seconds: number) => new Date(Date.now() - seconds * 1000);
  const expired = { name: "ExpiredTokenException" };
  await assert.rejects(assume(idp.assertion({ ...me, issued: ago(301), until: ago(-60) })), {
    ...expired,
    message: "Token must be redeemed within 5 minutes of issuance",
  });
  await assert.rejects(assume(idp.assertion({ ...me, issued: ago(60), until: ago(1) })), expired);
  await assert.rejects(assume(idp.assertion({ ...me, sessionUntil: ago(1) })), expired);
  await invalid(idp.assertion({ ...me, issued: ago(-600) }), /time that has come/);
  await invalid(
    idp.assertion({ ...me, audience: "https://sp.example.com" }),
    /^Response does not contain the required audience\.$/,
  );
  for (const recipient of [
    "https://sp.example.com",
    "https://signin.aws.amazon.com.example/saml",
    "http://signin.aws.amazon.com/saml",
  ])
    await invalid(idp.assertion({ ...me, recipient }), /not confirmed to AWS/);
  await assume(
    idp.assertion({
      ...me,
      recipient: "https://eu-central-1.signin.aws.amazon.com/saml",
      audience: "urn:amazon:webservices",
    }),
  );
  await invalid(
    idp.assertion({ ...me, entityId: "https://other.example.com" }),
    /^Issuer not present in specified provider$/,
  );
  await invalid(idp.assertion({ ...me, sessionName: "a b" }), /^RoleSessionName in AuthnResponse must match/);
  await invalid(
    idp.assertion({ ...me, attributes: { RoleSessionName: [] } }),
    /^RoleSessionName is required in AuthnResponse$/,
  );
  await invalid(
    idp.assertion({ ...me, attributes: { SourceIdentity: ["aws:me"] } }),
    /^Source Identity must match/,
  );
  await invalid(idp.assertion({ ...me, attributes: { SessionDuration: ["1"] } }), /SessionDuration/);
  await invalid(idp.assertion({ ...me, subject: "" }), /NameID/);
  // With another key of the provider's, what the former signed is worth nothing.
  const next = await makeSamlProvider(t);
  await iam.updateSAMLProvider({ SAMLProviderArn: PrincipalArn, SAMLMetadataDocument: next.metadata });
  await invalid(idp.assertion(me), /signature invalid/);
  await assume(next.assertion(me));
  await iam.deleteSAMLProvider({ SAMLProviderArn: PrincipalArn });
  await invalid(next.assertion(me), /^Specified provider doesn't exist$/);
});

test("the assertion and the role must each name the other", limit, async (t) => {
  const { idp, assume, trust, trusting, region } = await scene(t);
  const [other, elsewhere] = [`${RoleArn}s`, PrincipalArn.replace("corp", "other")];
  await assert.rejects(assume(idp.assertion({ ...me, role: other })), notAuthorised);
  await assert.rejects(assume(idp.assertion({ ...me, provider: elsewhere })), notAuthorised);
  await assert.rejects(assume(idp.assertion({ ...me, role: other }), { RoleArn: other }), notAuthorised);
  await assume(idp.assertion({ ...me, attributes: { Role: [`${PrincipalArn}, ${RoleArn}`, "a,b"] } }));
  for (const [key, value] of Object.entries({
    "saml:aud": "https://sp.example.com",
    "saml:sub": "eve",
    "saml:sub_type": "transient",
    "saml:iss": "x",
  })) {
    await trust(trusting({ Condition: { StringEquals: { [key]: value } } }));
    await assert.rejects(assume(idp.assertion(me)), notAuthorised, key);
  }
  await trust(
    trusting({
      Condition: {
        StringEquals: {
          "saml:aud": signIn,
          "saml:sub": "ada",
          "saml:sub_type": "persistent",
          "saml:iss": idp.entityId,
          "saml:doc": `${account}/corp`,
        },
      },
    }),
  );
  await assume(idp.assertion(me));
  await trust(trusting({ Principal: "*" }));
  await assert.rejects(assume(idp.assertion(me)), notAuthorised);
  await trust(trusting({}, "sts:AssumeRoleWithWebIdentity"));
  await assert.rejects(assume(idp.assertion(me)), notAuthorised);
  // A provider vouches for its own account's roles only.
  const { clientConfig } = await region.newAccount("444455556666");
  const theirs = new IAM(clientConfig);
  t.after(() => theirs.destroy());
  await theirs.createRole({ RoleName: "web", AssumeRolePolicyDocument: trusting() });
  const foreign = RoleArn.replace(account, "444455556666");
  await assert.rejects(assume(idp.assertion({ ...me, role: foreign }), { RoleArn: foreign }), {
    name: "InvalidIdentityTokenException",
    message: "Specified provider doesn't exist",
  });
});

test(
  "session tags, the source identity and how long it lasts come out of the assertion",
  limit,
  async (t) => {
    const { idp, iam, assume, trust, trusting, ec2As } = await scene(t);
    const attributes = {
      "PrincipalTag:team": ["a"],
      TransitiveTagKeys: ["team"],
      SourceIdentity: ["ada"],
      SessionDuration: ["1800"],
    };
    await assert.rejects(assume(idp.assertion({ ...me, attributes })), {
      name: "AccessDenied",
      message: /sts:TagSession/,
    });
    await trust(trusting({}, ["sts:AssumeRoleWithSAML", "sts:TagSession", "sts:SetSourceIdentity"]));
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
    const lasts = ({ Credentials: it }: { Credentials?: Credentials | undefined }) =>
      Math.round(((it?.Expiration?.getTime() ?? 0) - Date.now()) / 60_000);
    const given = await assume(idp.assertion({ ...me, attributes }));
    assert.deepEqual([given.SourceIdentity, lasts(given)], ["ada", 30]);
    await ec2As(given.Credentials).describeVpcs({});
    assert.equal(lasts(await assume(idp.assertion({ ...me, attributes }), { DurationSeconds: 3600 })), 60);
    const sessionUntil = new Date(Date.now() + 600_000);
    assert.equal(lasts(await assume(idp.assertion({ ...me, attributes, sessionUntil }))), 10);
    await assert.rejects(assume(idp.assertion(me), { DurationSeconds: 7200 }), { name: "ValidationError" });
  },
);
