import assert from "node:assert/strict";
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import { testCertificate } from "#testing/certificates.ts";
import { iamScene } from "#testing/iam.ts";
import { checkCertificate } from "./server-certificate.ts";

const limit = { timeout: 60_000 };
const authority = testCertificate("authority");
const between = testCertificate("between", authority);
const web = testCertificate("web", between);
const uploaded = {
  ServerCertificateName: "web",
  CertificateBody: web.certificate,
  PrivateKey: web.key,
};

test(
  "a certificate is uploaded with its key and chain, found, renamed, tagged and deleted; its key is told to nobody",
  limit,
  async (t) => {
    const { iam, refused } = await iamScene(t);
    const CertificateChain = between.certificate + authority.certificate;
    const tags = { Tags: [{ Key: "team", Value: "x" }] };
    const { ServerCertificateMetadata: made, Tags } = await iam.uploadServerCertificate({
      ...uploaded,
      CertificateChain,
      Path: "/edge/",
      ...tags,
    });
    assert.match(made?.ServerCertificateId ?? "", /^ASCA[A-Z2-7]{17}$/);
    assert.equal(made?.Arn, "arn:aws:iam::111122223333:server-certificate/edge/web");
    assert.ok(Number(made.Expiration) > Date.now() + 29 * 86_400_000);
    assert.deepEqual(Tags, tags.Tags);
    const { ServerCertificate: found } = await iam.getServerCertificate({ ServerCertificateName: "WEB" });
    assert.deepEqual(found, {
      ServerCertificateMetadata: made,
      CertificateBody: web.certificate,
      CertificateChain,
      ...tags,
    });
    await refused(
      iam.uploadServerCertificate(uploaded),
      "EntityAlreadyExistsException",
      /name web already exists/,
    );
    await iam.updateServerCertificate({
      ServerCertificateName: "web",
      NewServerCertificateName: "site",
      NewPath: "/",
    });
    const name = { ServerCertificateName: "site" };
    await refused(iam.getServerCertificate(uploaded), "NoSuchEntityException");
    await iam.untagServerCertificate({ ...name, TagKeys: ["team"] });
    await iam.tagServerCertificate({ ...name, Tags: [{ Key: "a", Value: "1" }] });
    assert.deepEqual((await iam.listServerCertificateTags(name)).Tags, [{ Key: "a", Value: "1" }]);
    const { ServerCertificateMetadataList: [listed] = [] } = await iam.listServerCertificates({});
    assert.equal(listed?.Arn, "arn:aws:iam::111122223333:server-certificate/site");
    assert.deepEqual(
      (await iam.listServerCertificates({ PathPrefix: "/edge/" })).ServerCertificateMetadataList,
      [],
    );
    assert.equal((await iam.getAccountSummary({})).SummaryMap?.["ServerCertificates"], 1);
    await iam.deleteServerCertificate(name);
    await refused(iam.deleteServerCertificate(name), "NoSuchEntityException", /site cannot be found/);
  },
);

test("a certificate is taken in its time alone", () => {
  const inDays = (days: number) => new Date(Date.now() + days * 86_400_000);
  assert.ok(checkCertificate(uploaded, inDays(0)).expiresAt > inDays(29).toISOString());
  for (const days of [-1, 31])
    assert.throws(() => checkCertificate(uploaded, inDays(days)), { message: /validity period/ });
});

test("what does not fit, or is no certificate, is refused and not kept", limit, async (t) => {
  const { iam, refused } = await iamScene(t);
  const malformed = (changed: Partial<typeof uploaded & { CertificateChain: string }>, message: RegExp) =>
    refused(
      iam.uploadServerCertificate({ ...uploaded, ...changed }),
      "MalformedCertificateException",
      message,
    );
  const unreadable = /Unable to parse certificate/;
  await malformed({ CertificateBody: "web" }, unreadable);
  await malformed({ CertificateBody: `web\n${web.certificate}` }, unreadable);
  await malformed({ CertificateBody: web.certificate + between.certificate }, unreadable);
  await malformed({ CertificateBody: web.certificate.replace(/\n[^-]{10}/, "\nAAAAAAAAAA") }, unreadable);
  await malformed({ PrivateKey: web.certificate }, /Unable to parse private key/);
  const encrypted = createPrivateKey(web.key).export({
    type: "pkcs8",
    format: "pem",
    cipher: "aes-256-cbc",
    passphrase: "secret",
  });
  await malformed({ PrivateKey: encrypted }, /Unable to parse private key/);
  await malformed({ CertificateChain: authority.certificate }, /chain of the invalid certificate is: -1/);
  await malformed(
    { CertificateChain: between.certificate + web.certificate },
    /chain of the invalid certificate is: 0/,
  );
  await malformed({ CertificateChain: "none" }, unreadable);
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  await refused(
    iam.uploadServerCertificate({
      ...uploaded,
      PrivateKey: privateKey.export({ type: "pkcs8", format: "pem" }),
    }),
    "KeyPairMismatchException",
  );
  assert.deepEqual((await iam.listServerCertificates({})).ServerCertificateMetadataList, []);
  for (let n = 0; n < 20; n++)
    await iam.uploadServerCertificate({ ...uploaded, ServerCertificateName: `web${n}` });
  await refused(iam.uploadServerCertificate(uploaded), "LimitExceededException");
});
