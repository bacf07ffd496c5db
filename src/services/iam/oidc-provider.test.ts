import assert from "node:assert/strict";
import { test } from "node:test";
import { iamScene } from "#testing/iam.ts";

const limit = { timeout: 30_000 };
const Url = "https://accounts.example.com/realm";
const OpenIDConnectProviderArn = "arn:aws:iam::111122223333:oidc-provider/accounts.example.com/realm";
const provider = { OpenIDConnectProviderArn };
const [thumbprint, other] = ["a".repeat(40), "B".repeat(40)];

test("a provider is made of its URL, described without the scheme, tagged and deleted", limit, async (t) => {
  const { iam, refused } = await iamScene(t);
  const Tags = [{ Key: "team", Value: "a" }];
  const made = await iam.createOpenIDConnectProvider({ Url, ClientIDList: ["one"], Tags });
  assert.deepEqual([made.OpenIDConnectProviderArn, made.Tags], [OpenIDConnectProviderArn, Tags]);
  await refused(
    iam.createOpenIDConnectProvider({ Url }),
    "EntityAlreadyExistsException",
    /^Provider with url https:\/\/accounts\.example\.com\/realm already exists\.$/,
  );
  const { $metadata: _, CreateDate, ...found } = await iam.getOpenIDConnectProvider(provider);
  assert.ok(CreateDate instanceof Date);
  assert.deepEqual(found, {
    Url: "accounts.example.com/realm",
    ClientIDList: ["one"],
    ThumbprintList: [],
    Tags,
  });
  const { OpenIDConnectProviderList } = await iam.listOpenIDConnectProviders({});
  assert.deepEqual(OpenIDConnectProviderList, [{ Arn: OpenIDConnectProviderArn }]);
  assert.equal((await iam.getAccountSummary({})).SummaryMap?.Providers, 1);

  await iam.tagOpenIDConnectProvider({ ...provider, Tags: [{ Key: "stage", Value: "b" }] });
  await iam.untagOpenIDConnectProvider({ ...provider, TagKeys: ["team"] });
  const listed = await iam.listOpenIDConnectProviderTags(provider);
  assert.deepEqual(listed.Tags, [{ Key: "stage", Value: "b" }]);
  await iam.deleteOpenIDConnectProvider(provider);
  for (const call of [
    iam.getOpenIDConnectProvider(provider),
    iam.deleteOpenIDConnectProvider(provider),
    iam.tagOpenIDConnectProvider({ ...provider, Tags }),
  ])
    await refused(call, "NoSuchEntityException", /^OpenIDConnect Provider not found for arn arn:/);
});

test("its client ids and thumbprints change, as many as there may be", limit, async (t) => {
  const { iam, refused } = await iamScene(t);
  await iam.createOpenIDConnectProvider({ Url, ThumbprintList: [thumbprint] });
  for (const ClientID of ["one", "two", "two"])
    await iam.addClientIDToOpenIDConnectProvider({ ...provider, ClientID });
  for (const ClientID of ["one", "none"])
    await iam.removeClientIDFromOpenIDConnectProvider({ ...provider, ClientID });
  await iam.updateOpenIDConnectProviderThumbprint({ ...provider, ThumbprintList: [other] });
  const now = await iam.getOpenIDConnectProvider(provider);
  assert.deepEqual([now.ClientIDList, now.ThumbprintList], [["two"], [other.toLowerCase()]]);

  await refused(
    iam.updateOpenIDConnectProviderThumbprint({ ...provider, ThumbprintList: Array(6).fill(thumbprint) }),
    "InvalidInputException",
  );
  await refused(
    iam.updateOpenIDConnectProviderThumbprint({ ...provider, ThumbprintList: ["z".repeat(40)] }),
    "InvalidInputException",
  );
  const many = Array.from({ length: 101 }, (_, n) => `client-${n}`);
  await refused(
    iam.createOpenIDConnectProvider({ Url: `${Url}/2`, ClientIDList: many }),
    "LimitExceededException",
  );
  assert.equal((await iam.listOpenIDConnectProviders({})).OpenIDConnectProviderList?.length, 1);
});

test("what is no https URL of a name is no provider", limit, async (t) => {
  const { iam, refused } = await iamScene(t);
  for (const bad of [
    "http://accounts.example.com",
    "accounts.example.com",
    "https://",
    "https://ada@accounts.example.com",
    "https://accounts.example.com/?a=b",
    "https://accounts.example.com/#a",
    "https://Accounts.example.com",
    `https://accounts.example.com/${"a".repeat(255)}`,
  ])
    await assert.rejects(iam.createOpenIDConnectProvider({ Url: bad }), { name: /ValidationError/ }, bad);
  await refused(
    iam.createOpenIDConnectProvider({ Url: "https://a.example", Tags: [{ Key: "aws:a", Value: "" }] }),
    "InvalidInputException",
  );
  assert.deepEqual((await iam.listOpenIDConnectProviders({})).OpenIDConnectProviderList, []);
});
