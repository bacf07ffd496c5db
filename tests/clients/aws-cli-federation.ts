import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestIssuer } from "#testing/issuer.ts";
import type { TestSamlProvider } from "#testing/saml-provider.ts";
import type { awsCli } from "./aws-cli.ts";

/** Every operation of providers and service-linked roles, and a role that is assumed by a token. */
export function federationTests(
  aws: ReturnType<typeof awsCli>,
  issuer: TestIssuer,
  idp: TestSamlProvider,
): void {
  const line = async (command: string) => (await aws.rows(command)).flat();

  test("whoever has a token of a provider assumes a role", async () => {
    const arn = `arn:aws:iam::000000000000:oidc-provider/${issuer.url.slice("https://".length)}`;
    const provider = `--open-id-connect-provider-arn ${arn}`;
    assert.deepEqual(
      await line(
        `iam create-open-id-connect-provider --url ${issuer.url} --client-id-list other --thumbprint-list ${"0".repeat(40)} --query OpenIDConnectProviderArn`,
      ),
      [arn],
    );
    await aws.text(`iam add-client-id-to-open-id-connect-provider ${provider} --client-id croft`);
    await aws.text(`iam remove-client-id-from-open-id-connect-provider ${provider} --client-id other`);
    await aws.text(
      `iam update-open-id-connect-provider-thumbprint ${provider} --thumbprint-list ${issuer.thumbprint}`,
    );
    await aws.text(`iam tag-open-id-connect-provider ${provider} --tags Key=a,Value=1`);
    assert.deepEqual(await line(`iam list-open-id-connect-provider-tags ${provider} --query Tags[].Key`), [
      "a",
    ]);
    await aws.text(`iam untag-open-id-connect-provider ${provider} --tag-keys a`);
    assert.deepEqual(
      await line("iam list-open-id-connect-providers --query OpenIDConnectProviderList[].Arn"),
      [arn],
    );
    assert.deepEqual(await line(`iam get-open-id-connect-provider ${provider} --query ClientIDList`), [
      "croft",
    ]);

    const role = "--role-name federated";
    const trust = JSON.stringify({
      Version: "2012-10-17",
      Statement: { Effect: "Allow", Principal: { Federated: arn }, Action: "sts:AssumeRoleWithWebIdentity" },
    });
    await aws.text(`iam create-role ${role} --assume-role-policy-document ${trust}`);
    const assume = (token: string) =>
      `sts assume-role-with-web-identity --role-arn arn:aws:iam::000000000000:role/federated --role-session-name me --web-identity-token ${token}`;
    assert.deepEqual(
      await line(`${assume(await issuer.token())} --query [SubjectFromWebIdentityToken,AssumedRoleUser.Arn]`),
      ["ada", "arn:aws:sts::000000000000:assumed-role/federated/me"],
    );
    assert.equal(await aws.refusal(assume(await issuer.token({ aud: "other" }))), "InvalidIdentityToken");
    await aws.text(`iam delete-role ${role}`);
    await aws.text(`iam delete-open-id-connect-provider ${provider}`);
    assert.equal(await aws.refusal(`iam get-open-id-connect-provider ${provider}`), "NoSuchEntity");
  });

  test("a service-linked role is made, kept as it is, and deleted by a task", async () => {
    const role = "--role-name AWSServiceRoleForEC2Spot";
    const made = "iam create-service-linked-role --aws-service-name spot.amazonaws.com --query Role.Path";
    assert.deepEqual(await line(made), ["/aws-service-role/spot.amazonaws.com/"]);
    assert.equal(await aws.refusal(`iam delete-role ${role}`), "UnmodifiableEntity");
    const [task] = await line(`iam delete-service-linked-role ${role} --query DeletionTaskId`);
    const status = `iam get-service-linked-role-deletion-status --deletion-task-id ${task} --query Status`;
    assert.deepEqual(await line(status), ["SUCCEEDED"]);
  });

  test("whom a SAML provider vouches for assumes a role", async () => {
    const [account, metadata] = [
      "arn:aws:iam::000000000000",
      `--saml-metadata-document file://${idp.metadataFile}`,
    ];
    const [arn, roleArn] = [`${account}:saml-provider/corp`, `${account}:role/federated`];
    const provider = `--saml-provider-arn ${arn}`;
    const create = `iam create-saml-provider --name corp ${metadata} --query SAMLProviderArn`;
    assert.deepEqual(await line(create), [arn]);
    await aws.text(`iam update-saml-provider ${provider} ${metadata}`);
    await aws.text(`iam tag-saml-provider ${provider} --tags Key=a,Value=1`);
    assert.deepEqual(await line(`iam list-saml-provider-tags ${provider} --query Tags[].Key`), ["a"]);
    await aws.text(`iam untag-saml-provider ${provider} --tag-keys a`);
    assert.deepEqual(await line("iam list-saml-providers --query SAMLProviderList[].Arn"), [arn]);
    assert.match(
      await aws.text(`iam get-saml-provider ${provider} --query SAMLMetadataDocument`),
      /EntityDescriptor/,
    );
    const trust = JSON.stringify({
      Version: "2012-10-17",
      Statement: { Effect: "Allow", Principal: { Federated: arn }, Action: "sts:AssumeRoleWithSAML" },
    });
    await aws.text(`iam create-role --role-name federated --assume-role-policy-document ${trust}`);
    const assume = (assertion: string) =>
      `sts assume-role-with-saml --role-arn ${roleArn} --principal-arn ${arn} --saml-assertion ${assertion}`;
    const about = { role: roleArn, provider: arn };
    assert.deepEqual(await line(`${assume(idp.assertion(about))} --query [Subject,Issuer]`), [
      "ada",
      idp.entityId,
    ]);
    const unsigned = Buffer.from(idp.response(about)).toString("base64");
    assert.equal(await aws.refusal(assume(unsigned)), "InvalidIdentityToken");
    await aws.text("iam delete-role --role-name federated");
    await aws.text(`iam delete-saml-provider ${provider}`);
    assert.equal(await aws.refusal(`iam get-saml-provider ${provider}`), "NoSuchEntity");
  });
}
