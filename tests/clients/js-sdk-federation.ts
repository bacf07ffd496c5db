import assert from "node:assert/strict";
import { test } from "node:test";
import type * as iamModule from "@aws-sdk/client-iam";
import type { STS } from "@aws-sdk/client-sts";
import type { TestIssuer } from "#testing/issuer.ts";
import type { TestSamlProvider } from "#testing/saml-provider.ts";

/** Every operation and paginator of providers and service-linked roles, and a role that is assumed by a token. */
export function federationTests(
  sdk: typeof iamModule,
  iam: iamModule.IAM,
  sts: STS,
  issuer: TestIssuer,
  idp: TestSamlProvider,
): void {
  test("whoever has a token of a provider assumes a role", async () => {
    const ThumbprintList = ["0".repeat(40)];
    const { OpenIDConnectProviderArn } = await iam.createOpenIDConnectProvider({
      Url: issuer.url,
      ClientIDList: ["other"],
      ThumbprintList,
    });
    const provider = { OpenIDConnectProviderArn };
    await iam.addClientIDToOpenIDConnectProvider({ ...provider, ClientID: "croft" });
    await iam.removeClientIDFromOpenIDConnectProvider({ ...provider, ClientID: "other" });
    await iam.updateOpenIDConnectProviderThumbprint({ ...provider, ThumbprintList: [issuer.thumbprint] });
    await iam.tagOpenIDConnectProvider({
      ...provider,
      Tags: [
        { Key: "a", Value: "1" },
        { Key: "b", Value: "2" },
      ],
    });
    const keys: (string | undefined)[] = [];
    for await (const { Tags = [] } of sdk.paginateListOpenIDConnectProviderTags(
      { client: iam, pageSize: 1 },
      { ...provider },
    ))
      keys.push(...Tags.map(({ Key }) => Key));
    assert.deepEqual(keys, ["a", "b"]);
    await iam.untagOpenIDConnectProvider({ ...provider, TagKeys: keys.map((it) => it ?? "") });
    const { OpenIDConnectProviderList } = await iam.listOpenIDConnectProviders({});
    assert.deepEqual(OpenIDConnectProviderList, [{ Arn: OpenIDConnectProviderArn }]);
    const { Url, ClientIDList } = await iam.getOpenIDConnectProvider(provider);
    assert.deepEqual([`https://${Url}`, ClientIDList], [issuer.url, ["croft"]]);

    const role = { RoleName: "federated" };
    const AssumeRolePolicyDocument = JSON.stringify({
      Version: "2012-10-17",
      Statement: {
        Effect: "Allow",
        Principal: { Federated: OpenIDConnectProviderArn },
        Action: "sts:AssumeRoleWithWebIdentity",
      },
    });
    const { Role } = await iam.createRole({ ...role, AssumeRolePolicyDocument });
    const asked = { RoleArn: Role?.Arn, RoleSessionName: "me" };
    const given = await sts.assumeRoleWithWebIdentity({ ...asked, WebIdentityToken: await issuer.token() });
    assert.deepEqual([given.SubjectFromWebIdentityToken, given.Provider], ["ada", OpenIDConnectProviderArn]);
    const WebIdentityToken = await issuer.token({ aud: "other" });
    await assert.rejects(sts.assumeRoleWithWebIdentity({ ...asked, WebIdentityToken }), {
      name: "InvalidIdentityTokenException",
    });
    await iam.deleteRole(role);
    await iam.deleteOpenIDConnectProvider(provider);
    await assert.rejects(iam.getOpenIDConnectProvider(provider), { name: "NoSuchEntityException" });
  });

  test("a service-linked role is made, kept as it is, and deleted by a task", async () => {
    const { Role } = await iam.createServiceLinkedRole({ AWSServiceName: "spot.amazonaws.com" });
    const role = { RoleName: Role?.RoleName };
    assert.equal(role.RoleName, "AWSServiceRoleForEC2Spot");
    await assert.rejects(iam.deleteRole(role), { name: "UnmodifiableEntityException" });
    const { DeletionTaskId } = await iam.deleteServiceLinkedRole(role);
    assert.equal((await iam.getServiceLinkedRoleDeletionStatus({ DeletionTaskId })).Status, "SUCCEEDED");
  });

  test("whom a SAML provider vouches for assumes a role", async () => {
    const SAMLMetadataDocument = idp.metadata;
    const { SAMLProviderArn } = await iam.createSAMLProvider({ Name: "corp", SAMLMetadataDocument });
    const provider = { SAMLProviderArn };
    await iam.updateSAMLProvider({ ...provider, SAMLMetadataDocument });
    await iam.tagSAMLProvider({
      ...provider,
      Tags: [
        { Key: "a", Value: "1" },
        { Key: "b", Value: "2" },
      ],
    });
    const keys: (string | undefined)[] = [];
    for await (const { Tags = [] } of sdk.paginateListSAMLProviderTags(
      { client: iam, pageSize: 1 },
      { ...provider },
    ))
      keys.push(...Tags.map(({ Key }) => Key));
    assert.deepEqual(keys, ["a", "b"]);
    await iam.untagSAMLProvider({ ...provider, TagKeys: keys.map((it) => it ?? "") });
    const { SAMLProviderList: [listed] = [] } = await iam.listSAMLProviders({});
    assert.equal(listed?.Arn, SAMLProviderArn);
    assert.equal((await iam.getSAMLProvider(provider)).SAMLMetadataDocument, idp.metadata);
    const role = { RoleName: "federated" };
    const AssumeRolePolicyDocument = JSON.stringify({
      Version: "2012-10-17",
      Statement: {
        Effect: "Allow",
        Principal: { Federated: SAMLProviderArn },
        Action: "sts:AssumeRoleWithSAML",
      },
    });
    const { Role } = await iam.createRole({ ...role, AssumeRolePolicyDocument });
    const asked = { RoleArn: Role?.Arn, PrincipalArn: SAMLProviderArn };
    const about = { role: Role?.Arn ?? "", provider: SAMLProviderArn ?? "" };
    const given = await sts.assumeRoleWithSAML({ ...asked, SAMLAssertion: idp.assertion(about) });
    assert.deepEqual([given.Subject, given.Issuer], ["ada", idp.entityId]);
    const SAMLAssertion = Buffer.from(idp.response(about)).toString("base64");
    await assert.rejects(sts.assumeRoleWithSAML({ ...asked, SAMLAssertion }), {
      name: "InvalidIdentityTokenException",
    });
    await iam.deleteRole(role);
    await iam.deleteSAMLProvider(provider);
    await assert.rejects(iam.getSAMLProvider(provider), { name: "NoSuchEntityException" });
  });
}
