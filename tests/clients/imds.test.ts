import assert from "node:assert/strict";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { run } from "#drivers/linux/commands.ts";
import { imdsServer } from "#guest/imds-server.ts";
import { networkView } from "#guest/network-view.ts";
import { sampleInterface, sampleNetwork } from "#guest/sample-network.ts";
import { sessionTokens } from "#guest/session-token.ts";
import { testImage, testRegion } from "#testing/region.ts";
import { temporaryDirectory } from "#testing/temporary-directory.ts";

const limit = { timeout: 120_000 };

test("cloud-init finds all metadata of an instance, with a session token", limit, async (t) => {
  const { address, metadata } = await serveInstance(t);
  const directory = await temporaryDirectory(t);
  const crawled = JSON.parse(
    await run("env", [
      `PYTHONPATH=${await unpackCloudInit(directory)}`,
      "/usr/bin/python3",
      join(import.meta.dirname, "imds-cloud-init.py"),
      address,
      directory,
    ]),
  );
  assert.equal(crawled["_metadata_api_version"], "2021-03-23");
  assert.equal(crawled["user-data"], "#!/bin/sh\n");
  const leaves = (tree: object): number =>
    Object.values(tree).reduce(
      (sum, it) => sum + (typeof it === "object" && it !== null && !Array.isArray(it) ? leaves(it) : 1),
      0,
    );
  // cloud-init leaves out what is below a `security-credentials`, and reads JSON.
  const { ec2: itself, ...others } = crawled["meta-data"]["identity-credentials"];
  assert.deepEqual([Object.keys(itself), Object.keys(others)], [["info"], []]);
  assert.equal(itself.info.AccountId, "111122223333");
  crawled["meta-data"]["identity-credentials"] = "";
  const paths = Object.keys(metadata.tree).filter((path) => !path.startsWith("identity-credentials/"));
  assert.equal(leaves(crawled["meta-data"]), paths.length + 1, "every leaf");
  assert.equal(crawled["meta-data"]["instance-id"], metadata.tree["instance-id"]);
  assert.equal(crawled["meta-data"]["public-keys"].me, metadata.tree["public-keys/0=me/openssh-key"]);
  assert.equal(crawled["meta-data"].tags.instance.Name, "web");
  const { document } = crawled.dynamic["instance-identity"];
  assert.deepEqual(document, JSON.parse(metadata.dynamic["instance-identity/document"] ?? ""));
});

test("botocore finds the region, and that there is no role", limit, async (t) => {
  const { address } = await serveInstance(t);
  const code = `
import json
from botocore.utils import InstanceMetadataFetcher, InstanceMetadataRegionFetcher
options = {"base_url": "${address}/", "timeout": 5, "num_attempts": 1}
region = InstanceMetadataRegionFetcher(**options).retrieve_region()
print(json.dumps([region, InstanceMetadataFetcher(**options).retrieve_iam_role_credentials()]))`;
  assert.deepEqual(JSON.parse(await run("/usr/bin/python3", ["-c", code])), ["eu-central-1", {}]);
});

/** A fake instance's real metadata, on loopback; only by version 2. */
const serveInstance = async (t: TestContext) => {
  const { client, guests, until } = await testRegion(t);
  await client.createKeyPair({ KeyName: "me", KeyType: "ed25519" });
  await client.runInstances({
    ImageId: testImage.id,
    MinCount: 1,
    MaxCount: 1,
    KeyName: "me",
    UserData: Buffer.from("#!/bin/sh\n").toString("base64"),
    MetadataOptions: { HttpTokens: "required", InstanceMetadataTags: "enabled" },
    TagSpecifications: [{ ResourceType: "instance", Tags: [{ Key: "Name", Value: "web" }] }],
  });
  const told = () => [...guests.values()][0]?.interfaces[0]?.metadata;
  await until(() => told() !== undefined);
  const metadata = told();
  assert.ok(metadata);
  const view = networkView(sampleNetwork([sampleInterface("127.0.0.1", metadata)]));
  const server = imdsServer(
    view,
    sessionTokens(Date.now, () => "a key"),
  ).listen(0, "127.0.0.1");
  t.after(() => server.close());
  await once(server, "listening");
  const at = server.address();
  assert.ok(typeof at === "object" && at);
  return { address: `http://127.0.0.1:${at.port}`, metadata };
};

/** Debian's own, and what it imports. Unpacked, never installed: it would set up this machine at its next boot. */
const unpackCloudInit = async (directory: string): Promise<string> => {
  const packages = [
    "cloud-init",
    "python3-configobj",
    "python3-jsonpatch",
    "python3-json-pointer",
    "python3-oauthlib",
  ];
  const download = () =>
    run("env", ["-C", directory, "apt-get", "download", ...packages], { timeoutMs: 60_000 });
  await download().catch(async () => {
    await run("apt-get", ["update"], { timeoutMs: 60_000 });
    await download();
  });
  const root = join(directory, "root");
  for (const file of readdirSync(directory).filter((name) => name.endsWith(".deb")))
    await run("dpkg", ["-x", join(directory, file), root]);
  return join(root, "usr/lib/python3/dist-packages");
};
