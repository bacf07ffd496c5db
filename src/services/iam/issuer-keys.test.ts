import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { startIssuer } from "#testing/issuer.ts";
import { IssuerKeys, IssuerUnfit, IssuerUnknown, IssuerUnreachable } from "./issuer-keys.ts";

const limit = { timeout: 30_000 };
const discovery = "/.well-known/openid-configuration";

async function scene(t: TestContext) {
  const issuer = await startIssuer(t);
  const clock = { ms: 0 };
  const keys = new IssuerKeys({ networks: ["127.0.0.0/8"], monotonicMs: () => clock.ms });
  const about = { url: issuer.url, thumbprints: [issuer.thumbprint] };
  return { issuer, clock, keys, about };
}

test(
  "an issuer is asked once, however many want its keys, and again when they are old or one is missed",
  limit,
  async (t) => {
    const { issuer, clock, keys, about } = await scene(t);
    await Promise.all([keys.of(about), keys.of(about), keys.of(about, { renewed: true })]);
    assert.deepEqual(issuer.asked, [discovery, "/keys"]);
    clock.ms = 9_000;
    await keys.of(about, { renewed: true });
    assert.equal(issuer.asked.length, 2);
    clock.ms = 11_000;
    await keys.of(about);
    assert.equal(issuer.asked.length, 2);
    await keys.of(about, { renewed: true });
    assert.equal(issuer.asked.length, 4);
    clock.ms = 612_000;
    await keys.of(about);
    assert.equal(issuer.asked.length, 6);
  },
);

test("a server is known by a thumbprint, or not asked at all", limit, async (t) => {
  const { issuer, keys, about } = await scene(t);
  await assert.rejects(keys.of({ ...about, thumbprints: [] }), IssuerUnknown);
  await assert.rejects(keys.of({ ...about, thumbprints: ["0".repeat(40)] }), IssuerUnknown);
  assert.deepEqual(issuer.asked, []);
  // The certificate is of 127.0.0.1, and stays so.
  const renamed = { url: issuer.url.replace("127.0.0.1", "localhost"), thumbprints: about.thumbprints };
  await assert.rejects(keys.of(renamed), /localhost|Hostname|altnames/i);
  assert.deepEqual(issuer.asked, []);
});

test(
  "nothing is fetched from addresses that are none of the internet, by whatever name or way",
  limit,
  async (t) => {
    const { issuer, about } = await scene(t);
    const keys = new IssuerKeys({ networks: [], monotonicMs: () => 0 });
    const port = new URL(issuer.url).port;
    for (const url of [
      issuer.url,
      `https://localhost:${port}`,
      `https://[::1]:${port}`,
      `https://[::ffff:127.0.0.1]:${port}`,
      "https://169.254.169.254",
      "https://10.0.0.1",
      `http://127.0.0.1:${port}`,
    ])
      await assert.rejects(keys.of({ url, thumbprints: about.thumbprints }), IssuerUnfit, url);
    assert.deepEqual(issuer.asked, []);
  },
);

test("a discovery document leads nowhere else", limit, async (t) => {
  for (const jwks_uri of [
    "http://127.0.0.1/keys",
    "file:///etc/passwd",
    "https://10.0.0.1/keys",
    "https://a:b@127.0.0.1/",
    5,
  ]) {
    const { issuer, keys, about } = await scene(t);
    issuer.instead.set(discovery, { body: JSON.stringify({ issuer: issuer.url, jwks_uri }) });
    await assert.rejects(keys.of(about), IssuerUnfit, String(jwks_uri));
  }
  const { issuer, keys, about } = await scene(t);
  issuer.instead.set(discovery, { status: 302, location: `${issuer.url}/keys` });
  await assert.rejects(keys.of(about), IssuerUnfit);
  assert.deepEqual(issuer.asked, [discovery]);
});

test("what is no set of keys is none, and what fails now may come later", limit, async (t) => {
  const { issuer, clock, keys, about } = await scene(t);
  const bodies = ["", "[", "5", "{}", '{"keys":5}', '{"keys":["a"]}', `{"a":"${"a".repeat(300_000)}"}`];
  for (const body of bodies) {
    issuer.instead.set("/keys", { body });
    await assert.rejects(keys.of(about), IssuerUnfit, body.slice(0, 20));
    clock.ms += 11_000;
  }
  issuer.instead.set("/keys", { status: 503 });
  await assert.rejects(keys.of(about), IssuerUnreachable);
  issuer.instead.clear();
  await assert.rejects(keys.of(about), IssuerUnreachable);
  clock.ms += 11_000;
  assert.equal((await keys.of(about)).jwks().keys.length, 1);
  issuer.instead.set(discovery, {
    body: JSON.stringify({ issuer: "https://other.example", jwks_uri: `${issuer.url}/keys` }),
  });
  clock.ms += 700_000;
  await assert.rejects(keys.of(about), /another issuer/);
});
