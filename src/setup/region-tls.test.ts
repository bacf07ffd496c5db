import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { callEc2 } from "#cli/region-api.ts";
import { regionEnvironment } from "#cli/region-environment.ts";
import { health } from "#cli/supervise/health.ts";
import { layout, type RegionSettings } from "#config.ts";
import { listen, type ListenOptions } from "#http/http-server.ts";
import { apiEndpoint } from "./api-endpoint.ts";
import { makeCredentials } from "./credentials.ts";
import { makeAwsTls, makeRegionTls, opensslConfig, readServerTls } from "./region-tls.ts";
import { requireWholeTls, settle, writeSettings } from "./region-settings.ts";

const limit = { timeout: 20_000 };

test("on loopback there is no certificate, and clients are told plain HTTP", (t) => {
  for (const address of [undefined, "127.0.0.1", "127.0.0.9", "::1"]) {
    const { dataDir, settings } = scene(t, address);
    makeRegionTls(dataDir, settings);
    assert.equal(readServerTls(dataDir, settings), undefined);
    assert.equal(existsSync(layout(dataDir).tls.dir), false);
    const { AWS_ENDPOINT_URL, AWS_CA_BUNDLE } = regionEnvironment(dataDir);
    assert.match(AWS_ENDPOINT_URL ?? "", /^http:\/\//);
    assert.equal(AWS_CA_BUNDLE, undefined);
  }
});

test("on another address clients are told HTTPS, and whom to trust", (t) => {
  for (const [address, url] of [
    ["192.0.2.7", "https://192.0.2.7:4566"],
    ["2001:db8::7", "https://[2001:db8::7]:4566"],
    ["0.0.0.0", "https://127.0.0.1:4566"],
    ["::", "https://[::1]:4566"],
  ] as const) {
    const { dataDir, settings } = scene(t, address);
    assert.equal(apiEndpoint(dataDir, settings).url, url);
    const variables = regionEnvironment(dataDir);
    assert.equal(variables["AWS_ENDPOINT_URL"], url);
    assert.equal(variables["AWS_CA_BUNDLE"], layout(dataDir).tls.ca);
  }
});

test("the certificate is for every address of this host, by an authority that signs nothing but servers", (t) => {
  const { dataDir, settings } = scene(t, "192.0.2.7");
  makeRegionTls(dataDir, settings);
  const { tls } = layout(dataDir);
  const [authority, cert] = [tls.ca, tls.cert].map((file) => new X509Certificate(readFileSync(file)));
  assert.ok(authority?.ca && cert && !cert.ca);
  assert.ok(cert.checkIssued(authority) && cert.verify(authority.publicKey));
  for (const address of ["192.0.2.7", "127.0.0.1", "::1"]) assert.ok(cert.checkIP(address), address);
  assert.ok(cert.checkHost("localhost"));
  assert.equal(cert.checkIP("192.0.2.8"), undefined);
  for (const secret of [tls.caKey, tls.key]) assert.equal(statSync(secret).mode & 0o777, 0o600);
});

test("the authority is made once; the certificate anew for another address, and in good time", (t) => {
  const { dataDir, settings } = scene(t, "192.0.2.7");
  const { tls } = layout(dataDir);
  const files = () => [tls.ca, tls.cert].map((file) => readFileSync(file, "utf8"));
  makeRegionTls(dataDir, settings);
  const [ca, cert] = files();
  makeRegionTls(dataDir, settings);
  assert.deepEqual(files(), [ca, cert]);
  makeRegionTls(dataDir, { ...settings, listen: "192.0.2.8" });
  const [sameCa, other] = files();
  assert.equal(sameCa, ca);
  assert.notEqual(other, cert);
  makeRegionTls(dataDir, { ...settings, listen: "192.0.2.8" }, new Date(Date.now() + 380 * 24 * 3_600_000));
  assert.notEqual(files()[1], other);
});

test("instances call by the names that AWS's services have, in any region", (t) => {
  const { dataDir } = scene(t, undefined);
  const { tls } = layout(dataDir);
  makeAwsTls(dataDir, { region: "xx-test-1" });
  const [authority, cert] = [tls.ca, tls.awsCert].map((file) => new X509Certificate(readFileSync(file)));
  assert.ok(authority && cert && cert.checkIssued(authority));
  for (const name of ["sts.amazonaws.com", "ec2.xx-test-1.amazonaws.com", "ssm.eu-west-1.api.aws"])
    assert.ok(cert.checkHost(name), name);
  for (const name of ["example.com", "amazonaws.com.example.com"]) assert.ok(!cert.checkHost(name), name);
  assert.equal(statSync(tls.awsKey).mode & 0o777, 0o600);
  const before = readFileSync(tls.awsCert, "utf8");
  makeAwsTls(dataDir, { region: "xx-test-1" });
  assert.equal(readFileSync(tls.awsCert, "utf8"), before);
});

test("whoever trusts the authority can call, and whoever does not, does not", limit, async (t) => {
  const { dataDir, port } = await served(t, () => ({ status: 200, headers: {}, body: '{"status":"ready"}' }));
  const ca = readFileSync(layout(dataDir).tls.ca);
  assert.equal(await statusOf({ port, ca }), 200);
  await assert.rejects(statusOf({ port }), /self-signed certificate|unable to (verify|get local issuer)/);
  await assert.rejects(fetch(`http://127.0.0.1:${port}/`), TypeError);
  assert.equal((await health(`https://127.0.0.1:${port}`))?.status, "ready");
});

test("by TLS the API may have any name, but no page of another site calls it", limit, async (t) => {
  const { dataDir, port } = await served(t, () => ({ status: 200, headers: {}, body: "" }));
  const ca = readFileSync(layout(dataDir).tls.ca);
  assert.equal(await statusOf({ port, ca, headers: { host: "croft.example.com" } }), 200);
  assert.equal(await statusOf({ port, ca, headers: { origin: "https://evil.example" } }), 403);
});

test("croft's own commands trust the region's authority", limit, async (t) => {
  const { dataDir } = await served(t, () => ({ status: 200, headers: {}, body: "<vpcId>vpc-1</vpcId>" }));
  assert.match(await callEc2(dataDir, "DescribeVpcs", {}), /vpc-1/);
  writeFileSync(layout(dataDir).tls.ca, "");
  await assert.rejects(callEc2(dataDir, "DescribeVpcs", {}), /does not answer/);
});

test("a certificate that is given is used, by a name that it is for", (t) => {
  const { dataDir, settings } = scene(t, "192.0.2.7");
  makeRegionTls(dataDir, settings);
  const { tls } = layout(dataDir);
  const given = { ...settings, listen: "192.0.2.9", tlsCert: tls.cert, tlsKey: tls.key };
  const before = readFileSync(tls.cert, "utf8");
  makeRegionTls(dataDir, given);
  assert.equal(readFileSync(tls.cert, "utf8"), before);
  assert.equal(readServerTls(dataDir, given)?.cert, before);
  const { url, localUrl, caFile } = apiEndpoint(dataDir, given);
  assert.deepEqual([url, localUrl, caFile], ["https://localhost:4566", "https://192.0.2.9:4566", undefined]);
  assert.throws(() => readServerTls(dataDir, { ...given, tlsKey: "/nowhere" }), /\/nowhere cannot be read/);
  const { tlsKey: _, ...half } = given;
  assert.throws(() => requireWholeTls(half), /go together/);
});

test("openssl is told names and addresses apart", () => {
  assert.match(
    opensslConfig(["localhost", "192.0.2.7", "::1"]),
    /^subjectAltName = DNS:localhost, IP:192\.0\.2\.7, IP:::1$/m,
  );
});

function scene(t: TestContext, address: string | undefined, port = 4566) {
  const dataDir = mkdtempSync(join(tmpdir(), "croft-tls-"));
  t.after(() => rmSync(dataDir, { recursive: true }));
  const chosen = address === undefined ? { port } : { port, listen: address };
  const settings: RegionSettings = settle(undefined, chosen, () => "198.18.0.0/16");
  writeSettings(dataDir, settings);
  makeCredentials(dataDir);
  return { dataDir, settings };
}

/** A server on loopback only, with the certificate of a region that listens everywhere. */
async function served(t: TestContext, handle: ListenOptions["handle"]) {
  const { dataDir, settings } = scene(t, "0.0.0.0");
  makeRegionTls(dataDir, settings);
  const tls = readServerTls(dataDir, settings);
  const server = await listen({ host: "127.0.0.1", port: 0, handle, ...(tls && { tls }) });
  t.after(() => server.close());
  writeSettings(dataDir, { ...settings, port: server.port });
  return { dataDir, port: server.port };
}

const statusOf = (options: { port: number; ca?: Buffer; headers?: Record<string, string> }) =>
  new Promise<number | undefined>((resolve, reject) => {
    request({ host: "127.0.0.1", servername: "localhost", agent: false, ...options }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on("error", reject)
      .end();
  });
