import assert from "node:assert/strict";
import { test } from "node:test";
import { iamScene } from "#testing/iam.ts";
import { makeSamlProvider } from "#testing/saml-provider.ts";

const limit = { timeout: 30_000 };
const SAMLProviderArn = "arn:aws:iam::111122223333:saml-provider/corp";
const provider = { SAMLProviderArn };

test("a SAML provider is made of its metadata, described, tagged, changed and deleted", limit, async (t) => {
  const { iam, refused } = await iamScene(t);
  const [one, two] = [await makeSamlProvider(t), await makeSamlProvider(t)];
  const Tags = [{ Key: "team", Value: "a" }];
  const made = await iam.createSAMLProvider({ Name: "corp", SAMLMetadataDocument: one.metadata, Tags });
  assert.deepEqual([made.SAMLProviderArn, made.Tags], [SAMLProviderArn, Tags]);
  await refused(
    iam.createSAMLProvider({ Name: "corp", SAMLMetadataDocument: one.metadata }),
    "EntityAlreadyExistsException",
  );
  const found = await iam.getSAMLProvider(provider);
  assert.deepEqual([found.SAMLMetadataDocument, found.Tags], [one.metadata, Tags]);
  const years = (found.ValidUntil?.getUTCFullYear() ?? 0) - (found.CreateDate?.getUTCFullYear() ?? 0);
  assert.equal(years, 100);
  const { SAMLProviderList: [listed, ...more] = [] } = await iam.listSAMLProviders({});
  assert.deepEqual([listed?.Arn, more], [SAMLProviderArn, []]);
  assert.equal((await iam.getAccountSummary({})).SummaryMap?.Providers, 1);
  await iam.updateSAMLProvider({ ...provider, SAMLMetadataDocument: two.metadata });
  assert.equal((await iam.getSAMLProvider(provider)).SAMLMetadataDocument, two.metadata);
  await iam.tagSAMLProvider({ ...provider, Tags: [{ Key: "stage", Value: "b" }] });
  await iam.untagSAMLProvider({ ...provider, TagKeys: ["team"] });
  assert.deepEqual((await iam.listSAMLProviderTags(provider)).Tags, [{ Key: "stage", Value: "b" }]);
  await iam.deleteSAMLProvider(provider);
  await refused(iam.getSAMLProvider(provider), "NoSuchEntityException", /^Manifest not found for arn arn:/);
});

test("what is no metadata of one provider with a key makes none, and changes none", limit, async (t) => {
  const { iam, refused } = await iamScene(t);
  const { metadata } = await makeSamlProvider(t);
  await iam.createSAMLProvider({ Name: "corp", SAMLMetadataDocument: metadata });
  for (const bad of [
    "x".repeat(1000),
    metadata.replaceAll("EntityDescriptor", "EntitiesDescriptor"),
    metadata.replace(/entityID="[^"]*"/, 'entityID=""'),
    metadata.replaceAll("IDPSSODescriptor", "SPSSODescriptor"),
    metadata.replace('use="signing"', 'use="encryption"'),
    metadata.replace(/(<ds:X509Certificate>)..../, "$1AAAA"),
    metadata.replace('<?xml version="1.0"?>', '<!DOCTYPE a [<!ENTITY b "c">]>'),
  ]) {
    const sent = { SAMLMetadataDocument: bad };
    await refused(
      iam.createSAMLProvider({ ...sent, Name: "bad" }),
      "InvalidInputException",
      /^Could not parse metadata\.$/,
    );
    await refused(iam.updateSAMLProvider({ ...sent, ...provider }), "InvalidInputException");
  }
  await refused(
    iam.updateSAMLProvider(provider),
    "InvalidInputException",
    /^Unable to update identity provider/,
  );
  const encrypted = {
    SAMLMetadataDocument: metadata,
    Name: "bad",
    AssertionEncryptionMode: "Required" as const,
  };
  await refused(iam.createSAMLProvider(encrypted), "InvalidInputException", /not encrypted/);
  assert.equal((await iam.getSAMLProvider(provider)).SAMLMetadataDocument, metadata);
  assert.equal((await iam.listSAMLProviders({})).SAMLProviderList?.length, 1);
});
